"""The limit on refused credentials: after so many refusals in a row, further requests only do harm.

GitLab answers thirty failed token requests within three minutes with a ban of the IP address for an hour (its setting
"failed authentication ban"), and account lockout policies of company directories are stricter. A run whose password
has expired must therefore stop by itself, well before the registry locks out everything behind the same address.
"""

from typing import Final

from crawler.errors import CrawlerError, GaveUp

MAX_REFUSALS: Final = 10
"""Refusals in a row that end the run: a third of what GitLab tolerates, since other clients may share the address."""


class LockoutGuard:
    """Counts the refusals in a row of one set of credentials by one issuer of tokens."""

    def __init__(self) -> None:
        self._refusals = 0

    def on_success(self) -> None:
        self._refusals = 0

    def on_failure(self, error: CrawlerError) -> None:
        """Count a refusal. Raises GaveUp at MAX_REFUSALS in a row."""
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS:
            raise too_many_refusals(error)


def too_many_refusals(last: CrawlerError) -> GaveUp:
    """The error that ends the run; `last` is the latest refusal."""
    return GaveUp(f"the credentials were refused {MAX_REFUSALS} times in a row; last: {last}")
