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

from crawler.rate_limiter import LearnedRate, RateLimiter

LONGEST_COOL_DOWN_S: Final = 300.0
"""A registry that asks for more is asked again all the same, and may ask once more."""

_DEFAULT_COOL_DOWN_S: Final = 1.0
"""How long a registry is left alone that answers 429 without saying for how long."""

_DECAY: Final = 1 / 64
"""What one more exchange takes from the weight of all former ones in the share of those that were unavailable."""

_BURST: Final = 0.25
"""The share of unavailable exchanges above which they are throttling; 10 % at random never come near it."""

_SUCCESSES_TO_GROW: Final = 0.125
"""The share below which a burst is over."""

_REFUSALS: Final = 16
"""How many exchanges of a burst that began at the present pace must be refused before it is lowered again."""

_MEASURED_S: Final = 1.0
_MEASURED_SUCCESSES: Final = 5
"""How long we look, and how much must be served meanwhile, to know what a throttling registry allows."""

_EPISODE_S: Final = 10.0
"""Throttling after so many seconds without is measured afresh."""

_SPARED_S: Final = 60.0
_DECREASE_FACTOR: Final = 0.75
"""How long the pace stays when slowing down was in vain, unless more than this share is unavailable."""

_RATE_DECREASE_FACTOR: Final = 0.95
"""The share of what a throttling registry served that is asked of it."""

T = TypeVar("T")


class _Bound(Enum):
    """What an exchange may have to wait for."""

    CONCURRENCY = auto()
    QUOTA = auto()
    THROTTLING = auto()
    TIMEOUTS = auto()


