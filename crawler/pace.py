"""How fast: how many exchanges may be under way at one registry, and how many may begin in any second.

Two things with two names. Rate spaces the beginnings evenly, and so that no window of a quota's own length ever holds
more than its count. Concurrency is the number of permits out at once: halved when the registry throttles or falls
silent, raised one by one while it does not. What the registry asks for by Retry-After cools down all of it.
"""

import time
from array import array
from collections import deque
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Final

import anyio

from crawler.model import Quota, Rate

LONGEST_COOL_DOWN_S: Final = 300.0
"""A registry that asks for more is asked again all the same, and may ask once more."""

_SHARE: Final = 0.98
"""How much of a quota is used: its owner counts arrivals, and the way there is uneven."""

_RUSH: Final = 0.8
"""The least distance between two beginnings, as a share of the even one."""


class Starts:
    """The moments at which exchanges may begin under one quota; to be shared by all that share the quota.

    Moments are given out evenly spaced. Whoever comes late to one, because the machine was busy, still passes what
    really began: so lateness is made up for, but in no rush, and never beyond the quota.
    """

    def __init__(self, quota: Quota) -> None:
        self._spacing = quota.windows[0].seconds / quota.windows[0].count / _SHARE
        self._windows = [_Began(window) for window in quota.windows]
        self._next = self._last = float("-inf")

    def moment(self, now: float) -> float:
        """The next free moment from `now` on, which is taken by being told."""
        moment = max(now, self._next)
        self._next = moment + self._spacing
        return moment

    def begin(self, now: float) -> float:
        """Count a beginning `now` and return 0; or, where a window is full, the seconds after which to ask again."""
        delay = max(self._last + _RUSH * self._spacing, *(window.free_at() for window in self._windows)) - now
        if delay > 0:
            return delay
        self._last = now
        for window in self._windows:
            window.add(now)
        return 0.0


class _Began:
    """The last beginnings of a window, as many as it allows, in a ring."""

    def __init__(self, window: Rate) -> None:
        self._count = ceil(window.count * _SHARE)
        self._seconds = window.seconds * self._count / (window.count * _SHARE)
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


class Pace:
    """The permits of one registry.

    `concurrency` is the most that may ever be out. `wait_s` sums the seconds that permits were waited for.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        starts: Starts | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.wait_s = 0.0
        self.clock = clock
        self.allowed = concurrency
        """How many permits may be out now."""
        self.out = 0
        self._wait = sleep
        self.most = concurrency
        self._waiting: deque[anyio.Event] = deque()
        self._starts = starts
        self._resume_at = float("-inf")
        self._next_after_cool_down = float("-inf")
        self._last_cut = float("-inf")
        self._good = 0

    async def begin(self) -> float:
        """Wait for leave for one exchange, and return the moment at which it begins.

        It holds through the last byte of the answer, until `end`. No context manager, because those cost more than the
        rest of the pace.
        """
        if self.out < self.allowed:
            self.out += 1
        else:
            await self._wait_for_place()
        now = self.clock()
        if self._starts is None and now >= self._resume_at:
            return now
        try:
            await self._take_turn()
        except BaseException:
            self.end()
            raise
        return self.clock()

    def end(self) -> None:
        """Give the permit back."""
        self.out -= 1
        if self._waiting:
            self._let_in()

    async def _wait_for_place(self) -> None:
        asked = self.clock()
        place = anyio.Event()
        self._waiting.append(place)
        try:
            await place.wait()
        except BaseException:
            if place.is_set():  # it was given to us all the same
                self.end()
            else:
                self._waiting.remove(place)
            raise
        self.wait_s += self.clock() - asked

    def _let_in(self) -> None:
        while self._waiting and self.out < self.allowed:
            self.out += 1
            self._waiting.popleft().set()

    async def _take_turn(self) -> None:
        """Wait for the moment to begin, through cool-downs, of which another may come while we wait."""
        while True:
            now = self.clock()
            if now < self._resume_at:
                await self._sleep(self._turn_after_cool_down() - now)
            elif self._starts is None or await self._began(self._starts, now):
                return

    async def _began(self, starts: Starts, now: float) -> bool:
        """Wait for a moment of the quota, and take it unless a cool-down has come up meanwhile."""
        await self._sleep(starts.moment(now) - now)
        while self.clock() >= self._resume_at:
            delay = starts.begin(self.clock())
            if delay == 0:
                return True
            await self._sleep(delay)
        return False

    def _turn_after_cool_down(self) -> float:
        """Those who waited out a cool-down come back one after the other: at the quota's pace, or within a second."""
        if self._starts is not None:
            return self._resume_at
        turn = max(self._next_after_cool_down, self._resume_at)
        self._next_after_cool_down = turn + 1 / self.allowed
        return turn

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.wait_s += seconds
            await self._wait(seconds)

    def throttled(self, began: float, retry_after_s: float | None) -> None:
        """The registry has had enough of an exchange that `began` then, and maybe said for how many seconds."""
        self._ease_off(began)
        if retry_after_s is not None:
            until = self.clock() + min(retry_after_s, LONGEST_COOL_DOWN_S)
            if until > self._resume_at:
                self._resume_at = self._next_after_cool_down = until

    def timed_out(self, began: float) -> None:
        """The registry fell silent, which busy ones do before they say so."""
        self._ease_off(began)

    def _ease_off(self, began: float) -> None:
        """Halve the permits, once for all exchanges that were under way together."""
        self._good = 0
        if began > self._last_cut:
            self._last_cut = self.clock()
            self.allowed = max(1, self.allowed // 2)

    def went_well(self) -> None:
        """One more permit after as many good exchanges as there are permits: about one a round trip."""
        self._good += 1
        if self._good >= self.allowed < self.most:
            self._good = 0
            self.allowed += 1
            self._let_in()
