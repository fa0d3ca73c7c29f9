"""How long an answer may take in all, however it trickles: one clock for all exchanges.

A time-out scope for each exchange would cost a tenth of all that an exchange costs, and nearly none is ever needed.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

_TICKS: Final = 32
"""How finely the time is told: an exchange may take that part more than its due."""


class DeadlineTimer:
    """Ends exchanges that take more than `limit_s` seconds. Used within `async with`, in asyncio's loop.

    Whoever exchanges notes its task in `since`, with the tick at which it begins, and in the end has it forgotten.
    """

    def __init__(self, limit_s: float) -> None:
        self.tick = 0
        self.since: dict[asyncio.Task[object], int] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._tick_s = limit_s / _TICKS
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._wait()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def has_expired(self, task: asyncio.Task[object]) -> bool:
        """Whether the cancellation that `task` has just met is ours alone, and means that its time is over."""
        return task in self._expired and task.uncancel() == 0

    def forget(self, task: asyncio.Task[object]) -> None:
        """The exchange is over, in whatever way."""
        del self.since[task]
        self._expired.discard(task)

    @contextmanager
    def paused(self, task: asyncio.Task[object]) -> Iterator[None]:
        """For the time of the block nothing of the exchange's time is used up: it waits for us, not for the server."""
        began, stopped = self.since.pop(task), self.tick
        try:
            yield
        finally:
            self.since[task] = began + self.tick - stopped

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._expire)

    def _expire(self) -> None:
        self.tick += 1
        for task, began in self.since.items():
            if self.tick - began > _TICKS and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        self._wait()
