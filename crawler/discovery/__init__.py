"""Where repository names come from, each source with its evidence of completeness."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from crawler.errors import CrawlerError
from crawler.model import Evidence, Listing

Answer = Listing | CrawlerError
"""What came of asking for a repository's listing."""


class Discovery(Protocol):
    """A source of names: pages of them, each name once and unchecked; then the evidence that these were all."""

    method: str
    looks_inside: bool
    """Whether a name is asked about even if its record is not wanted, for what lies below it."""

    def pages(self) -> AsyncIterator[Sequence[str]]:
        """The names, in the order of their source. Raises CrawlerError where not even a first page can be had."""

    def heard(self, name: str, answer: Answer) -> bool:
        """Hear what the registry answered about a name. Returns whether it is a repository, and gets a record."""

    @property
    def pages_read(self) -> int: ...

    @property
    def evidence(self) -> Evidence:
        """Why the pages ended; to be read after they have."""
