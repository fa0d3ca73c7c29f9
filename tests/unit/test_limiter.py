"""Rate and concurrency, in a time that only the test moves."""

import asyncio
import heapq
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count, pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.limiter import LONGEST_COOL_DOWN_S, Limiter
from crawler.model.limits import Quota, Rate
from crawler.rate_limiter import LearnedRate, RateLimiter


@dataclass(frozen=True)
class Held:
    """A permit, and what its holder tells of the exchange."""

    pace: Limiter
    began: float

    def throttled(self, retry_after_s: float | None) -> None:
        self.pace.on_throttled(self.began, retry_after_s)

    def timed_out(self) -> None:
        self.pace.on_timeout(self.began)

    def went_well(self) -> None:
        self.pace.on_success()


@asynccontextmanager
async def permit(of: Limiter) -> AsyncIterator[Held]:
    began = await of.acquire()
    try:
        yield Held(of, began)
    finally:
        of.release()


class Time:
    """A clock that goes on only while somebody sleeps; every sleep is late by up to `lateness` seconds."""

    def __init__(self, lateness: float = 0.0) -> None:
        self.now = 1000.0
        self._late = random.Random(7)
        self._lateness = lateness

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self._late.random() * self._lateness
        await anyio.lowlevel.checkpoint()


class SharedTime(Time):
    """Time for many: it moves to the next sleeper's end once everybody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, anyio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        self._sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def pass_by(self) -> None:
        await anyio.wait_all_tasks_blocked()
        while self._sleepers:
            soonest = min(self._sleepers, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(soonest)
            self.now = max(self.now, soonest[0])
            soonest[1].set()
            await anyio.wait_all_tasks_blocked()


class BusyTime(SharedTime):
    """Time for thousands of sleeps: it moves on after as many rounds of the loop as our tasks need to fall asleep."""

    def __init__(self) -> None:
        super().__init__()
        self._by_end: list[tuple[float, int, anyio.Event]] = []
        self._number = count()

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        heapq.heappush(self._by_end, (self.now + seconds, next(self._number), woken))
        await woken.wait()

    async def pass_by(self) -> None:
        await self._settle()
        while self._by_end:
            end, _, woken = heapq.heappop(self._by_end)
            self.now = max(self.now, end)
            woken.set()
            await self._settle()

    async def _settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)


def pace(time: Time, *, concurrency: int = 8, quota: Quota | None = None) -> Limiter:
    starts = None if quota is None else RateLimiter(quota)
    return Limiter(concurrency=concurrency, starts=starts, clock=time.clock, sleep=time.sleep)


def quota(count: int, seconds: float) -> Quota:
    return Quota(("test",), "the test's", (Rate(count, seconds),))


async def begun(pace: Limiter, time: Time, exchanges: int) -> list[float]:
    moments = []
    for _ in range(exchanges):
        async with permit(pace):
            moments.append(time.now)
    return moments


def most_in_any(moments: list[float], seconds: float) -> int:
    return max(sum(start <= moment < start + seconds for moment in moments) for start in moments)


@pytest.mark.parametrize("lateness", [0.0, 0.004, 0.2])
async def test_no_window_of_a_rates_length_ever_holds_more_than_its_count(lateness):
    time = Time(lateness)
    moments = await begun(pace(time, quota=quota(80, 1)), time, 1000)
    assert most_in_any(moments, 1.0) <= 80


async def test_a_rate_is_used_nearly_whole_and_evenly():
    time = Time()
    moments = await begun(pace(time, quota=quota(50, 1)), time, 1001)
    assert 1000 / (moments[-1] - moments[0]) >= 0.97 * 50
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert max(gaps) == pytest.approx(min(gaps), rel=1e-3)


async def test_small_lateness_is_made_up_for():
    time = Time(lateness=0.004)
    moments = await begun(pace(time, quota=quota(50, 1)), time, 1001)
    assert 1000 / (moments[-1] - moments[0]) >= 0.97 * 50


async def test_a_stall_is_not_made_up_for_in_a_rush():
    time = Time()
    kept = pace(time, quota=quota(100, 1))
    await begun(kept, time, 50)
    time.now += 5
    moments = await begun(kept, time, 50)
    assert most_in_any(moments, 0.1) <= 13


async def test_a_wide_window_bounds_what_the_narrow_one_would_allow():
    time = Time()
    both = Quota(("test",), "the test's", (Rate(10, 1), Rate(30, 60)))
    moments = await begun(pace(time, quota=both), time, 90)
    assert most_in_any(moments, 1) <= 10
    assert most_in_any(moments, 60) <= 30


@given(
    count=st.integers(1, 50), seconds=st.floats(0.1, 1000), jumps=st.lists(st.floats(0, 3), min_size=60, max_size=120)
)
def test_starts_never_exceed_their_quota_whenever_they_are_asked(count, seconds, jumps):
    starts = RateLimiter(quota(count, seconds))
    now, moments = 0.0, []
    for jump in jumps:
        now += jump * seconds / count
        while (delay := starts.try_acquire(now)) > 0:
            now += delay
        moments.append(now)
    assert most_in_any(moments, seconds) <= count


async def test_concurrency_is_halved_once_for_all_that_were_throttled_together():
    kept = pace(Time(), concurrency=16)
    async with permit(kept) as one, permit(kept) as other, permit(kept) as third:
        one.throttled(None)
        other.throttled(None)
        third.timed_out()
    assert kept.limit == 8


async def test_concurrency_never_falls_below_one_and_is_raised_one_by_one():
    time = Time()
    kept = pace(time, concurrency=4)
    for _ in range(5):
        time.now += 1
        async with permit(kept) as held:
            held.throttled(None)
    assert kept.limit == 1
    raised = []
    for _ in range(20):
        async with permit(kept) as held:
            held.went_well()
        raised.append(kept.limit)
    assert raised[0] == 2
    assert all(later - earlier in {0, 1} for earlier, later in pairwise(raised))
    assert raised[-1] == 4


async def test_no_more_permits_are_out_than_allowed():
    kept = pace(Time(), concurrency=3)
    out, most = 0, 0

    async def exchange() -> None:
        nonlocal out, most
        async with permit(kept):
            out += 1
            most = max(most, out)
            await anyio.lowlevel.checkpoint()
            out -= 1

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(exchange)
    assert most == 3


async def test_retry_after_cools_down_everyone_and_there_is_no_rush_after_it():
    time = SharedTime()
    kept = pace(time, concurrency=8)
    async with permit(kept) as held:
        held.throttled(30.0)
    asked = time.now
    moments: list[float] = []

    async def exchange() -> None:
        async with permit(kept):
            moments.append(time.now)
            await time.sleep(5)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(exchange)
        await time.pass_by()
    assert min(moments) >= asked + 30
    assert len(set(moments)) == len(moments) == 4


async def test_a_cool_down_is_capped():
    time = Time()
    kept = pace(time)
    async with permit(kept) as held:
        held.throttled(1e9)
    asked = time.now
    async with permit(kept):
        assert time.now <= asked + LONGEST_COOL_DOWN_S + 1


async def test_a_shorter_cool_down_does_not_cut_a_longer_one():
    time = Time()
    kept = pace(time)
    async with permit(kept) as held:
        held.throttled(60.0)
        held.throttled(1.0)
    asked = time.now
    async with permit(kept):
        assert time.now >= asked + 60


async def test_a_cancelled_wait_gives_its_place_back():
    kept = pace(Time(), concurrency=1)
    async with permit(kept):
        with anyio.move_on_after(0.01) as scope:
            async with permit(kept):
                raise AssertionError("there is one permit")
    assert scope.cancelled_caught
    async with permit(kept):
        pass


async def test_waits_are_accounted_for():
    time = Time()
    kept = pace(time, quota=quota(10, 1))
    await begun(kept, time, 11)
    assert kept.wait_s == pytest.approx(10 * 0.1 / 0.98)


# The least spacing, and permits that come back


@given(jumps=st.lists(st.floats(0, 0.05), min_size=40, max_size=80))
def test_starts_that_come_late_are_never_closer_than_most_of_the_spacing(jumps):
    starts = RateLimiter(quota(50, 1))
    spacing = 1 / 50 / 0.98
    now, moments = 0.0, []
    for jump in jumps:
        starts.reserve(now)
        now += jump
        while (delay := starts.try_acquire(now)) > 0:
            now += delay
        moments.append(now)
    assert min(later - earlier for earlier, later in pairwise(moments)) >= 0.79 * spacing


async def test_a_permit_is_given_back_where_the_wait_for_a_turn_is_cancelled():
    time = SharedTime()
    kept = pace(time, concurrency=1, quota=quota(1, 1000))
    await kept.acquire()
    kept.release()
    async with anyio.create_task_group() as group:
        group.start_soon(kept.acquire)
        await anyio.wait_all_tasks_blocked()
        assert kept.in_flight == 1
        group.cancel_scope.cancel()
    assert kept.in_flight == 0


async def test_a_permit_is_given_back_where_the_wait_is_cancelled_just_when_it_is_given():
    kept = pace(Time(), concurrency=1)
    await kept.acquire()
    waiter = asyncio.ensure_future(kept.acquire())
    await anyio.wait_all_tasks_blocked()
    kept.release()
    assert kept.in_flight == 1, "it is the waiter's, which does not know yet"
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert kept.in_flight == 0


async def test_who_cancels_a_wait_for_a_permit_is_not_given_one_later():
    kept = pace(Time(), concurrency=1)
    await kept.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(kept.acquire)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    kept.release()
    assert kept.in_flight == 0


# Cool-downs, and what they are told to wait for meanwhile


async def test_a_cool_down_holds_those_who_were_waiting_for_the_quota_already():
    time = SharedTime()
    kept = pace(time, concurrency=8, quota=quota(1, 1))
    began = await kept.acquire()
    moments: list[float] = []

    async def exchange() -> None:
        async with permit(kept):
            moments.append(time.now)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(exchange)
        await anyio.wait_all_tasks_blocked()
        kept.on_throttled(began, 60.0)
        await time.pass_by()
    assert len(moments) == 3
    assert min(moments) >= began + 60


async def test_a_cool_down_holds_those_who_were_waiting_for_the_learned_rate_already():
    time = SharedTime()
    kept = await throttled_to_a_rate(time)
    began = await kept.acquire()
    moments: list[float] = []

    async def exchange() -> None:
        async with permit(kept):
            moments.append(time.now)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(exchange)
        await anyio.wait_all_tasks_blocked()
        kept.on_throttled(began, 60.0)
        await time.pass_by()
    assert len(moments) == 3
    assert min(moments) >= began + 60


# Registries that are unavailable now and then, and registries that throttle without a word


class Registry:
    """Answers in `latency_s`, in a time that only it moves; counts what it was asked and what it served.

    `allows_per_s` is the limit above which it answers 503, or 429 without Retry-After; `fails` the share of exchanges
    that it answers 503 without any reason.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.001,
        allows_per_s: float | None = None,
        fails: float = 0.0,
        says_429: bool = False,
        seed: int = 1,
    ) -> None:
        self.time = BusyTime()
        self.pace = pace(self.time, concurrency=64)
        self.asked = self.served = self.judged = 0
        self.allows_per_s = allows_per_s
        self.fails = fails
        self._latency_s = latency_s
        self._says_429 = says_429
        self._chance = random.Random(seed)
        self._free_at = 0.0

    async def crawl(self, *, seconds: float) -> None:
        """64 workers, each of which waits for half a second on average before it tries again what was refused."""
        until = self.time.now + seconds
        async with anyio.create_task_group() as group:
            for _ in range(64):
                group.start_soon(self._work, until)
            await self.time.pass_by()

    async def _work(self, until: float) -> None:
        while self.time.now < until:
            began = await self.pace.acquire()
            await self.time.sleep(self._latency_s)
            refused = not self._serves()
            self._tell(began, refused=refused)
            self.pace.release()
            if refused:
                await self.time.sleep(self._chance.random())

    def _serves(self) -> bool:
        self.asked += 1
        if self._chance.random() < self.fails or self.time.now < self._free_at:
            return False
        if self.allows_per_s is not None:
            self._free_at = self.time.now + 1 / self.allows_per_s  # nginx's limit_req without a burst
        self.served += 1
        return True

    def _tell(self, began: float, *, refused: bool) -> None:
        if not refused:
            self.pace.on_success()
        elif self._says_429:
            self.pace.on_throttled(began, None)
        else:
            self.judged += self.pace.on_unavailable(began)


