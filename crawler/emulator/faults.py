"""When the registry is slow, and when it fails."""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random

from crawler.emulator.settings import Settings

_WINDOW_S = 1.0


class Fate(Enum):
    """What becomes of an exchange."""

    SERVED = auto()
    THROTTLED = auto()
    UNAVAILABLE = auto()
    RESET = auto()
    TRUNCATED = auto()


class _Quota:
    """So many exchanges in any one second; None for as many as come."""

    def __init__(self, per_s: int | None, *, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._served_at: deque[float] = deque()

    def take(self) -> bool:
        """Whether one more may be served now. One that may not uses up nothing."""
        if self._per_s is None:
            return True
        now = self._clock()
        while self._served_at and self._served_at[0] <= now - _WINDOW_S:
            self._served_at.popleft()
        if len(self._served_at) >= self._per_s:
            return False
        self._served_at.append(now)
        return True


class Weather:
    """The n-th exchange meets the same latency and the same fault whenever the settings are the same.

    The quotas alone depend on time: `clock` tells seconds, and never goes back.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._latencies = Random(f"{settings.seed}/latencies")
        self._faults = Random(f"{settings.seed}/faults")
        self._quota = _Quota(settings.quota_per_s, clock=clock)
        role = settings.artifact_registry
        self._api_quota = _Quota(None if role is None else role.api_quota_per_s, clock=clock)

    def latency_s(self) -> float:
        """Seconds that the next answer waits."""
        return self._settings.latency_s + self._settings.latency_jitter_s * self._latencies.random()

    def fate(self) -> Fate:
        """What becomes of the next exchange with the registry."""
        return self._fate(self._quota)

    def api_fate(self) -> Fate:
        """What becomes of the next exchange, if it is one with Google's APIs."""
        return self._fate(self._api_quota)

    def _fate(self, quota: _Quota) -> Fate:
        fault = self._fault()
        return fault if quota.take() else Fate.THROTTLED

    def _fault(self) -> Fate:
        roll = self._faults.random()
        for fate, share in (
            (Fate.UNAVAILABLE, self._settings.unavailable),
            (Fate.RESET, self._settings.resets),
            (Fate.TRUNCATED, self._settings.truncated),
        ):
            if roll < share:
                return fate
            roll -= share
        return Fate.SERVED
