"""How long a registry asks us to stay away: `Retry-After` (RFC 9110 §10.2.3), or GHCR's words in the body."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# GHCR: "retry-after: 10.305464ms, allowed: 2000/minute", a duration as Go prints it
_WORDS = re.compile(r"(?i:retry-after):\s*((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s|µs|us|ns))+)")
_PART = re.compile(r"([0-9.]+)(h|ms|m|s|µs|us|ns)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_BODY_READ: Final = 2048
_A_MOMENT: Final = 1e9
"""From here on a number is a moment, and no delay: thirty years of it."""


def parse_retry_after(value: str | None, body: bytes, now: datetime) -> float | None:
    """Seconds from `now` on, never below 0; None where nothing that can be read asks for any."""
    said = None if value is None else _header_seconds(value.strip(), now)
    return _body_seconds(body) if said is None else said


def _header_seconds(value: str, now: datetime) -> float | None:
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
        # Docker Hub writes the moment in seconds since 1970 (docker/hub-feedback#2459)
        return seconds if seconds < _A_MOMENT else max(0.0, seconds - now.timestamp())
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": a moment in UTC, whose place is unknown
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _body_seconds(body: bytes) -> float | None:
    words = _WORDS.search(body[:_BODY_READ].decode("utf-8", "replace"))
    if words is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(words[1]))
