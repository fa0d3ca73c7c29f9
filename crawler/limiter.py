"""How fast a service is asked: how many exchanges may run at once, and how many may start in a second.

`Limiter` is what transport and run need: a share of a quota that several processes divide, or a limiter on another
machine, fits behind the same protocol. `AdaptiveLimiter` is the implementation for a single process.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final, Protocol, TypeVar

import anyio

from crawler.rate_limiter import LearnedRate, StartRate

MAX_COOL_DOWN_S: Final = 300.0
"""A registry that asks for a longer pause is asked again after this one, and may then ask for another."""

_DEFAULT_COOL_DOWN_S: Final = 1.0
"""The pause after a 429 that does not say how long to wait."""

_DECAY: Final = 1 / 64
"""The weight of the latest exchange in the share of unavailable ones: about the last 64 exchanges count."""

_BURST: Final = 0.25
"""The share of unavailable exchanges above which they are throttling. 10 % at random never come near it."""

_BURST_OVER: Final = 0.125
"""The share below which a burst is over."""

_BURST_REFUSALS: Final = 16
"""How many exchanges that started at the present limit must be refused before the limit is lowered again."""

_MEASURED_S: Final = 1.0
_MEASURED_SUCCESSES: Final = 5
"""How long to measure, and how many exchanges must succeed meanwhile, to learn the rate of a throttling registry."""

_EPISODE_S: Final = 10.0
"""Throttling after so many seconds without any is measured afresh."""

_SPARED_S: Final = 60.0
_SPARED_SHARE: Final = 0.75
"""How long the limit stays after slowing down was futile, unless more than this share is unavailable."""

_RATE_DECREASE_FACTOR: Final = 0.95
"""The learned rate, as a part of what the throttling registry served."""

T = TypeVar("T")


class Limiter(Protocol):
    """The permits for one service, as transport, outage handling and the run use them.

    `acquire` and `release` enclose one exchange, through the last byte of its body; between them one of the `on_...`
    methods reports how the exchange ended. They take the time that `acquire` returned, because a report says nothing of
    a limit that was lowered after the exchange had started.
    """

    @property
    def wait_s(self) -> float:
        """The seconds that exchanges waited for permits so far, for whatever reason, summed over all of them."""
        ...

    @property
    def held_by(self) -> str:
        """What exchanges waited for longest, for the operator: `pace.set_by` of `_run.json`."""
        ...

    @property
    def lowest_limit(self) -> int:
        """The fewest permits that were ever allowed at once."""
        ...

    def try_acquire(self) -> float | None:
        """Take a permit that is at hand, and return its time; None where `acquire` has to be awaited."""
        ...

    async def acquire(self) -> float:
        """Wait for a permit, and return the time at which its exchange starts."""
        ...

    def release(self) -> None:
        """Give the permit back."""
        ...

    def on_success(self) -> None:
        """An exchange got a response that says nothing of overload."""
        ...

    def on_throttled(self, started_at: float, retry_after_s: float | None) -> None:
        """The service refused an exchange because of the request rate; None where it gives no time to wait."""
        ...

    def pause(self, seconds: float) -> None:
        """The service said that it will refuse exchanges for so long. None starts meanwhile."""
        ...

    def on_unavailable(self, started_at: float) -> bool:
        """An exchange got a 502, 503 or 504 without Retry-After. Returns whether that counts as throttling."""
        ...

    def on_timeout(self, started_at: float) -> None:
        """An exchange timed out."""
        ...

    def on_outage_over(self) -> None:
        """An outage is over: refusals during it say nothing of the request rate."""
        ...


class _WaitReason(Enum):
    """Why an exchange waits before it starts."""

    CONCURRENCY = auto()
    QUOTA = auto()
    THROTTLING = auto()
    TIMEOUTS = auto()


class AdaptiveLimiter:
    """The permits of one registry, in one process.

    Concurrency: the limit on permits in use is halved when the registry throttles or times out, and raised one by one
    while it does not (additive increase, multiplicative decrease, as TCP does). Exchanges that ran together halve it
    once: a report from an exchange that started before the last decrease is no news.

    Rate: a quota spaces the starts, and so does a rate that is learned where fewer exchanges at once are still too
    many. The slower of both holds. A pause that the registry asks for by Retry-After holds every exchange.

    Unavailability: a 503 without Retry-After is either a fault or throttling. nginx's limit_req answers so by default,
    and haproxy where its queue is full; so does one broken backend of three. How many come together tells which it is:
    only a burst is taken for throttling.

    Attributes:
        max_limit: the most permits that may ever be in use.
        limit: how many may be in use now.
        lowest_limit: the lowest `limit` so far.
        in_flight: how many are in use.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        rate: StartRate | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`rate` is None without a quota; limiters of runs that share a quota share it."""
        self.max_limit = self.limit = self.lowest_limit = concurrency
        self.in_flight = 0
        self._clock = clock
        self._sleep = sleep
        self._waiters: deque[anyio.Event] = deque()
        self._waited = dict.fromkeys(_WaitReason, 0.0)
        self._rate = rate
        self._learned_rate: LearnedRate | None = None
        self._learned_rate_turn = anyio.Lock()
        self._resume_at = self._next_resume = float("-inf")
        self._decrease_reason = _WaitReason.CONCURRENCY
        self._last_decrease = float("-inf")
        self._successes_in_row = 0
        self._unavailable_share = 0.0
        self._is_burst = False
        self._refusals = 0
        self._successes = 0
        self._throttled_at = self._spared_until = float("-inf")
        self._measured_from, self._successes_before = 0.0, 0

    @property
    def wait_s(self) -> float:
        return sum(self._waited.values())

    @property
    def held_by(self) -> str:
        reason = max(_WaitReason, key=self._waited.__getitem__)
        if reason is _WaitReason.QUOTA and self._rate is not None:
            return f"the quota: {self._rate.label}"
        if reason is _WaitReason.THROTTLING:
            return "throttling by the registry (429 or 503)"
        return "time-outs" if reason is _WaitReason.TIMEOUTS else "the concurrency"

    # No context manager, because entering and leaving one costs more than all the rest of the limiter.

    def try_acquire(self) -> float | None:
        if self.in_flight < self.limit and self._rate is None and self._learned_rate is None:
            now = self._clock()
            if now >= self._resume_at:
                self.in_flight += 1
                return now
        return None

    async def acquire(self) -> float:
        if self.in_flight < self.limit:
            self.in_flight += 1
        else:
            await self._timed(self._slot_reason(), self._wait_for_slot())
        now = self._clock()
        if self._rate is None and self._learned_rate is None and now >= self._resume_at:
            return now
        try:
            await self._wait_for_permit()
        except BaseException:
            self.release()
            raise
        return self._clock()

    def release(self) -> None:
        self.in_flight -= 1
        if self._waiters:
            self._wake_waiters()

    def _slot_reason(self) -> _WaitReason:
        if self._learned_rate is not None:
            return _WaitReason.THROTTLING
        return self._decrease_reason if self.limit < self.max_limit else _WaitReason.CONCURRENCY

    async def _wait_for_slot(self) -> None:
        """Wait in line for a permit. `_wake_waiters` counts it as in flight before the waiter runs again."""
        granted = anyio.Event()
        self._waiters.append(granted)
        try:
            await granted.wait()
        except BaseException:
            if granted.is_set():  # cancelled after the permit was granted, and before this task ran
                self.release()
            else:
                self._waiters.remove(granted)
            raise

    def _wake_waiters(self) -> None:
        while self._waiters and self.in_flight < self.limit:
            self.in_flight += 1
            self._waiters.popleft().set()

    async def _timed(self, reason: _WaitReason, wait: Awaitable[T]) -> T:
        started_at = self._clock()
        try:
            return await wait
        finally:
            self._waited[reason] += self._clock() - started_at

    async def _wait_for_permit(self) -> None:
        """Wait until an exchange may start: through cool-downs, the learned rate and the quota, in this order.

        Another cool-down may come during any of the waits. Then all begins again, and a reserved time of the quota is
        lost: the quota is left unused for as long as the registry asked for.
        """
        while True:
            now = self._clock()
            if now < self._resume_at:
                await self._timed(_WaitReason.THROTTLING, self._sleep(self._staggered_resume() - now))
            elif await self._acquire_learned() and await self._acquire_quota():
                return

    async def _acquire_learned(self) -> bool:
        """Wait for the learned rate; False where a cool-down came meanwhile."""
        if self._learned_rate is not None and self._learned_rate.has_expired(self._clock()):
            self._learned_rate = None
        if self._learned_rate is None:
            return True
        return await self._timed(_WaitReason.THROTTLING, self._wait_for_learned(self._learned_rate))

    async def _wait_for_learned(self, learned: LearnedRate) -> bool:
        """One exchange waits for the next start, and the others for their turn to: a changed rate holds for all."""
        async with self._learned_rate_turn:
            while (now := self._clock()) >= self._resume_at:
                delay = learned.delay(now)
                if delay <= 0:
                    learned.start(now)
                    return True
                await self._sleep(delay)
        return False

    async def _acquire_quota(self) -> bool:
        """Wait for the quota; False where a cool-down came meanwhile."""
        if self._rate is None:
            return True
        try:
            return await self._timed(_WaitReason.QUOTA, self._wait_for_quota(self._rate))
        finally:
            self._rate.leave()

    async def _wait_for_quota(self, rate: StartRate) -> bool:
        now = self._clock()
        delay = rate.reserve(now) - now
        while True:
            if delay > 0:
                await self._sleep(delay)
            if self._clock() < self._resume_at:
                return False
            delay = rate.try_acquire(self._clock())
            if delay == 0:
                return True

    def _staggered_resume(self) -> float:
        """When this exchange may start after a cool-down: one after the other, spread over one second.

        All of them wait for the same moment. Started together they would be the very burst that the registry refused,
        and be refused again. Where a rate spaces the starts anyway, nothing more is needed.
        """
        if self._rate is not None or self._learned_rate is not None:
            return self._resume_at
        resume = max(self._next_resume, self._resume_at)
        self._next_resume = resume + 1 / self.limit
        return resume

    def on_throttled(self, started_at: float, retry_after_s: float | None) -> None:
        # The pause holds every exchange, and not only the refused one: the registry counts them together, by client IP
        # or account, and the others would be refused as well. A shorter pause never shortens a longer one.
        self.pause(_DEFAULT_COOL_DOWN_S if retry_after_s is None else retry_after_s)
        if retry_after_s is None:
            self._slow_down(started_at)
        else:
            self._decrease_limit(started_at, _WaitReason.THROTTLING)

    def pause(self, seconds: float) -> None:
        until = self._clock() + min(seconds, MAX_COOL_DOWN_S)
        if until > self._resume_at:
            self._resume_at = self._next_resume = until

    def on_unavailable(self, started_at: float) -> bool:
        # The share is an exponential average over about 64 exchanges. It has two thresholds, so that a share near one
        # of them does not switch back and forth. Only refusals of exchanges that started at the present limit count
        # towards the next decrease: the others were in flight already and say nothing of it.
        self._unavailable_share += (1 - self._unavailable_share) * _DECAY
        self._refusals += started_at > self._last_decrease
        if self._unavailable_share > _BURST:
            self._is_burst = True
            is_spared = self._clock() < self._spared_until and self._unavailable_share < _SPARED_SHARE
            if self._refusals >= _BURST_REFUSALS and not is_spared:
                self._slow_down(started_at)
        elif self._unavailable_share < _BURST_OVER:
            self._is_burst = False
        return self._is_burst or self._learned_rate is not None

    def on_timeout(self, started_at: float) -> None:
        self._decrease_limit(started_at, _WaitReason.TIMEOUTS)  # overloaded servers stall before they answer 429 or 503

    def on_outage_over(self) -> None:
        self._learned_rate, self._is_burst, self._unavailable_share, self._refusals = None, False, 0.0, 0

    def on_success(self) -> None:
        # One more permit after as many successes as there are permits: about one a round trip.
        self._successes += 1
        self._unavailable_share -= self._unavailable_share * _DECAY
        if self.limit < self.max_limit:
            self._successes_in_row += 1
            if self._successes_in_row >= self.limit:
                self._successes_in_row = 0
                self.limit += 1
                self._wake_waiters()

    def _slow_down(self, started_at: float) -> None:
        """Halve the limit; where that has not helped for a second, keep to the rate that was served in this time.

        Halving is quick and finds a limit on concurrency. A limit on the rate it cannot find: one exchange at a time
        may still be too many a second. What the registry served while it throttled is what it allows.
        """
        now = self._clock()
        if self._learned_rate is None and now - self._throttled_at > _EPISODE_S:
            self._measure_from(now)
        self._throttled_at = now
        if self._learned_rate is not None:
            self._learned_rate.hold(now)
        if started_at <= self._last_decrease:
            return
        seconds, successes = now - self._measured_from, self._successes - self._successes_before
        if seconds >= _MEASURED_S and successes >= _MEASURED_SUCCESSES:
            self._learn_rate(_RATE_DECREASE_FACTOR * successes / seconds, now)
        elif self._learned_rate is None:
            self._decrease_limit(started_at, _WaitReason.THROTTLING)

    def _learn_rate(self, per_s: float, now: float) -> None:
        if self._learned_rate is None:
            self._learned_rate = LearnedRate(per_s, now)
        else:
            self._learned_rate.lower(per_s, now)
            if self._learned_rate.is_futile:
                self._learned_rate, self._spared_until = None, now + _SPARED_S
        self._last_decrease, self._refusals = now, 0
        self._unavailable_share = 0.0  # refusals at the former rate say nothing of this one
        self._measure_from(now)

    def _measure_from(self, now: float) -> None:
        self._measured_from, self._successes_before = max(now, self._resume_at), self._successes

    def _decrease_limit(self, started_at: float, reason: _WaitReason) -> None:
        """Halve the limit, once for all exchanges that ran together."""
        self._successes_in_row = 0
        now = self._clock()
        if self._learned_rate is not None:
            self._learned_rate.hold(now)
        if started_at > self._last_decrease:
            self._last_decrease, self._refusals = now, 0
            self.limit = max(1, self.limit // 2)
            self.lowest_limit = min(self.lowest_limit, self.limit)
            self._decrease_reason = reason
