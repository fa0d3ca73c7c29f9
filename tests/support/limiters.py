"""Limiters in a time that only the test moves, and exchanges under their permits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from crawler.limiter import AdaptiveLimiter
from crawler.model.limits import Quota, Rate
from crawler.rate_limiter import RateLimiter
from support.fake_clock import SharedTime, Time


def make_limiter(time: Time, *, concurrency: int = 8, quota: Quota | None = None) -> AdaptiveLimiter:
    rate = None if quota is None else RateLimiter(quota)
    return AdaptiveLimiter(concurrency=concurrency, rate=rate, clock=time, sleep=time.sleep)


def quota_of(count: int, seconds: float) -> Quota:
    return Quota(("test",), "the test's", (Rate(count, seconds),))


@asynccontextmanager
async def permit(limiter: AdaptiveLimiter) -> AsyncIterator[float]:
    """One exchange; gives the time at which it starts."""
    started_at = await limiter.acquire()
    try:
        yield started_at
    finally:
        limiter.release()


async def starts_in_turn(limiter: AdaptiveLimiter, time: Time, exchanges: int) -> list[float]:
    """When exchanges start that are run one after the other."""
    starts = []
    for _ in range(exchanges):
        async with permit(limiter):
            starts.append(time.now)
    return starts


async def starts_at_once(
    limiter: AdaptiveLimiter, time: SharedTime, exchanges: int, *, each_s: float = 0
) -> list[float]:
    """When exchanges start that are all asked for at once; each takes `each_s`."""
    starts: list[float] = []

    async def exchange() -> None:
        async with permit(limiter):
            starts.append(time.now)
            if each_s:
                await time.sleep(each_s)

    async with anyio.create_task_group() as group:
        for _ in range(exchanges):
            group.start_soon(exchange)
        await time.pass_by()
    return starts


def most_in_any(starts: list[float], seconds: float) -> int:
    """The most starts in any window of this length."""
    return max(sum(start <= other < start + seconds for other in starts) for start in starts)


async def limiter_with_learned_rate(time: SharedTime, *, quota: Quota | None = None) -> AdaptiveLimiter:
    """A limiter that has learned that one start a second is allowed."""
    limiter = make_limiter(time, quota=quota)
    limiter.on_throttled(await limiter.acquire(), None)
    limiter.release()
    for _ in range(5):
        time.now += 1
        limiter.on_success()
    limiter.on_throttled(time.now, None)
    time.now += 1
    return limiter
