"""Whether to try again: how often one exchange, how often all of them, and when nobody answers any more."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import tenacity

from crawler.errors import GaveUp, Unreachable, UnusableReply
from crawler.transport.messages import Exchanges, Reply

PASSING: Final = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
"""Statuses that may be gone at the next try; 501 and 505 say that they will not."""

_THROTTLED_TRIES: Final = 10
"""How many times as often as a failed exchange a throttled one is tried."""

_FREE_RETRIES: Final = 100
_RETRIES_PER_EXCHANGE: Final = 0.2
_BACK_OFF: Final = tenacity.wait_random_exponential(multiplier=0.5, max=30)
_SOON: Final = tenacity.wait_random(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often an exchange is tried, and what may take how many seconds.

    `connect_s`: a connection; `read_s`: a silence in an answer; `total_s`: an answer; `give_up_s`: silence of
    everybody, which ends the run.
    """

    attempts: int
    connect_s: float
    read_s: float
    total_s: float
    give_up_s: float


class PassingFailure(Exception):
    """A try that failed and may succeed the next time: a reply that is no answer, or no whole or readable reply."""

    def __init__(self, came: Reply | Unreachable | UnusableReply) -> None:
        self.came = came
        super().__init__()

    @property
    def throttled(self) -> bool:
        return isinstance(self.came, Reply) and self.came.throttled


class Budget:
    """Retries of failures that a run may make: some to begin with, and one more for every few exchanges.

    So a registry that fails now and then is asked again each time, and one that is dying is not asked five times over.
    """

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._spent = 0

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        if self._spent >= _FREE_RETRIES + _RETRIES_PER_EXCHANGE * self._exchanges.total:
            return False
        self._spent += 1
        return True


class Silence:
    """How long nobody has answered anything, over all exchanges of a run."""

    def __init__(self, bearable_s: float, clock: Callable[[], float]) -> None:
        self._bearable_s = bearable_s
        self._clock = clock
        self.since: float | None = None
        """When it began; None while somebody answers, which whoever hears an answer notes here."""

    def lasts(self, error: Unreachable) -> None:
        """One more exchange without an answer. Raises GaveUp where it is one too many."""
        now = self._clock()
        if self.since is None:
            self.since = now
        elif now - self.since > self._bearable_s:
            raise GaveUp(f"nobody has answered for {now - self.since:.0f} s; last: {error}")


def tries(attempts: int, budget: Budget, sleep: Callable[[float], Awaitable[None]]) -> tenacity.AsyncRetrying:
    """The tries of one exchange, of which the first has failed already.

    Being throttled counts less than failing, because it passes by waiting. Waits have full jitter; a throttled
    exchange comes back soon, because the pace keeps it as long as it must.
    """
    failed = 0

    def over(state: tenacity.RetryCallState) -> bool:
        nonlocal failed
        if _was_throttled(state):
            return state.attempt_number >= attempts * _THROTTLED_TRIES
        failed += 1
        return failed >= attempts or not budget.spend()

    def wait(state: tenacity.RetryCallState) -> float:
        return (_SOON if _was_throttled(state) else _BACK_OFF)(state)

    return tenacity.AsyncRetrying(
        stop=over, wait=wait, retry=tenacity.retry_if_exception_type(PassingFailure), sleep=sleep, reraise=True
    )


def _was_throttled(state: tenacity.RetryCallState) -> bool:
    failure = None if state.outcome is None else state.outcome.exception()
    return isinstance(failure, PassingFailure) and failure.throttled
