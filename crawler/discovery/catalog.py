"""Names from the registry's own catalog."""

from collections.abc import AsyncIterator, Sequence

from crawler.discovery import Answer
from crawler.errors import RegistryError
from crawler.model import Evidence
from crawler.registry import Registry, Trail


class CatalogDiscovery:
    """The catalog, page by page. One that breaks off after its first page still counts for what it told."""

    method = "catalog"
    looks_inside = False

    def __init__(self, registry: Registry, *, empty_is_unknown: bool) -> None:
        """`empty_is_unknown`: an empty catalog tells nothing; so Google's hosts answer, to valid credentials."""
        self._registry = registry
        self._empty_is_unknown = empty_is_unknown
        self._trail = Trail()
        self._names = 0
        self._broken: RegistryError | None = None

    async def pages(self) -> AsyncIterator[Sequence[str]]:
        try:
            async for names in self._registry.catalog(self._trail):
                self._names += len(names)
                yield names
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
        if self._names == 0 and self._empty_is_unknown:
            return Evidence(complete=False, text="an empty catalog from a Google host means unknown, not none")
        return Evidence(complete=self._trail.evidence.complete, text=f"{told}: {self._trail.evidence.text}")
