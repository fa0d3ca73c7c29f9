"""Clocks of which the time passes only by sleeping: for one task, for many, and for thousands of sleeps."""

import asyncio
import heapq
import random
from itertools import count

import anyio
import anyio.lowlevel


class Time:
    """Seconds since the test began, for code that sleeps in one task. Every sleep is noted in `slept`.

    A sleep ends late by up to `lateness` seconds, as on a busy machine.
    """

    def __init__(self, lateness: float = 0.0) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._late = random.Random(7)
        self._lateness = lateness

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self._late.random() * self._lateness
        await anyio.lowlevel.checkpoint()


class SharedTime(Time):
    """For code that sleeps in many tasks: `pass_by` moves on to the end of the next sleep once all tasks sleep."""

    def __init__(self) -> None:
        super().__init__()
        self._sleeps: list[tuple[float, int, anyio.Event]] = []
        self._number = count()

    async def sleep(self, seconds: float) -> None:
        end = anyio.Event()
        heapq.heappush(self._sleeps, (self.now + seconds, next(self._number), end))
        await end.wait()

    async def pass_by(self) -> None:
        """Return when no task sleeps any more."""
        await self._settle()
        while self._sleeps:
            end_at, _, end = heapq.heappop(self._sleeps)
            self.now = max(self.now, end_at)
            end.set()
            await self._settle()

    async def _settle(self) -> None:
        await anyio.wait_all_tasks_blocked()


class BusyTime(SharedTime):
    """For thousands of sleeps: tasks get eight rounds of the event loop to fall asleep, which is enough and quicker."""

    async def _settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)
