"""Names from the registry's own catalog."""

from collections.abc import AsyncIterator

from crawler.discovery import Answer, Page
from crawler.errors import RegistryError
from crawler.model import Evidence
from crawler.registry import Registry, Trail


class CatalogDiscovery:
    """The catalog, page by page. One that breaks off after its first page still counts for what it told."""

    method = "catalog"
    looks_inside = False

    def __init__(self, registry: Registry, *, empty_means: str = "") -> None:
        """`empty_means` says what an empty catalog tells, where it does not tell that there is nothing."""
        self._registry = registry
        self._empty_means = empty_means
        self._trail = Trail()
        self._names = 0
        self._broken: RegistryError | None = None

    async def pages(self) -> AsyncIterator[Page]:
        try:
            async for names in self._registry.catalog(self._trail):
                self._names += len(names)
                yield dict.fromkeys(names)
        except RegistryError as fault:
            if self.pages_read == 0:
                raise
            self._broken = fault

    def heard(self, name: str, answer: Answer) -> bool:  # noqa: ARG002  (its source said what is a repository)
        return True

    @property
    def pages_read(self) -> int:
        return self._trail.pages

    @property
    def evidence(self) -> Evidence:
        pages = "1 page" if self.pages_read == 1 else f"{self.pages_read:,} pages"
        told = f"the catalog told {self._names:,} names on {pages}"
        if self._trail.skipped:
            told += f" and held {self._trail.skipped:,} entries that are no names"
        if self._broken is not None:
            return Evidence(complete=False, text=f"{told}, then failed: {self._broken}")
        if self._names == 0 and self._empty_means:
            return Evidence(complete=False, text=self._empty_means)
        return Evidence(complete=self._trail.evidence.complete, text=f"{told}: {self._trail.evidence.text}")
