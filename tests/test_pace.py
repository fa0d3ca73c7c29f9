"""Rate and concurrency, in a time that only the test moves."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model import Quota, Rate
from crawler.pace import LONGEST_COOL_DOWN_S, Pace
from crawler.rates import Starts


@dataclass(frozen=True)
class Held:
    """A permit, and what its holder tells of the exchange."""

    pace: Pace
    began: float

    def throttled(self, retry_after_s: float | None) -> None:
        self.pace.throttled(self.began, retry_after_s)

    def timed_out(self) -> None:
        self.pace.timed_out(self.began)

    def went_well(self) -> None:
        self.pace.went_well()


@asynccontextmanager
async def permit(of: Pace) -> AsyncIterator[Held]:
    began = await of.begin()
    try:
        yield Held(of, began)
    finally:
        of.end()


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


def pace(time: Time, *, concurrency: int = 8, quota: Quota | None = None) -> Pace:
    starts = None if quota is None else Starts(quota)
    return Pace(concurrency=concurrency, starts=starts, clock=time.clock, sleep=time.sleep)


def quota(count: int, seconds: float) -> Quota:
    return Quota("the test's", (Rate(count, seconds),))


async def begun(pace: Pace, time: Time, exchanges: int) -> list[float]:
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
    both = Quota("the test's", (Rate(10, 1), Rate(30, 60)))
    moments = await begun(pace(time, quota=both), time, 90)
    assert most_in_any(moments, 1) <= 10
    assert most_in_any(moments, 60) <= 30


@given(
    count=st.integers(1, 50), seconds=st.floats(0.1, 1000), jumps=st.lists(st.floats(0, 3), min_size=60, max_size=120)
)
def test_starts_never_exceed_their_quota_whenever_they_are_asked(count, seconds, jumps):
    starts = Starts(quota(count, seconds))
    now, moments = 0.0, []
    for jump in jumps:
        now += jump * seconds / count
        while (delay := starts.begin(now)) > 0:
            now += delay
        moments.append(now)
    assert most_in_any(moments, seconds) <= count


async def test_concurrency_is_halved_once_for_all_that_were_throttled_together():
    kept = pace(Time(), concurrency=16)
    async with permit(kept) as one, permit(kept) as other, permit(kept) as third:
        one.throttled(None)
        other.throttled(None)
        third.timed_out()
    assert kept.allowed == 8


async def test_concurrency_never_falls_below_one_and_is_raised_one_by_one():
    time = Time()
    kept = pace(time, concurrency=4)
    for _ in range(5):
        time.now += 1
        async with permit(kept) as held:
            held.throttled(None)
    assert kept.allowed == 1
    raised = []
    for _ in range(20):
        async with permit(kept) as held:
            held.went_well()
        raised.append(kept.allowed)
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
