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


class Weather:
    """The n-th exchange meets the same latency and the same fault whenever the settings are the same.

    The quota alone depends on time: `clock` tells seconds, and never goes back.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._latencies = Random(f"{settings.seed}/latencies")
        self._faults = Random(f"{settings.seed}/faults")
        self._served_at: deque[float] = deque()

    def latency_s(self) -> float:
        """Seconds that the next answer waits."""
        return self._settings.latency_s + self._settings.latency_jitter_s * self._latencies.random()

    def fate(self) -> Fate:
        """What becomes of the next exchange with the registry."""
        fault = self._fault()
        return Fate.THROTTLED if self._over_quota() else fault

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

    def _over_quota(self) -> bool:
        if self._settings.quota_per_s is None:
            return False
        now = self._clock()
        while self._served_at and self._served_at[0] <= now - _WINDOW_S:
            self._served_at.popleft()
        if len(self._served_at) >= self._settings.quota_per_s:
            return True
        self._served_at.append(now)
        return False