async def throttled_to_a_rate(time: SharedTime) -> Limiter:
    """A pace that has learned that one start a second is allowed."""
    kept = pace(time, concurrency=8)
    kept.on_throttled(await kept.acquire(), None)
    kept.release()
    for _ in range(5):
        time.now += 1
        began = time.now
        kept.on_success()
    kept.on_throttled(began, None)
    time.now += 1
    return kept


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fails", [0.05, 0.1])
async def test_a_steady_sprinkle_of_503s_never_eases_the_pace_and_is_no_throttling(fails, seed):
    registry = Registry(latency_s=0.3, fails=fails, seed=seed)
    await registry.crawl(seconds=20)
    assert registry.asked > 3000
    assert registry.pace.lowest_limit == 64
    assert registry.judged == 0
    assert registry.pace.held_by == "the concurrency"


async def test_a_burst_of_503s_halves_the_permits_and_is_throttling():
    kept = pace(Time(), concurrency=64)
    together = [await kept.acquire() for _ in range(64)]
    judged = [kept.on_unavailable(began) for began in together]
    assert kept.limit == kept.lowest_limit == 32
    assert judged == sorted(judged)
    assert judged.count(True) > 40


async def test_503s_for_a_share_of_all_exchanges_do_not_slow_down_for_ever():
    """One of three backends is gone: asking less does not help, though each 503 may be tried again."""
    registry = Registry(latency_s=0.3, fails=0.33)
    await registry.crawl(seconds=20)
    served, asked, judged = registry.served, registry.asked, registry.judged
    await registry.crawl(seconds=20)
    refused = (registry.asked - asked) - (registry.served - served)
    assert (registry.served - served) / 20 > 50
    assert registry.judged - judged > 0.95 * refused


