"""Docker Hub's limit on pulls, in its headers `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.

(https://docs.docker.com/docker-hub/usage/pulls/)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullsLeft:
    """How many pulls are left, of how many. `limit` is None where only the rest is told."""

    remaining: int
    limit: int | None


def parse_pulls_left(remaining: str | None, limit: str | None) -> PullsLeft | None:
    """Parse the values of the two headers. None where nothing usable is told."""
    raise NotImplementedError
