"""Where repository names come from. Each source yields pages of names, then the evidence that the names are complete.

`catalog`, `api`, `walk`, `artifact_registry` and `name_list` are the sources; `fallback` tries several of them.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from crawler.discovery.pending import PendingName
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence


class Discovery(Protocol):
    """A source of names. It yields each name once, in pages, and then has evidence that there are no other names."""

    @property
    def method(self) -> str:
        """The discovery method, as `_run.json` and `--discovery` name it."""

    @property
    def requires_all_listings(self) -> bool:
        """Whether every name has to be listed, even a name that the filters exclude.

        True where the listing of one name yields other names, as in Google's folders.
        """

    def pages(self) -> AsyncIterator[NamePage]:
        """The pages of names, in the order of the source. Raises CrawlerError if there is no first page."""

    def pending(self, name: str) -> PendingName:
        """A context in which the caller lists a name that `pages` yielded without its listing."""

    @property
    def pages_read(self) -> int:
        """How many pages the source has read so far."""

    @property
    def evidence(self) -> Evidence:
        """Why `pages` ended, and whether that proves that the names are complete. Valid after the last page."""
