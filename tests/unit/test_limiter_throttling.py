"""Registries that are unavailable now and then, and registries that throttle without Retry-After."""

import random

import anyio
import pytest
from support.fake_clock import BusyTime, Time
from support.limiters import make_limiter

pytestmark = pytest.mark.slow


class Registry:
    """Answers in `latency_s`, in a time that only the registry moves; counts what it was asked and what it served.

    `allows_per_s` is the limit above which it answers 503, or 429 without Retry-After; `fails` the share of exchanges
    that it answers 503 without any reason.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.001,
        allows_per_s: float | None = None,
        fails: float = 0.0,
        answers_429: bool = False,
        seed: int = 1,
    ) -> None:
        self.time = BusyTime()
        self.limiter = make_limiter(self.time, concurrency=64)
        self.asked = self.served = self.judged_throttling = 0
        self.allows_per_s = allows_per_s
        self.fails = fails
        self._latency_s = latency_s
        self._answers_429 = answers_429
        self._chance = random.Random(seed)
        self._free_at = 0.0

    async def crawl(self, *, seconds: float) -> None:
        """64 workers; each waits for half a second on average before it retries what was refused."""
        until = self.time.now + seconds
        async with anyio.create_task_group() as group:
            for _ in range(64):
                group.start_soon(self._work, until)
            await self.time.pass_by()

    async def _work(self, until: float) -> None:
        while self.time.now < until:
            started_at = await self.limiter.acquire()
            await self.time.sleep(self._latency_s)
            refused = not self._serves()
            self._report(started_at, refused=refused)
            self.limiter.release()
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

    def _report(self, started_at: float, *, refused: bool) -> None:
        if not refused:
            self.limiter.on_success()
        elif self._answers_429:
            self.limiter.on_throttled(started_at, None)
        else:
            self.judged_throttling += self.limiter.on_unavailable(started_at)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fails", [0.05, 0.1])
async def test_limiter_takes_a_steady_share_of_503s_for_no_throttling(fails, seed):
    registry = Registry(latency_s=0.3, fails=fails, seed=seed)
    await registry.crawl(seconds=20)
    assert registry.asked > 3000
    assert registry.limiter.lowest_limit == 64
    assert registry.judged_throttling == 0
    assert registry.limiter.held_by == "the concurrency"


async def test_limiter_takes_a_burst_of_503s_for_throttling_and_halves_the_limit():
    limiter = make_limiter(Time(), concurrency=64)
    together = [await limiter.acquire() for _ in range(64)]
    judged = [limiter.on_unavailable(started_at) for started_at in together]
    assert limiter.limit == limiter.lowest_limit == 32
    assert judged == sorted(judged)
    assert judged.count(True) > 40


async def test_limiter_does_not_slow_down_for_ever_for_a_large_share_of_503s():
    """One of three backends is gone: asking less does not help, though each 503 may be retried."""
    registry = Registry(latency_s=0.3, fails=0.33)
    await registry.crawl(seconds=20)
    served, asked, judged = registry.served, registry.asked, registry.judged_throttling
    await registry.crawl(seconds=20)
    refused = (registry.asked - asked) - (registry.served - served)
    assert (registry.served - served) / 20 > 50
    assert registry.judged_throttling - judged > 0.95 * refused


@pytest.mark.parametrize("answers_429", [False, True], ids=["503", "429"])
@pytest.mark.parametrize("allows_per_s", [2, 50])
async def test_limiter_learns_a_rate_limit_where_one_exchange_at_a_time_is_too_fast(allows_per_s, answers_429):
    registry = Registry(allows_per_s=allows_per_s, answers_429=answers_429)
    await registry.crawl(seconds=20)
    asked, served = registry.asked, registry.served
    await registry.crawl(seconds=60)
    asked, served = registry.asked - asked, registry.served - served
    assert served / 60 > 0.6 * allows_per_s, "most of the limit is used"
    assert served / asked > 0.4, "and not too many requests are refused"
    assert registry.limiter.held_by == "throttling by the registry (429 or 503)"


async def test_limiter_takes_503s_under_a_learned_rate_for_throttling():
    registry = Registry(allows_per_s=50)
    await registry.crawl(seconds=10)
    asked, served, judged = registry.asked, registry.served, registry.judged_throttling
    await registry.crawl(seconds=30)
    refused = (registry.asked - asked) - (registry.served - served)
    assert refused > 0
    assert registry.judged_throttling - judged == refused


async def test_limiter_forgets_a_limit_that_is_lifted():
    registry = Registry(latency_s=0.1, allows_per_s=5)
    await registry.crawl(seconds=30)
    assert registry.limiter.lowest_limit < 8
    registry.allows_per_s = None
    await registry.crawl(seconds=60)
    served = registry.served
    await registry.crawl(seconds=10)
    assert registry.limiter.limit == 64
    assert (registry.served - served) / 10 > 0.95 * 64 / 0.1


async def test_limiter_has_no_learned_rate_after_an_outage():
    registry = Registry(latency_s=0.1, allows_per_s=5)
    await registry.crawl(seconds=30)
    registry.allows_per_s = None
    registry.limiter.on_outage_over()
    await registry.crawl(seconds=10)
    served = registry.served
    await registry.crawl(seconds=5)
    assert (registry.served - served) / 5 > 0.95 * 64 / 0.1
