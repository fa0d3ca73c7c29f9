"""Whether to try again: how often one exchange, and how often all of them."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import tenacity

from crawler.errors import RegistryError, Unreachable, UnusableResponse
from crawler.transport.messages import RequestStats, Response
from crawler.wire.error_body import parse_error_body

RETRYABLE_STATUSES: Final = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
"""Statuses that may be gone at the next try; 501 and 505 say that they will not."""

_THROTTLED_TRIES: Final = 10
"""How many times as often as a failed exchange a throttled one is tried."""

_THROTTLED_PART: Final = 5
"""The part of `give_up_s` for which one exchange may be throttled: others have answers meanwhile, else the run ends."""

_FREE_RETRIES: Final = 100
_RETRIES_PER_EXCHANGE: Final = 0.2
_BACKOFF: Final = tenacity.wait_random_exponential(multiplier=0.5, max=30)
_SHORT_BACKOFF: Final = tenacity.wait_random(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an exchange is tried, and what may take how many seconds.

    `connect_s`: a connection; `read_s`: a silence in an answer; `total_s`: an answer; `give_up_s`: an outage, or
    throttling without any success, which ends the run.
    """

    attempts: int
    connect_s: float
    read_s: float
    total_s: float
    give_up_s: float


class TransientFailure(Exception):
    """A try that failed and may succeed the next time: a reply that is no answer, or no whole or readable reply."""

    def __init__(self, came: Response | Unreachable | UnusableResponse) -> None:
        self.result = came
        self.in_outage = False
        """Whether it was part of an outage that is over now: then it does not count as a try."""
        super().__init__()

    def __str__(self) -> str:
        if isinstance(self.result, RegistryError):
            return str(self.result)
        said = parse_error_body(self.result.body, self.result.status, self.result.redirected_to)
        return f"{self.result.status} {said.code}: {said.message}"

    @property
    def throttled(self) -> bool:
        return isinstance(self.result, Response) and self.result.throttled


class RetryBudget:
    """Retries of failures that a run may make: some to begin with, and one more for every few exchanges.

    So a registry that fails now and then is asked again each time, and one that fails all over is not asked five times
    over. Waiting never spends it: what fails in an outage, or is throttled, takes no retry from here.
    """

    def __init__(self, exchanges: RequestStats) -> None:
        self._exchanges = exchanges
        self._spent = 0

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        if self._spent >= _FREE_RETRIES + _RETRIES_PER_EXCHANGE * self._exchanges.total:
            return False
        self._spent += 1
        return True

    def refill(self) -> None:
        """An outage is over: what was spent before it was noticed is given back."""
        self._spent = 0


def attempts(
    policy: RetryPolicy,
    budget: RetryBudget,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]],
) -> tenacity.AsyncRetrying:
    """The tries of one exchange, of which the first has failed already.

    A try that an outage swallowed does not count. Being throttled passes by waiting, so it is borne ten times as often
    as a failure, and for a minute at least. Waits have full jitter; throttled and swallowed tries come back soon,
    because the pace or the outage has kept them as long as it must.
    """
    failed = 0
    throttled = 0
    began = clock()

    def over(state: tenacity.RetryCallState) -> bool:
        nonlocal failed, throttled
        failure = _failure(state)
        if failure.in_outage:
            return False
        if failure.throttled:
            throttled += 1
            borne_s = clock() - began
            return throttled >= policy.attempts * _THROTTLED_TRIES and borne_s >= policy.give_up_s / _THROTTLED_PART
        failed += 1
        return failed >= policy.attempts or not budget.spend()

    def wait(state: tenacity.RetryCallState) -> float:
        failure = _failure(state)
        return (_SHORT_BACKOFF if failure.throttled or failure.in_outage else _BACKOFF)(state)

    return tenacity.AsyncRetrying(
        stop=over, wait=wait, retry=tenacity.retry_if_exception_type(TransientFailure), sleep=sleep, reraise=True
    )


def _failure(state: tenacity.RetryCallState) -> TransientFailure:
    failure = None if state.outcome is None else state.outcome.exception()
    if not isinstance(failure, TransientFailure):
        raise TypeError(f"only a PassingFailure is tried again, not {failure!r}")
    return failure
