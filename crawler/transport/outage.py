"""An outage: while a service that the run depends on does not answer, every request waits, and one probe is sent.

A party is a service for one purpose: the listings of a registry, its token server, an API. It is in an outage where

- several exchanges with it failed in a row (connection refused or reset, unknown name, 5xx, an ingress's 404, an
  unreadable body),
- no answer came between them for a moment, and
- it does not answer again what it answered last.

During an outage only that last request is repeated, with growing pauses, until it is answered or the run gives up.
Without this, a registry that restarts for two minutes would turn ten thousand repositories into failed records.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from crawler.errors import GaveUp
from crawler.transport.messages import Party, Purpose

log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[bool]]
"""Sends a request that the party should answer; returns whether it did."""

FAILURES_TO_PROBE: Final = 4
"""So many failures in a row start a probe, where many exchanges run at once."""

FAILURES_TO_PROBE_ALONE: Final = 2
"""So many start a probe where each page is fetched after the one before, and the party has answered before."""

_ONE_BY_ONE: Final = frozenset({Purpose.PING, Purpose.CATALOG, Purpose.API})
"""Purposes whose requests follow one another: two failures in a row are two rounds of backoff already."""

SILENCE_S: Final = 0.3
"""How many seconds there must have been no answer: a server that throttles by refusing answers between refusals."""

FIRST_CONTACT_S: Final = 20.0
"""How many seconds to wait for a party that has never answered: it may be starting, or its name may be mistyped."""

_SHORTEST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The request that is repeated during an outage.

    Attributes:
        answers: sends it; returns whether an answer came.
        is_own: whether it is a request to the party itself. An answer to another request of the same server says only
            that the server is alive.
        has_answered: whether it was answered earlier in the run: only then is it worth a long wait.
    """

    answers: Probe
    is_own: bool
    has_answered: bool


@dataclass(slots=True)
class _FailureStreak:
    """Failures of one party in a row: since when, how many, and how many start the next probe."""

    since: float
    failures: int = 0
    probe_at: int = FAILURES_TO_PROBE

    def add(self) -> None:
        """One more failure."""
        self.failures += 1

    def postpone_probe(self) -> None:
        """A probe found nothing: the next one waits for twice as many failures."""
        self.probe_at = 2 * self.failures


class OutageDetector:
    """The circuit breaker of a run, over every party that the run depends on.

    Attributes:
        is_on: whether requests must wait. A plain attribute, because every exchange reads it.
    """

    def __init__(
        self,
        give_up_s: float,
        *,
        first_contact_s: float = FIRST_CONTACT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`give_up_s` is how many seconds an outage may last before the run ends.

        `first_contact_s` is how many seconds to wait for a party that has never answered.
        """
        self.is_on = False
        self._give_up_s = give_up_s
        self._first_contact_s = min(first_contact_s, give_up_s)
        self._clock = clock
        self._sleep = sleep
        self._streaks: dict[Party, _FailureStreak] = {}
        self._over = anyio.Event()
        self._was_outage = False

    @property
    def has_failures(self) -> bool:
        """Whether any party's last exchange failed."""
        return bool(self._streaks)

    async def wait(self) -> None:
        """Return when there is no outage."""
        while self.is_on:
            await self._over.wait()

    def on_answered(self, party: Party) -> None:
        """The party answered, whatever the answer says."""
        self._streaks.pop(party, None)

    def on_failed(self, party: Party, *, has_answered: bool) -> bool:
        """An exchange with the party failed. Returns whether it is time to `probe` the party.

        `has_answered` is whether the party has answered before in the run.
        """
        streak = self._streak(party)
        streak.add()
        if self.is_on:
            return True
        if has_answered and party[0] in _ONE_BY_ONE:
            return streak.failures >= min(streak.probe_at, FAILURES_TO_PROBE_ALONE)
        return streak.failures >= streak.probe_at and self._clock() - streak.since >= SILENCE_S

    def _streak(self, party: Party) -> _FailureStreak:
        return self._streaks.setdefault(party, _FailureStreak(self._clock()))

    async def probe(self, party: Party, why: str, canary: Canary) -> bool:
        """Hold every request while the canary gets no answer; where another probe runs already, wait for its end.

        `why` is how the party's last exchange failed, for the log. Returns whether there was an outage. Raises GaveUp
        where the party has not answered for `give_up_s` seconds.
        """
        if self.is_on:
            await self.wait()
            return self._was_outage
        self.is_on, self._was_outage, self._over = True, False, anyio.Event()
        try:
            await self._hold(party, why, canary)
        finally:
            # also where the probing task is cancelled: the next failure starts a probe of its own
            self.is_on = False
            self._over.set()
        return self._was_outage

    async def _hold(self, party: Party, why: str, canary: Canary) -> None:
        streak = self._streak(party)
        limit_s = self._give_up_s if canary.has_answered else self._first_contact_s
        while not await canary.answers():
            lasted_s = self._clock() - streak.since
            if lasted_s >= limit_s:
                if canary.has_answered:
                    raise self._give_up_error(party, lasted_s, why)
                return  # the party never answered: its own error says more than an outage would
            if not self._was_outage:
                self._was_outage = True
                left_s = limit_s - lasted_s
                log.warning("%s: every request waits, for at most %.0f s: %s", _describe(party), left_s, why)
            # a quarter of what the outage has lasted: a restart of seconds costs little, a long outage few probes
            await self._pause(min(max(lasted_s / 4, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S, limit_s - lasted_s))
        self._end_streak(party, streak, why, canary)

    def _end_streak(self, party: Party, streak: _FailureStreak, why: str, canary: Canary) -> None:
        """The canary was answered. Raises GaveUp where only the party's server is alive, and that for too long."""
        lasted_s = self._clock() - streak.since
        if self._was_outage:
            log.warning("%s: answers again, after %.0f s", _describe(party), lasted_s)
        if canary.is_own:
            self._streaks.pop(party, None)
        elif lasted_s >= self._give_up_s:
            raise self._give_up_error(party, lasted_s, why)
        else:
            streak.postpone_probe()

    async def _pause(self, seconds: float) -> None:
        await self._sleep(seconds * random.uniform(0.8, 1.0))  # noqa: S311  (jitter is no secret)

    def _give_up_error(self, party: Party, lasted_s: float, why: str) -> GaveUp:
        return GaveUp(f"{_describe(party)} has not answered for {lasted_s:.0f} s (limits.give_up_after); last: {why}")


def _describe(party: Party) -> str:
    purpose, origin = party
    return f"{origin} ({purpose})"
