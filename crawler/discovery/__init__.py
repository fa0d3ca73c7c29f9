"""Where repository names come from, each source with its evidence of completeness."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from crawler.discovery.pending import PendingName
from crawler.model.record import Listing
from crawler.model.run_manifest import Evidence

Page = Mapping[str, Listing | None]
"""Names, unchecked. Each has its listing where the source knows that too; None where the registry has to be asked."""


class Discovery(Protocol):
    """A source of names: pages of them, each name once; then the evidence that there are no others."""

    @property
    def method(self) -> str: ...

    @property
    def requires_all_listings(self) -> bool:
        """Whether every name has to be listed, even if the filters leave it out: other names depend on the listing."""

    def pages(self) -> AsyncIterator[Page]:
        """The names, in the order of the source. Raises CrawlerError where there is no first page."""

    def pending(self, name: str) -> PendingName:
        """A context for a name that this source yielded without its listing; in it the name is listed."""

    @property
    def pages_read(self) -> int: ...

    @property
    def evidence(self) -> Evidence:
        """Why the pages ended. Read it after the last page."""
