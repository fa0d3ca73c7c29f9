"""Shards that share a leased rate, in a time that only the test moves: no Ray, no processes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from crawler.limiter import AdaptiveLimiter
from crawler.model.limits import Quota
from crawler.scale.ray.leased_rate import LeasedRate
from crawler.scale.ray.timetable import Lease, Timetable
from support.fake_clock import BusyTime


@dataclass(slots=True)
class LeasedGroup:
    """Some shards, and the timetable that they share. `starts` has when each exchange started, whoever began it.

    Attributes:
        delays: how long a question to the timetable takes, and its answer.
    """

    quota: Quota
    time: BusyTime
    delays: Callable[[], float]
    starts: list[float] = field(default_factory=list)
    timetable: Timetable = field(init=False)

    def __post_init__(self) -> None:
        self.timetable = Timetable(self.quota, self.time.now)

    def restart(self) -> None:
        """The timetable is lost, and another one follows."""
        self.timetable = Timetable.after_restart(self.quota, self.time.now, 0.0)

    async def lease(self, quota: Quota, wanted: int) -> Lease:
        assert quota == self.quota
        await self.time.sleep(self.delays())
        asked_at = self.time.now
        while not (lease := self.timetable.lease(self.time.now, wanted, asked_at)).starts:
            await self.time.sleep(lease.retry_after_s)
        await self.time.sleep(self.delays())
        return lease

    async def crawl(self, *, workers: int, each_s: float, until: float, clock_ahead_s: float = 0.0) -> None:
        """A shard with so many exchanges at once, of `each_s`, until some time. Cancelling it is its death."""

        def clock() -> float:
            return self.time.now + clock_ahead_s

        rate = LeasedRate(self.quota, self.lease, label="", clock=clock)
        limiter = AdaptiveLimiter(concurrency=workers, rate=rate, clock=clock, sleep=self.time.sleep)

        async def exchanges() -> None:
            while self.time.now < until:
                await limiter.acquire()
                self.starts.append(self.time.now)
                await self.time.sleep(each_s)
                limiter.release()

        async with anyio.create_task_group() as group:
            group.start_soon(rate.keep_leased)
            async with anyio.create_task_group() as all_exchanges:
                for _ in range(workers):
                    all_exchanges.start_soon(exchanges)
            group.cancel_scope.cancel()


def random_delays(seed: int, longest_s: float) -> Callable[[], float]:
    drawn = random.Random(seed)
    return lambda: drawn.random() * longest_s
