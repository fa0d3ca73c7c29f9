"""Names from the registry's own catalog."""

from collections.abc import AsyncIterator

from crawler.discovery import Page
from crawler.discovery.pending import REPOSITORY, PendingName
from crawler.errors import RegistryError
from crawler.model.run_manifest import Evidence
from crawler.registry.registry import Registry


class CatalogDiscovery:
    """The catalog, page by page. One that breaks off after its first page still counts for what it listed."""

    method = "catalog"
    requires_all_listings = False

    def __init__(self, registry: Registry, *, empty_means: str = "") -> None:
        """`empty_means` says what an empty catalog tells, where it does not tell that there is nothing."""
        self._pager = registry.catalog()
        self._empty_means = empty_means
        self._names = 0
        self._skipped = 0
        self._broken: RegistryError | None = None

    async def pages(self) -> AsyncIterator[Page]:
        first = await self._pager.first_page()
        try:
            async for page, fresh in self._pager.pages_from(first):
                self._names += len(fresh)
                self._skipped += page.skipped
                yield dict.fromkeys(fresh)
        except RegistryError as exc:
            self._broken = exc

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return REPOSITORY

    @property
    def pages_read(self) -> int:
        return self._pager.pages_read

    @property
    def evidence(self) -> Evidence:
        listed = f"the catalog listed {_count_of(self._names, 'name')} on {_count_of(self.pages_read, 'page')}"
        if self._skipped:
            were = "entry was not a string" if self._skipped == 1 else "entries were not strings"
            listed += f"; {self._skipped:,} {were}"
        if self._broken is not None:
            return Evidence(complete=False, text=f"{listed}, then failed: {self._broken}")
        if self._names == 0 and self._empty_means:
            return Evidence(complete=False, text=self._empty_means)
        end = self._pager.evidence
        return Evidence(complete=end.complete and not self._skipped, text=f"{listed}: {end.text}")


def _count_of(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
