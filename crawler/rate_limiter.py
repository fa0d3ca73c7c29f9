"""How many exchanges may start in a second: within a published quota, and at a rate learned from throttling.

Both take the time as a parameter and never sleep, so that they are tested without a clock; the limiter waits.
"""

from array import array
from math import ceil, exp
from typing import Final, Protocol

from crawler.model.limits import Quota, Rate

_UTILIZATION: Final = 0.98
"""The part of a quota that is used: its owner counts arrivals, and requests do not arrive as evenly as they start."""

_MIN_SPACING: Final = 0.8
"""The least distance between two starts, as a part of the even one."""


class StartRate(Protocol):
    """When exchanges may start under one quota, as the limiter asks for it.

    An exchange calls `reserve` once, then `try_acquire` until it may start, and `leave` whatever happened.
    """

    @property
    def label(self) -> str:
        """The quota, for people."""
        ...

    def reserve(self, now: float) -> float:
        """When to call `try_acquire` first."""
        ...

    def try_acquire(self, now: float) -> float:
        """Count a start `now` and return 0; or the seconds after which to call again."""
        ...

    def leave(self) -> None:
        """The exchange waits no more: it has started, or it never will."""
        ...


class RateLimiter:
    """The times at which exchanges may start under one quota; shared by all runs that share the quota.

    A quota is one or more sliding windows: gcr.io allows 50,000 requests in 10 minutes and 1,000,000 a day per client
    IP, Artifact Registry 60,000 a minute per project and region (Google's quota pages). A token bucket would allow its
    burst on top of the rate, and Google counts any window of the length. So starts are counted exactly, and on top they
    are spread evenly: `reserve` gives out times of even distance, and `try_acquire` admits a start only where every
    window has room at that moment. An exchange that comes late to its time, because the machine was busy, may follow
    the one before at 0.8 of the even distance: lateness is made up for, but never in a burst.
    """

    def __init__(self, quota: Quota) -> None:
        self.label = quota.label
        self._spacing = quota.windows[0].seconds / quota.windows[0].count / _UTILIZATION
        self._windows = [SlidingWindow(window) for window in quota.windows]
        self._next = self._last = float("-inf")

    def reserve(self, now: float) -> float:
        """The next free time from `now` on, which is then taken. Come back then, and call `try_acquire`."""
        start = max(now, self._next)
        self._next = start + self._spacing
        return start

    def try_acquire(self, now: float) -> float:
        """Count a start `now` and return 0; or, where a window is full, the seconds after which to call again."""
        delay = max(self._last + _MIN_SPACING * self._spacing, *(window.free_at() for window in self._windows)) - now
        if delay > 0:
            return delay
        self._last = now
        for window in self._windows:
            window.add(now)
        return 0.0

    def leave(self) -> None:
        """Nothing is kept for an exchange that waits. Where it has not started, its time stays unused."""


class SlidingWindow:
    """The times of the last starts, as many as the window allows, in a ring.

    A start is allowed once the oldest of them has left the window. Exact, unlike counters per second or minute: those
    allow twice the quota across the border of two periods. A million starts a day take 8 MB.
    """

    def __init__(self, window: Rate) -> None:
        self._count = ceil(window.count * _UTILIZATION)
        # rounding the count up makes the window longer by as much
        self._seconds = window.seconds * self._count / (window.count * _UTILIZATION)
        self._starts = array("d")
        self._oldest = 0

    def free_at(self) -> float:
        """When the next start is allowed."""
        return self._starts[self._oldest] + self._seconds if len(self._starts) == self._count else float("-inf")

    def add(self, start: float) -> None:
        if len(self._starts) < self._count:
            self._starts.append(start)
        else:
            self._starts[self._oldest] = start
            self._oldest = (self._oldest + 1) % self._count


_GROWTH_S: Final = 12.0
"""After so many seconds without throttling a learned rate is e times what it was; after twice as many, e⁴ times."""

_GROWTH_STARTS: Final = 16
"""The time of so many starts is added to it: at a slow rate it takes longer to see that the limit is near."""

_EXPIRY: Final = 5
"""After so many times that time without throttling a rate is no limit any more: it has grown to e²⁵ times."""

_SLOWEST_PER_S: Final = 0.5
"""The lowest rate that is learned: the next start, which may find that the limit is gone, is never far."""

_FUTILE_DROPS: Final = 3
"""After so many reductions, each of which had as large a share refused as before, the rate is not the reason."""


class LearnedRate:
    """The starts per second that a throttling registry has shown to allow, evenly spaced; for one limiter.

    Fewer exchanges at once are no remedy where even one at a time is too many a second: nginx's `limit_req` with
    `rate=5r/s` (ngx_http_limit_req_module; 503 by default) refuses a single fast client nearly always. So what the
    registry served lately becomes the rate.

    While nothing is throttled, the rate grows by exp(t²): slowly at first, because the limit is near, and faster the
    longer it is quiet, because the limit may have been lifted. Each throttled response starts t again.
    """

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = self._lowered_to = max(per_s, _SLOWEST_PER_S)
        self._throttled_at = now
        self._futile_drops = 0
        self._next = self._last = float("-inf")

    @property
    def is_futile(self) -> bool:
        """Whether the registry serves less the less it is asked.

        Then it refuses a share of all requests (one of three backends is down), and there is no limit behind it.
        """
        return self._futile_drops >= _FUTILE_DROPS

    def per_second(self, now: float) -> float:
        return self._per_s * exp(min(self._quiet_periods(now), _EXPIRY) ** 2)

    def has_expired(self, now: float) -> bool:
        """Whether it has been quiet for so long that the rate is no limit any more."""
        return self._quiet_periods(now) >= _EXPIRY

    def _quiet_periods(self, now: float) -> float:
        """The time without throttling, in units of the time in which the rate grows to e times."""
        return (now - self._throttled_at) / (_GROWTH_S + _GROWTH_STARTS / self._per_s)

    def lower(self, per_s: float, now: float) -> None:
        """Throttling continues: the rate becomes `per_s`, but never more than now, nor less than half of the last.

        What was served during a cool-down or an outage says too little: one bad measurement must not stop everything.
        """
        least = max(self._lowered_to / 2, _SLOWEST_PER_S)
        self._futile_drops = self._futile_drops + 1 if least < per_s < 0.8 * self._lowered_to else 0
        self._per_s = self._lowered_to = max(min(per_s, self.per_second(now)), least)
        self._throttled_at = now

    def hold(self, now: float) -> None:
        """The registry throttles: keep the rate of now, and stop growing."""
        self._per_s, self._throttled_at = self.per_second(now), now

    def delay(self, now: float) -> float:
        """The seconds from `now` until the next exchange may start; 0 or less where it may start now."""
        return max(self._next, self._last + _MIN_SPACING / self.per_second(now)) - now

    def start(self, now: float) -> None:
        """Count a start `now`. Lateness of less than the spacing is made up for."""
        spacing = 1 / self.per_second(now)
        self._next = (self._next if now < self._next + spacing else now) + spacing
        self._last = now
