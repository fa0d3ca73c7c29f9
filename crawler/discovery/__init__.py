"""Where repository names come from, each source with its evidence of completeness."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from crawler.errors import CrawlerError
from crawler.model.record import Listing
from crawler.model.run_manifest import Evidence

ListResult = Listing | CrawlerError
"""What came of asking for a repository's listing."""


Page = Mapping[str, Listing | None]
"""Names, unchecked, each with its listing where the source tells that too; None leaves it to be asked for."""


class Discovery(Protocol):
    """A source of names: pages of them, each name once; then the evidence that these were all."""

    @property
    def method(self) -> str: ...

    @property
    def requires_all_listings(self) -> bool:
        """Whether a name is asked about even if its record is not wanted, for what lies below it."""

    def pages(self) -> AsyncIterator[Page]:
        """The names, in the order of their source. Raises CrawlerError where not even a first page can be had."""

    def on_listed(self, name: str, answer: ListResult) -> bool:
        """Hear what the registry answered about a name that was told without its listing.

        Returns whether it is a repository, and gets a record.
        """

    @property
    def pages_read(self) -> int: ...

    @property
    def evidence(self) -> Evidence:
        """Why the pages ended; to be read after they have."""
