"""Names from the product's own API."""

from collections.abc import AsyncIterator

from crawler.discovery.pending import UNREPORTED, PendingName
from crawler.errors import CredentialsError, GaveUp, RegistryError
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence
from crawler.vendors.api import NamesApi


class ApiDiscovery:
    """The names that an API lists, each once. A page that does not come makes the names incomplete.

    Where the first page does not come, `pages` raises what the API raised: RegistryError, CredentialsError or GaveUp.
    """

    requires_all_listings = False

    def __init__(self, method: str, names: NamesApi, *, keeps_listings: bool) -> None:
        """`method` is the name of this source. `keeps_listings`: listings that come with their names are recorded."""
        self.method = method
        self._api = names
        self._keeps_listings = keeps_listings
        self._names: set[str] = set()
        self._failure: RegistryError | CredentialsError | GaveUp | None = None
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[NamePage]:
        try:
            async for page in self._api.pages():
                self.pages_read += 1
                fresh = {name: listing for name, listing in page.items() if name not in self._names}
                self._names.update(fresh)
                yield fresh if self._keeps_listings else dict.fromkeys(fresh)
        except (RegistryError, CredentialsError, GaveUp) as exc:
            if self.pages_read == 0:
                raise
            self._failure = exc

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return UNREPORTED

    @property
    def evidence(self) -> Evidence:
        evidence = self._api.evidence(len(self._names))
        if self._failure is None:
            return evidence
        return Evidence(complete=False, text=f"{evidence.text}, then failed: {self._failure}")
