"""What all exchanges of a run share, with whichever service: counts, the retry budget, and what ends the run."""

from crawler.limiter import Limiter
from crawler.transport.messages import Party, Purpose, Request, RequestStats, Response
from crawler.transport.outage import FIRST_CONTACT_S, OutageDetector
from crawler.transport.retry import RetryBudget, RetryPolicy
from crawler.transport.throttling import ThrottlingWatch


class RunLimits:
    """Made once a run, before any transport; the transports of the registry and of the APIs share it.

    Attributes:
        policy: when to stop retrying.
        requests: the exchanges so far, of all transports; progress reads it from the start of the run.
        budget: the retries that are left.
        outage: holds every request during an outage.
        throttling: ends the run where throttling does not pass.
        last_answered: the last answered request of each purpose. In an outage one of them is repeated, and nothing
            else is sent.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        requests: RequestStats | None = None,
        *,
        first_contact_s: float = FIRST_CONTACT_S,
    ) -> None:
        """`requests` counts the exchanges together with those of other limits.

        `first_contact_s` is how many seconds to wait for a party that has never answered.
        """
        self.policy = policy
        self.requests = RequestStats() if requests is None else requests
        self.budget = RetryBudget(self.requests)
        # with one attempt only, the user does not want to wait for a server that may not exist
        self._first_contact_s = first_contact_s if policy.attempts > 1 else 0
        self.outage = OutageDetector(policy.give_up_s, first_contact_s=self._first_contact_s)
        self.throttling = ThrottlingWatch(policy.give_up_s)
        self.last_answered: dict[Purpose, Request] = {}
        self._limiters: list[Limiter] = []
        self._has_failures = False

    def apart(self) -> "RunLimits":
        """Limits for a service that the run can do without: its outages hold nothing else. The counts are shared."""
        return RunLimits(self.policy, self.requests, first_contact_s=self._first_contact_s)

    @property
    def wait_s(self) -> float:
        """The seconds that exchanges waited for permits of any limiter of the run, summed over all exchanges."""
        return sum(limiter.wait_s for limiter in self._limiters)

    def add_limiter(self, limiter: Limiter) -> None:
        """Count this limiter's waits in `wait_s`: once, however often it is added."""
        if limiter not in self._limiters:
            self._limiters.append(limiter)

    def on_answered(self, request: Request) -> None:
        """The request got an answer, whatever the answer says.

        Every exchange comes through here. Unless some party failed lately, the detectors have nothing to forget, and
        the call ends with a look at `_has_failures`.
        """
        self.last_answered[request.purpose] = request
        if self._has_failures:
            self._clear_failures(request.party)

    def on_throttled(self, request: Request, response: Response) -> None:
        """The request got a 429. It ends a streak of failures, because a server that refuses is there.

        Raises GaveUp where waiting does not help.
        """
        self._has_failures = True
        self.outage.on_answered(request.party)
        self.throttling.on_throttled(request.party, request.summary, response)

    def on_failed(self, request: Request) -> bool:
        """The request got no answer. Returns whether it is time to probe its party for an outage."""
        self._has_failures = True
        return self.outage.on_failed(request.party, has_answered=request.purpose in self.last_answered)

    def _clear_failures(self, party: Party) -> None:
        self.outage.on_answered(party)
        self.throttling.on_answered(party)
        self._has_failures = self.outage.has_failures or self.throttling.is_on
