"""Whether to retry: how often one request, and how often all requests of a run together."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import tenacity

from crawler.errors import RegistryError, Unreachable, UnusableResponse
from crawler.transport.messages import RequestStats, Response
from crawler.wire.error_body import parse_error_body

RETRYABLE_STATUSES: Final = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
"""Statuses that may be gone at the next attempt; 501 and 505 say that they will not be (RFC 9110 §15.6)."""

_THROTTLED_ATTEMPTS: Final = 10
"""A throttled request is sent this many times as often as one that fails."""

_THROTTLED_SHARE: Final = 5
"""The part of `give_up_s` for which one request may be throttled: a run in which no request succeeds ends anyway."""

_FREE_RETRIES: Final = 100
_RETRIES_PER_EXCHANGE: Final = 0.2
_BACKOFF: Final = tenacity.wait_random_exponential(multiplier=0.5, max=30)
_SHORT_BACKOFF: Final = tenacity.wait_random(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a run stops trying.

    Attributes:
        attempts: how often a request that fails is sent, the first time included.
        give_up_s: seconds of an outage, or of throttling without any success, after which the run ends.
    """

    attempts: int
    give_up_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The time limits of one exchange, in seconds.

    Attributes:
        connect_s: for a connection: TCP and TLS handshake.
        read_s: between two reads: how long the server may be silent.
        total_s: for the whole exchange, connection and body included.
    """

    connect_s: float
    read_s: float
    total_s: float


class TransientFailure(Exception):
    """An attempt failed, and the next one may succeed.

    Attributes:
        result: the response that is no answer (408, 429, 5xx, a 404 of an ingress), or the error in place of a whole,
            readable response.
        in_outage: whether the attempt was part of an outage that is over now. Such an attempt does not count.
    """

    def __init__(self, result: Response | Unreachable | UnusableResponse, *, in_outage: bool = False) -> None:
        self.result = result
        self.in_outage = in_outage
        super().__init__()

    def __str__(self) -> str:
        if isinstance(self.result, RegistryError):
            return str(self.result)
        parsed = parse_error_body(self.result.body, self.result.status, self.result.redirected_to)
        return f"{self.result.status} {parsed.code}: {parsed.message}"

    @property
    def throttled(self) -> bool:
        return isinstance(self.result, Response) and self.result.throttled


class RetryBudget:
    """Retries of failed requests that a run may make: some from the start, and one more for every few exchanges.

    A registry that fails now and then gets every retry. A registry that fails everywhere does not get five times the
    requests, which would keep it down. Requests that fail in an outage, or are throttled, take nothing from the budget:
    they wait instead.
    """

    def __init__(self, requests: RequestStats) -> None:
        self._requests = requests
        self._spent = 0

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        if self._spent >= _FREE_RETRIES + _RETRIES_PER_EXCHANGE * self._requests.total:
            return False
        self._spent += 1
        return True

    def refill(self) -> None:
        """An outage is over: give back what was spent before the outage was detected."""
        self._spent = 0


def attempts(
    policy: RetryPolicy,
    budget: RetryBudget,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]],
) -> tenacity.AsyncRetrying:
    """The attempts of one request, of which the first has failed already.

    Backoff has full jitter. An attempt within an outage does not count, because the outage says nothing of the request.
    A throttled request needs only time: it is retried ten times as often as a failed one, and for at least a fifth of
    `give_up_s`. Both come back soon, because the limiter or the outage detector has held them long enough already.
    """
    failed = 0
    throttled = 0
    started_at = clock()

    def is_last(state: tenacity.RetryCallState) -> bool:
        nonlocal failed, throttled
        failure = _failure(state)
        if failure.in_outage:
            return False
        if failure.throttled:
            throttled += 1
            throttled_s = clock() - started_at
            is_long = throttled_s >= policy.give_up_s / _THROTTLED_SHARE
            return throttled >= policy.attempts * _THROTTLED_ATTEMPTS and is_long
        failed += 1
        return failed >= policy.attempts or not budget.spend()

    def backoff(state: tenacity.RetryCallState) -> float:
        failure = _failure(state)
        return (_SHORT_BACKOFF if failure.throttled or failure.in_outage else _BACKOFF)(state)

    return tenacity.AsyncRetrying(
        stop=is_last, wait=backoff, retry=tenacity.retry_if_exception_type(TransientFailure), sleep=sleep, reraise=True
    )


def _failure(state: tenacity.RetryCallState) -> TransientFailure:
    failure = None if state.outcome is None else state.outcome.exception()
    if not isinstance(failure, TransientFailure):
        raise TypeError(f"only a TransientFailure is retried, not {failure!r}")
    return failure
