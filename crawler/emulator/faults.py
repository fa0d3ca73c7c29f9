"""Fault injection: latency, quotas, and responses that fail on purpose."""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random

from crawler.emulator.settings import Settings

_WINDOW_S = 1.0


class Fault(Enum):
    """How an exchange fails, if it does."""

    NONE = auto()
    THROTTLED = auto()
    UNAVAILABLE = auto()
    RESET = auto()
    TRUNCATED = auto()


class _SlidingWindow:
    """Allows `per_s` exchanges in any window of one second, or any number if that is None."""

    def __init__(self, per_s: int | None, *, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._served_at: deque[float] = deque()

    def try_acquire(self) -> bool:
        """Whether one more exchange may be served now. A refused one does not count against the window."""
        if self._per_s is None:
            return True
        now = self._clock()
        while self._served_at and self._served_at[0] <= now - _WINDOW_S:
            self._served_at.popleft()
        if len(self._served_at) >= self._per_s:
            return False
        self._served_at.append(now)
        return True


class FaultInjector:
    """Draws the latency and the fault of each exchange. The n-th draw depends on the settings alone.

    Only the quotas depend on time: `clock` returns monotonic seconds.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._latencies = Random(f"{settings.seed}/latencies")
        self._faults = Random(f"{settings.seed}/faults")
        self._quota = _SlidingWindow(settings.quota_per_s, clock=clock)
        role = settings.artifact_registry
        self._api_quota = _SlidingWindow(None if role is None else role.api_quota_per_s, clock=clock)

    def latency_s(self) -> float:
        """Seconds to wait before the next response."""
        return self._settings.latency_s + self._settings.latency_jitter_s * self._latencies.random()

    def registry_fault(self) -> Fault:
        """The fault of the next exchange with the registry."""
        return self._draw(self._quota)

    def api_fault(self) -> Fault:
        """The fault of the next exchange with Google's APIs, which have a quota of their own."""
        return self._draw(self._api_quota)

    def _draw(self, quota: _SlidingWindow) -> Fault:
        fault = self._random_fault()
        return fault if quota.try_acquire() else Fault.THROTTLED

    def _random_fault(self) -> Fault:
        roll = self._faults.random()
        for fault, share in (
            (Fault.UNAVAILABLE, self._settings.unavailable),
            (Fault.RESET, self._settings.resets),
            (Fault.TRUNCATED, self._settings.truncated),
        ):
            if roll < share:
                return fault
            roll -= share
        return Fault.NONE
