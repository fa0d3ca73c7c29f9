"""Throttling that does not pass: a quota that is used up, for longer than a run should wait."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crawler.errors import GaveUp
from crawler.transport.messages import Party, Response
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body
from crawler.wire.retry_after import parse_retry_after

_QUOTA_HEADERS: Final = ("ratelimit-limit", "x-ratelimit-limit")
"""Where registries name the quota: Docker Hub's `100;w=21600` is a hundred in six hours."""


class ThrottlingWatch:
    """Ends a run whose registry answers nothing but 429, or asks for a longer pause than the run can wait."""

    def __init__(self, give_up_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._give_up_s = give_up_s
        self._clock = clock
        self._since: dict[Party, float] = {}

    def on_answered(self, party: Party) -> None:
        """The party answered something else than 429."""
        self._since.pop(party, None)

    @property
    def is_on(self) -> bool:
        """Whether any party's last answer was 429."""
        return bool(self._since)

    def on_throttled(self, party: Party, asked: str, reply: Response) -> None:
        """The party answered 429. Raises GaveUp where waiting for it is in vain."""
        now = self._clock()
        lasts_s = now - self._since.setdefault(party, now)
        pause_s = parse_retry_after(reply.headers.get("Retry-After"), reply.body, datetime.now(UTC)) or 0.0
        if pause_s > self._give_up_s:
            raise GaveUp(f"{asked}: asks for a pause of {pause_s:,.0f} s, {self._limit}: {_quota(reply)}")
        if lasts_s >= self._give_up_s:
            raise GaveUp(f"{asked}: nothing but 429 for {lasts_s:,.0f} s, {self._limit}: {_quota(reply)}")

    @property
    def _limit(self) -> str:
        return f"and limits.give_up_after is {self._give_up_s:,.0f} s"


def _quota(reply: Response) -> str:
    said = parse_error_body(reply.body, reply.status)
    named = [f"{name} {printable(value, 60)}" for name in _QUOTA_HEADERS if (value := reply.headers.get(name))]
    return f"429 {said.code}: {said.message}" + (f" ({', '.join(named)})" if named else "")
