"""Docker Hub's limit on pulls, in its headers `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.

(https://docs.docker.com/docker-hub/usage/pulls/)
"""

import re
from dataclasses import dataclass
from typing import Final

_QUOTA: Final = re.compile(r"\s*([0-9]{1,18})\s*(?:[;,].*)?", re.DOTALL)
"""A number of pulls, and what may follow: the window in seconds, a second quota."""


PULL_LIMIT_SPENT: Final = "TOOMANYREQUESTS"
"""The code of the 429 that refuses a pull. The 429 for too many requests in a short time is plain text, without it."""


@dataclass(frozen=True, slots=True)
class PullsLeft:
    """How many pulls are left, of how many. `limit` is None where only `remaining` was sent."""

    remaining: int
    limit: int | None


def parse_pulls_left(remaining: str | None, limit: str | None) -> PullsLeft | None:
    """Parse the values of the two headers. None where `remaining` is not usable."""
    left = _parse_quota(remaining)
    return None if left is None else PullsLeft(left, _parse_quota(limit))


def _parse_quota(value: str | None) -> int | None:
    match = _QUOTA.fullmatch(value or "")
    return int(match[1]) if match else None