async def test_a_time_out_halves_the_permits():
    kept = pace(Time(), concurrency=64)
    kept.on_timeout(await kept.acquire())
    assert kept.limit == kept.lowest_limit == 32


async def test_the_lowest_concurrency_is_remembered_when_it_has_recovered():
    time = Time()
    kept = pace(time, concurrency=4)
    kept.on_timeout(await kept.acquire())
    for _ in range(20):
        kept.on_success()
    assert (kept.limit, kept.lowest_limit) == (4, 2)


@pytest.mark.parametrize("says_429", [False, True], ids=["503", "429"])
@pytest.mark.parametrize("allows_per_s", [2, 50])
async def test_the_rate_of_a_limit_is_learned_where_one_permit_is_too_fast(allows_per_s, says_429):
    registry = Registry(allows_per_s=allows_per_s, says_429=says_429)
    await registry.crawl(seconds=20)
    asked, served = registry.asked, registry.served
    await registry.crawl(seconds=60)
    asked, served = registry.asked - asked, registry.served - served
    assert served / 60 > 0.6 * allows_per_s, "the limit is made use of"
    assert served / asked > 0.4, "and not too much is asked in vain"
    assert registry.pace.held_by == "throttling by the registry (429 or 503)"


async def test_503s_under_a_learned_rate_are_throttling():
    registry = Registry(allows_per_s=50)
    await registry.crawl(seconds=10)
    asked, served, judged = registry.asked, registry.served, registry.judged
    await registry.crawl(seconds=30)
    refused = (registry.asked - asked) - (registry.served - served)
    assert refused > 0
    assert registry.judged - judged == refused


