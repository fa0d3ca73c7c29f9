"""How fast: how many exchanges may be under way at one registry, and how many may begin in any second.

Concurrency is the number of permits out at once: halved when the registry throttles or falls silent, raised one by one
while it does not. A rate spaces the beginnings: that of a quota, and one that is learned where fewer at once are still
too many. What the registry asks for by Retry-After cools down all of it.

A registry that is unavailable now and then is no throttling one: only bursts of 503s are taken for throttling.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final, TypeVar

import anyio

from crawler.rate_limiter import LearnedRate, Starts

LONGEST_COOL_DOWN_S: Final = 300.0
"""A registry that asks for more is asked again all the same, and may ask once more."""

_UNSAID_COOL_DOWN_S: Final = 1.0
"""How long a registry is left alone that answers 429 without saying for how long."""

_FORGOTTEN: Final = 1 / 64
"""What one more exchange takes from the weight of all former ones in the share of those that were unavailable."""

_BURST: Final = 0.25
"""The share of unavailable exchanges above which they are throttling; 10 % at random never come near it."""

_CALM: Final = 0.125
"""The share below which a burst is over."""

_REFUSALS: Final = 16
"""How many exchanges of a burst that began at the present pace must be refused before it is lowered again."""

_MEASURED_S: Final = 1.0
_MEASURED_SUCCESSES: Final = 5
"""How long we look, and how much must be served meanwhile, to know what a throttling registry allows."""

_EPISODE_S: Final = 10.0
"""Throttling after so many seconds without is measured afresh."""

_SPARED_S: Final = 60.0
_OVERWHELMING: Final = 0.75
"""How long the pace stays when slowing down was in vain, unless more than this share is unavailable."""

_A_LITTLE_LESS: Final = 0.95
"""The share of what a throttling registry served that is asked of it."""

T = TypeVar("T")


class _Bound(Enum):
    """What an exchange may have to wait for."""

    CONCURRENCY = auto()
    QUOTA = auto()
    THROTTLING = auto()
    TIMEOUTS = auto()


class Pace:
    """The permits of one registry.

    Attributes:
        most: the most permits that may ever be out.
        allowed: how many may be out now.
        lowest: the fewest that were ever allowed.
        out: how many are out.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        starts: Starts | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.clock = clock
        self.most = self.allowed = self.lowest = concurrency
        self.out = 0
        self._sleep = sleep
        self._waiting: deque[anyio.Event] = deque()
        self._waited = dict.fromkeys(_Bound, 0.0)
        self._starts = starts
        self._learned: LearnedRate | None = None
        self._line = anyio.Lock()
        self._resume_at = self._next_after_cool_down = float("-inf")
        self._eased_by = _Bound.CONCURRENCY
        self._last_cut = float("-inf")
        self._good = 0
        self._unavailable = 0.0
        self._bursting = False
        self._refusals = 0
        self._successes = 0
        self._throttled_at = self._spared_until = float("-inf")
        self._measured_from, self._successes_before = 0.0, 0

    @property
    def wait_s(self) -> float:
        """The seconds that exchanges waited before they began, for whatever reason, summed over all of them."""
        return sum(self._waited.values())

    @property
    def held_by(self) -> str:
        """What set the pace, in words: what was waited for longest; the concurrency where nothing was."""
        bound = max(_Bound, key=self._waited.__getitem__)
        if bound is _Bound.QUOTA and self._starts is not None:
            return f"the quota: {self._starts.whose}"
        if bound is _Bound.THROTTLING:
            return "throttling by the registry (429 or 503)"
        return "time-outs" if bound is _Bound.TIMEOUTS else "the concurrency"

    async def acquire(self) -> float:
        """Wait for leave for one exchange, and return the moment at which it begins.

        It holds through the last byte of the answer, until `end`. No context manager, because those cost more than the
        rest of the pace.
        """
        if self.out < self.allowed:
            self.out += 1
        else:
            await self._timed(self._bound_of_permits(), self._wait_for_place())
        now = self.clock()
        if self._starts is None and self._learned is None and now >= self._resume_at:
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

    def _bound_of_permits(self) -> _Bound:
        if self._learned is not None:
            return _Bound.THROTTLING
        return self._eased_by if self.allowed < self.most else _Bound.CONCURRENCY

    async def _wait_for_place(self) -> None:
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

    def _let_in(self) -> None:
        while self._waiting and self.out < self.allowed:
            self.out += 1
            self._waiting.popleft().set()

    async def _timed(self, bound: _Bound, wait: Awaitable[T]) -> T:
        asked = self.clock()
        try:
            return await wait
        finally:
            self._waited[bound] += self.clock() - asked

    async def _take_turn(self) -> None:
        """Wait for the moment to begin, through cool-downs, of which another may come while we wait."""
        while True:
            now = self.clock()
            if now < self._resume_at:
                await self._timed(_Bound.THROTTLING, self._sleep(self._turn_after_cool_down() - now))
            elif await self._has_learned_turn() and await self._has_quota_turn():
                return

    async def _has_learned_turn(self) -> bool:
        """Whether the learned rate lets an exchange begin, once it would; not where a cool-down has come up."""
        if self._learned is not None and self._learned.is_over(self.clock()):
            self._learned = None
        if self._learned is None:
            return True
        return await self._timed(_Bound.THROTTLING, self._wait_in_line(self._learned))

    async def _wait_in_line(self, learned: LearnedRate) -> bool:
        """One waits for the next start, and all others for their turn to: so a changed rate holds for all at once."""
        async with self._line:
            while (now := self.clock()) >= self._resume_at:
                delay = learned.delay(now)
                if delay <= 0:
                    learned.start(now)
                    return True
                await self._sleep(delay)
        return False

    async def _has_quota_turn(self) -> bool:
        """Whether the quota lets an exchange begin, once it would; not where a cool-down has come up."""
        if self._starts is None:
            return True
        return await self._timed(_Bound.QUOTA, self._wait_for_quota(self._starts))

    async def _wait_for_quota(self, starts: Starts) -> bool:
        now = self.clock()
        delay = starts.moment(now) - now
        while True:
            if delay > 0:
                await self._sleep(delay)
            if self.clock() < self._resume_at:
                return False
            delay = starts.begin(self.clock())
            if delay == 0:
                return True

    def _turn_after_cool_down(self) -> float:
        """Those who waited out a cool-down come back one after the other: at their rate, or within a second."""
        if self._starts is not None or self._learned is not None:
            return self._resume_at
        turn = max(self._next_after_cool_down, self._resume_at)
        self._next_after_cool_down = turn + 1 / self.allowed
        return turn

    def throttled(self, began: float, retry_after_s: float | None) -> None:
        """The registry has had enough of an exchange that `began` then, and maybe said for how many seconds."""
        wanted_s = _UNSAID_COOL_DOWN_S if retry_after_s is None else retry_after_s
        until = self.clock() + min(wanted_s, LONGEST_COOL_DOWN_S)
        if until > self._resume_at:
            self._resume_at = self._next_after_cool_down = until
        if retry_after_s is None:
            self._slow_down(began)
        else:
            self._ease_off(began, _Bound.THROTTLING)

    def on_unavailable(self, began: float) -> bool:
        """An exchange that `began` then was answered 503 without Retry-After, or the like; whether that is throttling.

        nginx's limit_req answers so by default, haproxy where its queue is full, and any registry that has a fault:
        how many of them come together tells which it is.
        """
        self._unavailable += (1 - self._unavailable) * _FORGOTTEN
        self._refusals += began > self._last_cut
        if self._unavailable > _BURST:
            self._bursting = True
            spared = self.clock() < self._spared_until and self._unavailable < _OVERWHELMING
            if self._refusals >= _REFUSALS and not spared:
                self._slow_down(began)
        elif self._unavailable < _CALM:
            self._bursting = False
        return self._bursting or self._learned is not None

    def timed_out(self, began: float) -> None:
        """The registry fell silent, which busy ones do before they say so."""
        self._ease_off(began, _Bound.TIMEOUTS)

    def on_outage_over(self) -> None:
        """What was refused in an outage says nothing of the pace: forget it, and the rate that was learned of it."""
        self._learned, self._bursting, self._unavailable, self._refusals = None, False, 0.0, 0

    def went_well(self) -> None:
        """One more permit after as many good exchanges as there are permits: about one a round trip."""
        self._successes += 1
        self._unavailable -= self._unavailable * _FORGOTTEN
        if self.allowed < self.most:
            self._good += 1
            if self._good >= self.allowed:
                self._good = 0
                self.allowed += 1
                self._let_in()

    def _slow_down(self, began: float) -> None:
        """Halve the permits; where that has not helped for a second, keep to what was served in this time."""
        now = self.clock()
        if self._learned is None and now - self._throttled_at > _EPISODE_S:
            self._measure_from(now)
        self._throttled_at = now
        if self._learned is not None:
            self._learned.hold(now)
        if began <= self._last_cut:
            return
        seconds, successes = now - self._measured_from, self._successes - self._successes_before
        if seconds >= _MEASURED_S and successes >= _MEASURED_SUCCESSES:
            self._learn(_A_LITTLE_LESS * successes / seconds, now)
        elif self._learned is None:
            self._ease_off(began, _Bound.THROTTLING)

    def _learn(self, per_s: float, now: float) -> None:
        if self._learned is None:
            self._learned = LearnedRate(per_s, now)
        else:
            self._learned.lower(per_s, now)
            if self._learned.is_in_vain:
                self._learned, self._spared_until = None, now + _SPARED_S
        self._last_cut, self._refusals = now, 0
        self._unavailable = 0.0  # what was refused at the former rate says nothing of this one
        self._measure_from(now)

    def _measure_from(self, now: float) -> None:
        self._measured_from, self._successes_before = max(now, self._resume_at), self._successes

    def _ease_off(self, began: float, bound: _Bound) -> None:
        """Halve the permits, once for all exchanges that were under way together."""
        self._good = 0
        now = self.clock()
        if self._learned is not None:
            self._learned.hold(now)
        if began > self._last_cut:
            self._last_cut, self._refusals = now, 0
            self.allowed = max(1, self.allowed // 2)
            self.lowest = min(self.lowest, self.allowed)
            self._eased_by = bound
