"""Where repository names come from, each source with its evidence of completeness."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from crawler.model import Evidence


class Discovery(Protocol):
    """A source of names: pages of them, each name once and unchecked; then the evidence that these were all."""

    method: str

    def pages(self) -> AsyncIterator[Sequence[str]]:
        """The names, in the order of their source. Raises CrawlerError where not even a first page can be had."""

    @property
    def pages_read(self) -> int: ...

    @property
    def evidence(self) -> Evidence:
        """Why the pages ended; to be read after they have."""
