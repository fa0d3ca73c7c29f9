"""How fast: how many exchanges may be under way at one registry, and how many may begin in any second.

Two things with two names. Concurrency is the number of permits out at once. Rate spaces the permits evenly, and so
that no window of the rate's own length ever holds more than its count.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import anyio

_MARGIN: Final = 0.985
"""The share of a rate that is used: the registry counts arrivals, and the way there is not even."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A published limit: `count` requests in any `seconds`, and whose it is; hosts that share it share a pace."""

    count: int
    seconds: float
    whose: str


_PUBLISHED: Final = (
    (re.compile(r"(?:.+\.)?gcr\.io"), Quota(50_000, 600, "gcr.io's quota for one address")),
    (re.compile(r".+\.pkg\.dev"), Quota(60_000, 60, "Artifact Registry's quota for a project and region")),
    (re.compile(r"quay\.io"), Quota(5, 1, "Quay's limit")),
)


def published_quota(host: str) -> Quota | None:
    """What a registry's operator publishes as its limit, or None for a host that we know nothing of."""
    return next((quota for pattern, quota in _PUBLISHED if pattern.fullmatch(host)), None)


class Pace(AbstractAsyncContextManager[None]):
    """Permits for exchanges: `async with pace:` around one exchange, through the last byte of its body.

    `wait_s` sums the seconds that permits were waited for.
    """

    def __init__(self, *, concurrency: int, quota: Quota | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.wait_s = 0.0
        self._places = anyio.Semaphore(concurrency, fast_acquire=True)
        self._starts = None if quota is None else _Starts(quota.count, quota.seconds)
        self._clock = clock

    async def __aenter__(self) -> None:
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            await self._await_place()
        if self._starts is not None:
            try:
                await self._await_start(self._starts)
            except BaseException:
                self._places.release()
                raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._places.release()

    async def _await_place(self) -> None:
        asked = self._clock()
        await self._places.acquire()
        self.wait_s += self._clock() - asked

    async def _await_start(self, starts: "_Starts") -> None:
        now = self._clock()
        delay = starts.reserve(now) - now
        if delay > 0:
            self.wait_s += delay
            await anyio.sleep(delay)


class _Starts:
    """The moments at which exchanges may begin."""

    def __init__(self, count: int, seconds: float) -> None:
        self._spacing = seconds / count / _MARGIN
        self._window = seconds / _MARGIN
        self._recent: deque[float] = deque(maxlen=count)

    def reserve(self, now: float) -> float:
        """The earliest free moment, from now on taken: a spacing after the last, a window after the count-th last."""
        start = now
        if self._recent:
            start = max(start, self._recent[-1] + self._spacing)
        if len(self._recent) == self._recent.maxlen:
            start = max(start, self._recent[0] + self._window)
        self._recent.append(start)
        return start
