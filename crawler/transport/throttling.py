"""Throttling that does not pass: a quota that is used up for longer than a run waits."""

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
"""Headers in which registries name the quota: Docker Hub's `100;w=21600` is a hundred pulls in six hours."""


class ThrottlingWatch:
    """Ends a run whose registry answers nothing but 429, or asks for a longer pause than the run may wait.

    The limiter slows down for throttling that passes; this is for throttling that does not. Docker Hub's quota of 100
    pulls in six hours is the usual case: a run that waits for it would sleep in its pod until the next one starts.
    """

    def __init__(self, give_up_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`give_up_s` is how many seconds throttling may last."""
        self._give_up_s = give_up_s
        self._clock = clock
        self._since: dict[Party, float] = {}

    @property
    def is_on(self) -> bool:
        """Whether any party's last answer was 429."""
        return bool(self._since)

    def on_answered(self, party: Party) -> None:
        """The party answered something else than 429."""
        self._since.pop(party, None)

    def on_throttled(self, party: Party, request: str, response: Response) -> None:
        """The party answered 429. Raises GaveUp where waiting does not help; `request` names the request in it."""
        now = self._clock()
        lasted_s = now - self._since.setdefault(party, now)
        pause_s = parse_retry_after(response.headers.get, response.body, datetime.now(UTC)) or 0.0
        if pause_s > self._give_up_s:
            raise GaveUp(f"{request}: asks for a pause of {pause_s:,.0f} s, {self._limit}: {_quota(response)}")
        if lasted_s >= self._give_up_s:
            raise GaveUp(f"{request}: nothing but 429 for {lasted_s:,.0f} s, {self._limit}: {_quota(response)}")

    @property
    def _limit(self) -> str:
        return f"and limits.give_up_after is {self._give_up_s:,.0f} s"


def _quota(response: Response) -> str:
    parsed = parse_error_body(response.body, response.status)
    headers = [f"{name} {printable(value, 60)}" for name in _QUOTA_HEADERS if (value := response.headers.get(name))]
    return f"429 {parsed.code}: {parsed.message}" + (f" ({', '.join(headers)})" if headers else "")