async def test_a_limit_that_is_lifted_is_forgotten():
    registry = Registry(latency_s=0.1, allows_per_s=5)
    await registry.crawl(seconds=30)
    assert registry.pace.lowest_limit < 8
    registry.allows_per_s = None
    await registry.crawl(seconds=60)
    served = registry.served
    await registry.crawl(seconds=10)
    assert registry.pace.limit == 64
    assert (registry.served - served) / 10 > 0.95 * 64 / 0.1


async def test_an_outage_that_is_over_leaves_no_learned_rate():
    registry = Registry(latency_s=0.1, allows_per_s=5)
    await registry.crawl(seconds=30)
    registry.allows_per_s = None
    registry.pace.on_outage_over()
    await registry.crawl(seconds=10)
    served = registry.served
    await registry.crawl(seconds=5)
    assert (registry.served - served) / 5 > 0.95 * 64 / 0.1


async def test_a_learned_rate_spaces_the_starts_evenly():
    rate = LearnedRate(10, 0.0)
    rate.start(0.0)
    moments = [0.0]
    for _ in range(10):
        moments.append(moments[-1] + rate.delay(moments[-1]))
        rate.start(moments[-1])
    assert [later - earlier for earlier, later in pairwise(moments)] == pytest.approx([0.1] * 10, rel=0.01)


