"""An outage: while a party that a run depends on gives no answer, every request waits, and one probe goes out.

A party is a service for one purpose: the listings of a registry, its token server, an API. It is in an outage where
several exchanges with it failed in a row (refused, reset, unresolvable, 5xx, an ingress's 404, an unreadable body), no
answer came between them for a moment, and what it answered last it does not answer any more. Then nothing is asked but
that last question, with growing pauses, until it is answered or the run gives up.
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
"""Asks a party something that it should answer; returns whether it did."""

FAILURES_TO_PROBE: Final = 4
"""So many failures in a row are worth a probe, where many exchanges are under way at once."""

FAILURES_TO_PROBE_ALONE: Final = 2
"""So many are, where each page is asked for after the one before, and one was answered before."""

_ONE_BY_ONE: Final = frozenset({Purpose.PING, Purpose.CATALOG, Purpose.API})

SILENCE_S: Final = 0.3
"""How long there must have been no answer: a server that throttles by refusing answers between its refusals."""

FIRST_CONTACT_S: Final = 20.0
"""How long a party is waited for that has never answered: it may be starting, or its name may be mistyped."""

_SHORTEST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What a party is asked while it is examined.

    Attributes:
        answers: asks it; returns whether an answer came.
        is_own: whether an answer to it is an answer of the party, and no other sign of life of its server.
        has_answered: whether it was answered earlier in the run: only then is it worth a long wait.
    """

    answers: Probe
    is_own: bool
    has_answered: bool


@dataclass(slots=True)
class _FailureStreak:
    """Failures of one party in a row: how many, since when, and how many of them are worth the next probe."""

    since: float
    failures: int = 0
    worth_a_probe: int = FAILURES_TO_PROBE


class OutageDetector:
    """The one breaker of a run, over every party that it depends on.

    `is_on` is whether requests must wait: a plain attribute, because every exchange looks at it.
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

        `first_contact_s` is how many seconds a party is waited for that has never answered.
        """
        self.is_on = False
        self._give_up_s = give_up_s
        self._first_contact_s = min(first_contact_s, give_up_s)
        self._clock = clock
        self._sleep = sleep
        self._streaks: dict[Party, _FailureStreak] = {}
        self._over = anyio.Event()
        self._was_away = False

    @property
    def has_failures(self) -> bool:
        """Whether any party's last exchange came to nothing."""
        return bool(self._streaks)

    async def wait(self) -> None:
        """Return when no outage is on."""
        while self.is_on:
            await self._over.wait()

    def answered(self, party: Party) -> None:
        """The party gave an answer, of whatever kind."""
        self._streaks.pop(party, None)

    def failed(self, party: Party, *, has_answered: bool) -> bool:
        """An exchange with the party came to nothing. Returns whether it is time to `examine` the party.

        `has_answered` is whether the party has answered before in the run.
        """
        streak = self._streak(party)
        streak.failures += 1
        if self.is_on:
            return True
        if has_answered and party[0] in _ONE_BY_ONE:
            return streak.failures >= min(streak.worth_a_probe, FAILURES_TO_PROBE_ALONE)
        return streak.failures >= streak.worth_a_probe and self._clock() - streak.since >= SILENCE_S

    def _streak(self, party: Party) -> _FailureStreak:
        return self._streaks.setdefault(party, _FailureStreak(self._clock()))

    async def probe(self, party: Party, why: str, canary: Canary) -> bool:
        """Hold every request while the canary gets no answer; where a party is examined already, wait for that alone.

        `why` is what came of the party's last exchange. Returns whether the party examined was away. Raises GaveUp
        where it has not answered for `give_up_s`.
        """
        if self.is_on:
            await self.wait()
            return self._was_away
        self.is_on, self._was_away, self._over = True, False, anyio.Event()
        try:
            await self._hold(party, why, canary)
        finally:
            self.is_on = False
            self._over.set()
        return self._was_away

    async def _hold(self, party: Party, why: str, canary: Canary) -> None:
        streak = self._streak(party)
        patience_s = self._give_up_s if canary.has_answered else self._first_contact_s
        while not await canary.answers():
            lasts_s = self._clock() - streak.since
            if lasts_s >= patience_s:
                if canary.has_answered:
                    raise self._give_up_error(party, lasts_s, why)
                return
            if not self._was_away:
                self._was_away = True
                log.warning(
                    "%s: every request waits, for at most %.0f s: %s", _describe(party), patience_s - lasts_s, why
                )
            await self._pause(min(max(lasts_s / 4, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S, patience_s - lasts_s))
        lasts_s = self._clock() - streak.since
        if self._was_away:
            log.warning("%s: answers again, after %.0f s", _describe(party), lasts_s)
        if canary.is_own:
            self._streaks.pop(party, None)
        elif lasts_s >= self._give_up_s:
            raise self._give_up_error(party, lasts_s, why)
        else:
            streak.worth_a_probe = 2 * streak.failures

    async def _pause(self, seconds: float) -> None:
        await self._sleep(seconds * random.uniform(0.8, 1.0))  # noqa: S311  (jitter is no secret)

    def _give_up_error(self, party: Party, lasts_s: float, why: str) -> GaveUp:
        return GaveUp(f"{_describe(party)} has not answered for {lasts_s:.0f} s (limits.give_up_after); last: {why}")


def _describe(party: Party) -> str:
    purpose, origin = party
    return f"{origin} ({purpose})"
