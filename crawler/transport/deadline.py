"""The time limits of an exchange, one timer for all exchanges of a run: for the whole of it, and between two reads.

`asyncio.timeout` around each exchange, or a timer of the loop for each read, would be armed and cancelled per exchange,
and nearly none of them ever fires. Measured on the hot path (CPU per exchange, client and server on a core each, 5.6 KB
listings), a total time-out per call makes the client 1.11 times as slow, and `anyio.fail_after` adds 30 % to an
exchange. Here an exchange costs one entry in a set, a read the copy of a number, and a single timer looks through the
set 32 times per limit.

The price is precision: an exchange may take up to a 32nd more than the shortest limit, and a hundredth of a second.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from types import TracebackType
from typing import Final, Protocol, Self

_TICKS: Final = 32
"""Ticks per shortest limit: the precision of the timer."""

_TICKS_PER_S: Final = 100
"""A tick is a whole number of hundredths of a second: uvloop counts milliseconds, and a shorter time is none to it."""


class Exchange(Protocol):
    """An exchange that the timer may end.

    Attributes:
        started: the tick in which the exchange began.
        touched: the tick in which the server sent something, or was asked, the last time.
    """

    started: int
    touched: int

    def on_total_timeout(self) -> None:
        """The exchange takes more than `total_s`."""

    def on_read_timeout(self) -> None:
        """Nothing came for `read_s`."""


class DeadlineTimer:
    """Ends exchanges that take too long. Used with `async with`, within asyncio.

    Attributes:
        now: the number of the current tick.
    """

    def __init__(self, *, total_s: float, read_s: float, precise_for_s: float) -> None:
        """`total_s` and `read_s` are limits of each exchange; a limit of `precise_for_s` is as precise as they are."""
        self.now = 0
        self._tick_s = ceil(min(total_s, read_s, precise_for_s) / _TICKS * _TICKS_PER_S) / _TICKS_PER_S
        self._total_ticks = self.ticks(total_s)
        self._read_ticks = self.ticks(read_s)
        self._watched: set[Exchange] = set()
        self._on_ticks: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.watch = self._watched.add
        """The exchange began. An exchange ends with `unwatch`, in whatever way it ends."""
        self.unwatch = self._watched.discard
        """The exchange is over."""

    async def __aenter__(self) -> Self:
        self._schedule_tick()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def ticks(self, limit_s: float) -> int:
        """How many ticks may pass within a limit."""
        return ceil(limit_s / self._tick_s)

    def on_every_tick(self, callback: Callable[[], None]) -> None:
        self._on_ticks.append(callback)

    @contextmanager
    def paused(self, exchange: Exchange) -> Iterator[None]:
        """Within the block the exchange uses up no time: it waits for the crawler, and not for the server."""
        used = self.now - exchange.started
        self.unwatch(exchange)
        try:
            yield
        finally:
            exchange.started, exchange.touched = self.now - used, self.now
            self.watch(exchange)

    def _schedule_tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._schedule_tick()
        self.now += 1
        for exchange in tuple(self._watched):
            if self.now - exchange.started > self._total_ticks:
                exchange.on_total_timeout()
            elif self.now - exchange.touched > self._read_ticks:
                exchange.on_read_timeout()
        for callback in self._on_ticks:
            callback()