async def test_a_learned_rate_makes_up_for_little_lateness_and_never_in_a_rush():
    rate = LearnedRate(10, 0.0)
    rate.start(0.0)
    rate.start(0.15)  # 0.05 s late
    assert rate.delay(0.15) == pytest.approx(0.08, rel=0.01)
    rate.start(1.0)  # very late
    assert rate.delay(1.0) == pytest.approx(0.1, rel=0.02)


def test_a_learned_rate_grows_slowly_at_first_and_then_faster_and_only_in_calm():
    rate = LearnedRate(50, 0.0)
    assert rate.per_second(3) < 55
    assert rate.per_second(30) > 1000
    assert rate.per_second(1e9) < float("inf")
    assert not rate.is_over(60)
    assert rate.is_over(65)
    rate.hold(3)
    assert rate.per_second(6) < 60
    rate.lower(1e6, 6)
    assert rate.per_second(6) < 60, "it never grows by being lowered"


async def test_the_slower_of_quota_and_learned_rate_holds():
    time = SharedTime()
    kept = await throttled_to_a_rate(time)
    kept._starts = RateLimiter(quota(10, 1))
    learned = await begun_at(kept, time, 3)
    assert min(later - earlier for earlier, later in pairwise(learned)) > 0.5
    kept._starts = RateLimiter(quota(1, 5))
    held = await begun_at(kept, time, 3)
    assert min(later - earlier for earlier, later in pairwise(held)) >= 5


async def begun_at(kept: Limiter, time: SharedTime, exchanges: int) -> list[float]:
    moments: list[float] = []

    async def exchange() -> None:
        async with permit(kept):
            moments.append(time.now)

    async with anyio.create_task_group() as group:
        for _ in range(exchanges):
            group.start_soon(exchange)
        await time.pass_by()
    return moments


# What the manifest tells of it


async def test_the_quota_is_named_where_it_set_the_pace():
    time = Time()
    kept = pace(time, quota=quota(10, 1))
    await begun(kept, time, 11)
    assert kept.held_by == "the quota: the test's"


async def test_time_outs_are_named_where_they_set_the_pace():
    time = SharedTime()
    kept = pace(time, concurrency=2)
    kept.on_timeout(await kept.acquire())
    async with anyio.create_task_group() as group:
        group.start_soon(kept.acquire)
        await anyio.wait_all_tasks_blocked()
        time.now += 5
        kept.release()
    assert kept.held_by == "time-outs"
    assert kept.wait_s == 5


async def test_waiting_for_a_permit_for_a_cool_down_and_for_a_rate_is_all_waiting():
    time = SharedTime()
    kept = await throttled_to_a_rate(time)
    before, asked = kept.wait_s, time.now
    kept.on_throttled(asked, 60.0)
    moments = await begun_at(kept, time, 12)
    assert kept.wait_s - before == pytest.approx(sum(moments) - 12 * asked)
