"""The time limit of a whole exchange, however slowly its body trickles: one timer for all exchanges of a run.

`asyncio.timeout` around each exchange would arm and cancel a timer of the loop per exchange, and nearly none of them
ever fires. Measured on the hot path (CPU per exchange, client and server on a core each, 5.6 KB listings), a total
time-out per call makes the client 1.11 times as slow, and `anyio.fail_after` adds 30 % to an exchange. Here an exchange
costs one entry in a dictionary, and a single timer looks through the dictionary 32 times per limit.

The price is precision: an exchange may take up to a 32nd more than the limit. A silent server is found by aiohttp's
`sock_read` time-out, which is exact; this limit is only for a body that never ends.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

_TICKS: Final = 32
"""Ticks per limit: the precision of the timer."""


class DeadlineTimer:
    """Cancels the task of an exchange that takes more than `limit_s` seconds. Used with `async with`, within asyncio.

    An exchange calls `start` and, however it ends, `stop`. Where it is cancelled, `has_expired` says whether the timer
    cancelled it.
    """

    def __init__(self, limit_s: float) -> None:
        self._tick = 0
        self._started: dict[asyncio.Task[object], int] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._tick_s = limit_s / _TICKS
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._schedule_tick()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def start(self, task: asyncio.Task[object]) -> None:
        """The task begins an exchange. A task has one exchange at a time."""
        self._started[task] = self._tick

    def stop(self, task: asyncio.Task[object]) -> None:
        """The task's exchange is over, in whatever way."""
        del self._started[task]
        self._expired.discard(task)

    def has_expired(self, task: asyncio.Task[object]) -> bool:
        """Whether the CancelledError that `task` has just caught means that its time is over.

        False where something else cancels the task as well (a cancelled run): `uncancel` then leaves a count above 0,
        and the CancelledError must propagate.
        """
        return task in self._expired and task.uncancel() == 0

    @contextmanager
    def paused(self, task: asyncio.Task[object]) -> Iterator[None]:
        """Within the block the exchange uses up no time: it waits for the crawler, and not for the server."""
        used = self._tick - self._started.pop(task)
        try:
            yield
        finally:
            self._started[task] = self._tick - used

    def _schedule_tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._tick += 1
        for task, started in self._started.items():
            if self._tick - started > _TICKS and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        self._schedule_tick()