class Limiter:
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
        starts: RateLimiter | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.clock = clock
        self.max_limit = self.limit = self.lowest_limit = concurrency
        self.in_flight = 0
        self._sleep = sleep
        self._waiting: deque[anyio.Event] = deque()
        self._waited = dict.fromkeys(_Bound, 0.0)
        self._starts = starts
        self._learned_rate: LearnedRate | None = None
        self._queue = anyio.Lock()
        self._resume_at = self._next_after_cool_down = float("-inf")
        self._decreased_by = _Bound.CONCURRENCY
        self._last_decrease = float("-inf")
        self._successes_in_row = 0
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
        if self.in_flight < self.limit:
            self.in_flight += 1
        else:
            await self._timed(self._bound_of_permits(), self._wait_for_slot())
        now = self.clock()
        if self._starts is None and self._learned_rate is None and now >= self._resume_at:
            return now
        try:
            await self._try_start()
        except BaseException:
            self.release()
            raise
        return self.clock()

    def release(self) -> None:
        """Give the permit back."""
        self.in_flight -= 1
        if self._waiting:
            self._wake_waiters()

    def _bound_of_permits(self) -> _Bound:
        if self._learned_rate is not None:
            return _Bound.THROTTLING
        return self._decreased_by if self.limit < self.max_limit else _Bound.CONCURRENCY

    async def _wait_for_slot(self) -> None:
        place = anyio.Event()
        self._waiting.append(place)
        try:
            await place.wait()
        except BaseException:
            if place.is_set():  # it was given to us all the same
                self.release()
            else:
                self._waiting.remove(place)
            raise

    def _wake_waiters(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            self.in_flight += 1
            self._waiting.popleft().set()

    async def _timed(self, bound: _Bound, wait: Awaitable[T]) -> T:
        asked = self.clock()
        try:
            return await wait
        finally:
            self._waited[bound] += self.clock() - asked

    async def _try_start(self) -> None:
        """Wait for the moment to begin, through cool-downs, of which another may come while we wait."""
        while True:
            now = self.clock()
            if now < self._resume_at:
                await self._timed(_Bound.THROTTLING, self._sleep(self._staggered_resume() - now))
            elif await self._has_learned_permit() and await self._has_quota_permit():
                return

    async def _has_learned_permit(self) -> bool:
        """Whether the learned rate lets an exchange begin, once it would; not where a cool-down has come up."""
        if self._learned_rate is not None and self._learned_rate.is_over(self.clock()):
            self._learned_rate = None
        if self._learned_rate is None:
            return True
        return await self._timed(_Bound.THROTTLING, self._wait_in_line(self._learned_rate))

    async def _wait_in_line(self, learned: LearnedRate) -> bool:
        """One waits for the next start, and all others for their turn to: so a changed rate holds for all at once."""
        async with self._queue:
            while (now := self.clock()) >= self._resume_at:
                delay = learned.delay(now)
                if delay <= 0:
                    learned.start(now)
                    return True
                await self._sleep(delay)
        return False

    async def _has_quota_permit(self) -> bool:
        """Whether the quota lets an exchange begin, once it would; not where a cool-down has come up."""
        if self._starts is None:
            return True
        return await self._timed(_Bound.QUOTA, self._wait_for_quota(self._starts))

    async def _wait_for_quota(self, starts: RateLimiter) -> bool:
        now = self.clock()
        delay = starts.reserve(now) - now
        while True:
            if delay > 0:
                await self._sleep(delay)
            if self.clock() < self._resume_at:
                return False
            delay = starts.try_acquire(self.clock())
            if delay == 0:
                return True

    def _staggered_resume(self) -> float:
        """Those who waited out a cool-down come back one after the other: at their rate, or within a second."""
        if self._starts is not None or self._learned_rate is not None:
            return self._resume_at
        turn = max(self._next_after_cool_down, self._resume_at)
        self._next_after_cool_down = turn + 1 / self.limit
        return turn

    def on_throttled(self, began: float, retry_after_s: float | None) -> None:
        """The registry has had enough of an exchange that `began` then, and maybe said for how many seconds."""
        wanted_s = _DEFAULT_COOL_DOWN_S if retry_after_s is None else retry_after_s
        until = self.clock() + min(wanted_s, LONGEST_COOL_DOWN_S)
        if until > self._resume_at:
            self._resume_at = self._next_after_cool_down = until
        if retry_after_s is None:
            self._slow_down(began)
        else:
            self._decrease_limit(began, _Bound.THROTTLING)

    def on_unavailable(self, began: float) -> bool:
        """An exchange that `began` then was answered 503 without Retry-After, or the like; whether that is throttling.

        nginx's limit_req answers so by default, haproxy where its queue is full, and any registry that has a fault:
        how many of them come together tells which it is.
        """
        self._unavailable += (1 - self._unavailable) * _DECAY
        self._refusals += began > self._last_decrease
        if self._unavailable > _BURST:
            self._bursting = True
            spared = self.clock() < self._spared_until and self._unavailable < _DECREASE_FACTOR
            if self._refusals >= _REFUSALS and not spared:
                self._slow_down(began)
        elif self._unavailable < _SUCCESSES_TO_GROW:
            self._bursting = False
        return self._bursting or self._learned_rate is not None

    def on_timeout(self, began: float) -> None:
        """The registry fell silent, which busy ones do before they say so."""
        self._decrease_limit(began, _Bound.TIMEOUTS)

    def on_outage_over(self) -> None:
        """What was refused in an outage says nothing of the pace: forget it, and the rate that was learned of it."""
        self._learned_rate, self._bursting, self._unavailable, self._refusals = None, False, 0.0, 0

    def on_success(self) -> None:
        """One more permit after as many good exchanges as there are permits: about one a round trip."""
        self._successes += 1
        self._unavailable -= self._unavailable * _DECAY
        if self.limit < self.max_limit:
            self._successes_in_row += 1
            if self._successes_in_row >= self.limit:
                self._successes_in_row = 0
                self.limit += 1
                self._wake_waiters()

    def _slow_down(self, began: float) -> None:
        """Halve the permits; where that has not helped for a second, keep to what was served in this time."""
        now = self.clock()
        if self._learned_rate is None and now - self._throttled_at > _EPISODE_S:
            self._measure_from(now)
        self._throttled_at = now
        if self._learned_rate is not None:
            self._learned_rate.hold(now)
        if began <= self._last_decrease:
            return
        seconds, successes = now - self._measured_from, self._successes - self._successes_before
        if seconds >= _MEASURED_S and successes >= _MEASURED_SUCCESSES:
            self._learn(_RATE_DECREASE_FACTOR * successes / seconds, now)
        elif self._learned_rate is None:
            self._decrease_limit(began, _Bound.THROTTLING)

    def _learn(self, per_s: float, now: float) -> None:
        if self._learned_rate is None:
            self._learned_rate = LearnedRate(per_s, now)
        else:
            self._learned_rate.lower(per_s, now)
            if self._learned_rate.is_in_vain:
                self._learned_rate, self._spared_until = None, now + _SPARED_S
        self._last_decrease, self._refusals = now, 0
        self._unavailable = 0.0  # what was refused at the former rate says nothing of this one
        self._measure_from(now)

    def _measure_from(self, now: float) -> None:
        self._measured_from, self._successes_before = max(now, self._resume_at), self._successes

    def _decrease_limit(self, began: float, bound: _Bound) -> None:
        """Halve the permits, once for all exchanges that were under way together."""
        self._successes_in_row = 0
        now = self.clock()
        if self._learned_rate is not None:
            self._learned_rate.hold(now)
        if began > self._last_decrease:
            self._last_decrease, self._refusals = now, 0
            self.limit = max(1, self.limit // 2)
            self.lowest_limit = min(self.lowest_limit, self.limit)
            self._decreased_by = bound
