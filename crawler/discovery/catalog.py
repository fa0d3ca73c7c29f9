"""Names from the registry's own catalog (`/v2/_catalog`)."""

from collections.abc import AsyncIterator

from crawler.discovery.pending import UNREPORTED, PendingName
from crawler.errors import RegistryError
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence
from crawler.registry.registry import Registry


class CatalogDiscovery:
    """The names of the catalog, page by page.

    If a later page fails, the names of the earlier pages are kept, and the evidence is incomplete.
    """

    method = "catalog"
    requires_all_listings = False

    def __init__(self, registry: Registry, *, empty_catalog_note: str = "") -> None:
        """`empty_catalog_note` says why an empty catalog of this registry proves nothing; "" where it does.

        Google's hosts have returned an empty catalog to accounts that may pull images
        (GoogleCloudPlatform/gcr-cleaner#80, #112; goharbor/harbor#18981).
        """
        self._pager = registry.catalog()
        self._empty_catalog_note = empty_catalog_note
        self._names = 0
        self._skipped = 0
        self._failure: RegistryError | None = None

    async def pages(self) -> AsyncIterator[NamePage]:
        first = await self._pager.first_page()
        try:
            async for page, fresh in self._pager.pages_from(first):
                self._names += len(fresh)
                self._skipped += page.skipped
                yield dict.fromkeys(fresh)
        except RegistryError as exc:
            self._failure = exc

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return UNREPORTED

    @property
    def pages_read(self) -> int:
        return self._pager.pages_read

    @property
    def evidence(self) -> Evidence:
        listed = f"the catalog listed {_quantity(self._names, 'name')} on {_quantity(self.pages_read, 'page')}"
        if self._skipped:
            were = "entry was not a string" if self._skipped == 1 else "entries were not strings"
            listed += f"; {self._skipped:,} {were}"
        if self._failure is not None:
            return Evidence(complete=False, text=f"{listed}, then failed: {self._failure}")
        if self._names == 0 and self._empty_catalog_note:
            return Evidence(complete=False, text=self._empty_catalog_note)
        end = self._pager.evidence
        return Evidence(complete=end.complete and not self._skipped, text=f"{listed}: {end.text}")


def _quantity(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
