"""The times at which the exchanges of a whole group may start under one quota, leased in parts to its shards.

Pure: the time is a parameter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from crawler.model.limits import Quota, Rate
from crawler.rate_limiter import SlidingWindow

LEASE: Final = 20
"""How many starts a lease has, at most."""

HORIZON_S: Final = 2.0
"""No start is given out further ahead: so much is lost with a dead worker, and so much a restart leaves out."""

_LATENESS: Final = 0.03
"""How late a start may be used, as a part of the quota's shortest window. 1 / 1.03 of the quota is given out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Times at which the holder may start one exchange each, on the clock of the timetable.

    Attributes:
        asked_at: the time on that clock when it was asked for.
        given_at: likewise, when it was given.
        starts: in order. () where it is too early to give any.
        lateness: for how many seconds after its time each may be used.
        retry_after_s: where there are none, when to ask again.
    """

    asked_at: float
    given_at: float
    starts: tuple[float, ...] = ()
    lateness: float
    retry_after_s: float = 0.0


class Timetable:
    """Gives out each time once. Who gets one uses it when it comes, up to `lateness` after it, or not at all.

    Why no window ever has too many starts: two times are (window + lateness) / count apart, or more. A start within a
    window has its time within that window, or up to `lateness` before it, and there `count` times have room. It does
    not matter who uses which. What a dead worker held passes by, and the next times are given to those that live. The
    longer windows of a quota count every time that was given out. A time that is missed, because its holder's machine
    stood still, is lost: by the time that anybody knows, no window with room for another one is left.

    A restarted timetable does not know what was given out before, and need not: nothing was further ahead than
    HORIZON_S. It begins after that, and takes all times before for given out where it counts them.
    """

    def __init__(self, quota: Quota, now: float) -> None:
        shortest = quota.windows[0]
        self._lateness = _LATENESS * shortest.seconds
        self._spacing = (shortest.seconds + self._lateness) / shortest.count * (1 + 1e-9)
        longer = (Rate(window.count, window.seconds + self._lateness) for window in quota.windows[1:])
        self._longer = [SlidingWindow(window) for window in longer]
        self._next = now

    @classmethod
    def after_restart(cls, quota: Quota, now: float, began_at: float) -> Self:
        """The timetable after one that was lost, and that gave out nothing before `began_at`."""
        timetable = cls(quota, now)
        last, spacing = now + HORIZON_S, timetable._spacing
        for rate, window in zip(quota.windows[1:], timetable._longer, strict=True):
            # the latest times that may have been given out: any others leave these windows sooner
            given = min(rate.count, int((last - min(began_at, now)) / spacing) + 1)
            for before in range(given - 1, -1, -1):
                window.add(last - before * spacing)
        timetable._next = last + spacing
        return timetable

    def lease(self, now: float, wanted: int, asked_at: float) -> Lease:
        """The next times from `now` on: up to `wanted`, LEASE, and half the horizon."""
        too_early = self._free(now) - now - HORIZON_S / 2
        size = 0 if too_early > 0 else max(1, min(wanted, LEASE, int(HORIZON_S / 2 / self._spacing)))
        return Lease(
            asked_at=asked_at,
            given_at=now,
            starts=tuple(self._starts(now, size)),
            lateness=self._lateness,
            retry_after_s=max(too_early, 0.0),
        )

    def _starts(self, now: float, size: int) -> Iterator[float]:
        for _ in range(size):
            start = self._free(now)
            if start > now + HORIZON_S:
                return
            self._take(start)
            yield start

    def _free(self, now: float) -> float:
        """The next time that may be given out."""
        return max(self._next, now, *(window.free_at() for window in self._longer))

    def _take(self, start: float) -> None:
        self._next = start + self._spacing
        for window in self._longer:
            window.add(start)
