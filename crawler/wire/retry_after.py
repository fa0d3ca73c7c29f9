"""How long a client should wait: the header `Retry-After` (RFC 9110 §10.2.3), or what services send in place of it.

- GHCR: a sentence in the body.
- Docker Hub's API: `X-Retry-After`, in seconds since 1970 (https://docs.docker.com/reference/api/hub/latest/).
- GitHub, GitLab and others: `X-RateLimit-Remaining: 0` with `X-RateLimit-Reset`, in seconds since 1970
  (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api); GitLab without the `X-`
  (https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# GHCR has no header, but a body that ends "retry-after: 10.305464ms, allowed: 2000/minute": a duration as Go prints it
# (golang/go, time.Duration.String).
_SENTENCE: Final = re.compile(r"(?i:retry-after):\s*((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s|µs|us|ns))+)")
_PART: Final = re.compile(r"([0-9.]+)(h|ms|m|s|µs|us|ns)")
_UNIT_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_MAX_BODY_BYTES: Final = 2048
"""Bytes of a body in which the sentence is looked for."""

_NUMBER: Final = re.compile(r"\s*([0-9]{1,18})(?:\.[0-9]{1,9})?\s*")

_LONGEST_UNIX_TIME: Final = 10
"""Digits of a time in seconds since 1970, until 2286. A longer number is in milliseconds."""

_MIN_UNIX_TIME: Final = 1e9
"""From here on (in seconds: 32 years) a number is not a delay, but a time since 1970."""


def parse_retry_after(header: Callable[[str], str | None], body: bytes, now: datetime) -> float | None:
    """The seconds to wait from `now` on, never below 0. None where neither headers nor body name a delay.

    `header` returns the value of a header.
    """
    value = header("Retry-After") or header("X-Retry-After")
    delay = None if value is None else _header_delay(value.strip(), now)
    delay = _body_delay(body) if delay is None else delay
    return parse_spent_quota(header, now) if delay is None else delay


def parse_spent_quota(header: Callable[[str], str | None], now: datetime) -> float | None:
    """The seconds until a quota starts afresh, where the headers say that nothing is left of it; else None."""
    for prefix in ("X-RateLimit", "RateLimit"):
        remaining, reset = (_NUMBER.fullmatch(header(f"{prefix}-{name}") or "") for name in ("Remaining", "Reset"))
        if remaining is not None and reset is not None and int(remaining[1]) == 0:
            return _header_delay(reset[1][:-3] if len(reset[1]) > _LONGEST_UNIX_TIME else reset[1], now)
    return None


def _header_delay(value: str, now: datetime) -> float | None:
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
        # Docker Hub sends the time in seconds since 1970 (docker/hub-feedback#2459).
        return seconds if seconds < _MIN_UNIX_TIME else max(0.0, seconds - now.timestamp())
    try:
        time = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if time.tzinfo is None:  # "-0000": a time in UTC of which the time zone is not known (RFC 5322 §3.3)
        time = time.replace(tzinfo=UTC)
    return max(0.0, (time - now).total_seconds())


def _body_delay(body: bytes) -> float | None:
    sentence = _SENTENCE.search(body[:_MAX_BODY_BYTES].decode("utf-8", "replace"))
    if sentence is None:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(sentence[1]))
