"""How many exchanges depth may still cost: the configured budget, and what is left of a limit on pulls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from crawler.errors import UnexpectedStatus
from crawler.model.shard import Shard
from crawler.wire.pull_limit import PULL_LIMIT_SPENT, PullsLeft

_RESERVED_SHARE: Final = 0.1
_LEAST_RESERVE: Final = 10
"""What a crawl leaves of a limit on pulls: a tenth, and at least ten, for other users of the same address."""


class AllowanceSpent(Exception):
    """An exchange that is not made. `code` names the limit that forbids it; the text is for the operator."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Allowance:
    """The exchanges that are left for depth, for all repositories of a run.

    Attributes:
        reason: which limit was reached; None while none is.
    """

    def __init__(self, budget: int | None, shard: Shard | None = None) -> None:
        """`budget` is that of all shards together, where the run is one; None is no limit."""
        self.reason: str | None = None
        self._budget = budget
        self._share = budget or 0 if shard is None else shard.share_of(budget or 0)
        self._spent = 0
        self._pulls: PullsLeft | None = None
        self._pulls_in_flight = 0

    @property
    def pulls_left(self) -> PullsLeft | None:
        """What is left of the registry's limit on pulls; None where no response said so."""
        return self._pulls

    def take_exchange(self) -> None:
        """Count an exchange before it is made. Raises AllowanceSpent where the budget is spent."""
        if self._budget is not None and self._spent >= self._share:
            raise self._spent_error("BUDGET", f"the budget of {self._budget:,} exchanges is spent (--budget)")
        self._spent += 1

    @contextmanager
    def pull(self) -> Iterator[None]:
        """One pull that counts against the registry's limit.

        Raises AllowanceSpent where it would touch the reserve, and where the registry refuses it for its limit: other
        users may have used up what was left.
        """
        if self._pulls is not None and self._unclaimed(self._pulls) <= _reserve(self._pulls):
            raise self._pulls_error(self._pulls)
        self._pulls_in_flight += 1
        try:
            yield
        except UnexpectedStatus as error:
            if error.code != PULL_LIMIT_SPENT:
                raise
            spent = PullsLeft(0, None if self._pulls is None else self._pulls.limit)
            self.on_pulls_left(spent)
            raise self._pulls_error(spent) from error
        finally:
            self._pulls_in_flight -= 1

    def on_pulls_left(self, pulls: PullsLeft | None) -> None:
        """Take over the number of pulls left that a response has; None where it has none.

        The smallest number counts: responses overtake each other, so the last one may not be the newest.
        """
        if pulls is not None and (self._pulls is None or pulls.remaining < self._pulls.remaining):
            self._pulls = pulls

    def _unclaimed(self, pulls: PullsLeft) -> int:
        return max(pulls.remaining - self._pulls_in_flight, 0)

    def _pulls_error(self, pulls: PullsLeft) -> AllowanceSpent:
        of_limit = "" if pulls.limit is None else f" of {pulls.limit:,}"
        left = f"the registry's limit has {self._unclaimed(pulls):,}{of_limit} pulls left"
        return self._spent_error("PULL_LIMIT", f"{left}, and {_reserve(pulls):,} are kept for other users")

    def _spent_error(self, code: str, reason: str) -> AllowanceSpent:
        self.reason = self.reason or reason
        return AllowanceSpent(code, reason)


def _reserve(pulls: PullsLeft) -> int:
    return max(_LEAST_RESERVE, round(_RESERVED_SHARE * (pulls.limit or 0)))
