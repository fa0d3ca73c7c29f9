"""Refusals of the same credentials in a row, after which asking on only does harm."""

from typing import Final

from crawler.errors import CrawlerError, GaveUp

MAX_REFUSALS: Final = 10
"""GitLab bans an address for an hour after thirty."""


class LockoutGuard:
    """Counts refusals between two grants."""

    def __init__(self) -> None:
        self._count = 0

    def on_success(self) -> None:
        self._count = 0

    def on_failure(self, error: CrawlerError) -> None:
        """Raises GaveUp at the last refusal that is bearable."""
        self._count += 1
        if self._count >= MAX_REFUSALS:
            raise GaveUp(
                f"the credentials were refused {MAX_REFUSALS} times in a row, and are tried no more; last: {error}"
            )
