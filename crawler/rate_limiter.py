"""How many exchanges may begin in a second: what a quota allows, and what a throttling registry has shown to allow."""

from array import array
from math import ceil, exp
from typing import Final

from crawler.model.limits import Quota, Rate

_UTILIZATION: Final = 0.98
"""How much of a quota is used: its owner counts arrivals, and the way there is uneven."""

_MIN_SPACING: Final = 0.8
"""The least distance between two beginnings, as a share of the even one."""


class RateLimiter:
    """The moments at which exchanges may begin under one quota; to be shared by all that share the quota.

    Moments are given out evenly spaced. Whoever comes late to one, because the machine was busy, still passes what
    really began: so lateness is made up for, but in no rush, and never beyond the quota.
    """

    def __init__(self, quota: Quota) -> None:
        self.whose = quota.label
        self._spacing = quota.windows[0].seconds / quota.windows[0].count / _UTILIZATION
        self._windows = [_SlidingWindow(window) for window in quota.windows]
        self._next = self._last = float("-inf")

    def reserve(self, now: float) -> float:
        """The next free moment from `now` on, which is taken by being told."""
        moment = max(now, self._next)
        self._next = moment + self._spacing
        return moment

    def try_acquire(self, now: float) -> float:
        """Count a beginning `now` and return 0; or, where a window is full, the seconds after which to ask again."""
        delay = max(self._last + _MIN_SPACING * self._spacing, *(window.free_at() for window in self._windows)) - now
        if delay > 0:
            return delay
        self._last = now
        for window in self._windows:
            window.add(now)
        return 0.0


class _SlidingWindow:
    """The last beginnings of a window, as many as it allows, in a ring."""

    def __init__(self, window: Rate) -> None:
        self._count = ceil(window.count * _UTILIZATION)
        self._seconds = window.seconds * self._count / (window.count * _UTILIZATION)
        self._moments = array("d")
        self._oldest = 0

    def free_at(self) -> float:
        return self._moments[self._oldest] + self._seconds if len(self._moments) == self._count else float("-inf")

    def add(self, moment: float) -> None:
        if len(self._moments) < self._count:
            self._moments.append(moment)
        else:
            self._moments[self._oldest] = moment
            self._oldest = (self._oldest + 1) % self._count


_GROWTH_S: Final = 12.0
"""How many seconds without throttling make a learned rate e times what it was; twice as many, e⁴ times."""

_GROWTH_STARTS: Final = 16
"""How many starts are added to that time: at a slow rate it takes longer to see that the limit is near."""

_CALM: Final = 5
"""After so many times that time without throttling a rate is no bound any more: it has grown to e²⁵ times."""

_SLOWEST_PER_S: Final = 0.5
"""The lowest rate that is learned: the next start, which may find that the limit is gone, is never far."""


_IN_VAIN: Final = 3
"""After so many lowerings, each of which had as large a share refused as before, the rate is not the matter."""


class LearnedRate:
    """The starts per second that a throttling registry has shown to allow, evenly spaced; of one Pace.

    It grows while nothing is throttled: slowly at first, because the limit is near, and faster the longer that lasts,
    because the limit may have been lifted.
    """

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = self._lowered_to = max(per_s, _SLOWEST_PER_S)
        self._throttled_at = now
        self._drops = 0
        self._next = self._last = float("-inf")

    @property
    def is_in_vain(self) -> bool:
        """Whether the registry serves less the less it is asked: it refuses a share, and no limit is behind that."""
        return self._drops >= _IN_VAIN

    def per_second(self, now: float) -> float:
        return self._per_s * exp(min(self._calm(now), _CALM) ** 2)

    def is_over(self, now: float) -> bool:
        return self._calm(now) >= _CALM

    def _calm(self, now: float) -> float:
        return (now - self._throttled_at) / (_GROWTH_S + _GROWTH_STARTS / self._per_s)

    def lower(self, per_s: float, now: float) -> None:
        """Throttling goes on: from now on it is `per_s`, but not more than it is, nor less than half of the last time.

        What was served in a cool-down or an outage tells too little: one measurement must not bring all to a stop.
        """
        least = max(self._lowered_to / 2, _SLOWEST_PER_S)
        self._drops = self._drops + 1 if least < per_s < 0.8 * self._lowered_to else 0
        self._per_s = self._lowered_to = max(min(per_s, self.per_second(now)), least)
        self._throttled_at = now

    def hold(self, now: float) -> None:
        """The registry throttles: stop growing."""
        self._per_s, self._throttled_at = self.per_second(now), now

    def delay(self, now: float) -> float:
        """The seconds from `now` until the next exchange may begin; 0 or less where it may begin now."""
        return max(self._next, self._last + _MIN_SPACING / self.per_second(now)) - now

    def start(self, now: float) -> None:
        """Count a beginning `now`. Lateness of less than the spacing is made up for."""
        spacing = 1 / self.per_second(now)
        self._next = (self._next if now < self._next + spacing else now) + spacing
        self._last = now
