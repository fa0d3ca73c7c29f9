"""Who lists a repository: the product's own API, or the protocol where the API cannot."""

from collections.abc import Iterable
from functools import partial

from crawler.model.names import RepositoryName
from crawler.model.record import Listing
from crawler.model.words import repositories
from crawler.registry.registry import Registry
from crawler.vendors.api import ImagesApi
from crawler.vendors.availability import Availability


class ApiLister:
    """Lists the repositories of one run by an API. What the API refuses, the protocol lists."""

    def __init__(self, api: ImagesApi, registry: Registry, label: str) -> None:
        """`label` names the API for people."""
        self._api = api
        self._registry = registry
        self._label = label
        self._availability = Availability()
        self._listed = self._empty = self._by_protocol = 0

    def prefetch_hint(self, names: Iterable[RepositoryName]) -> None:
        """Announce the names that will be listed next: they need tokens of the registry once the API is closed."""
        if self._availability.is_closed:
            self._registry.prefetch_hint(names)

    async def list_tags(self, name: RepositoryName) -> Listing:
        """The listing of a repository. Raises what `Registry.list_tags` raises.

        A listing without a tag and an image proves nothing: the protocol is asked, which knows an empty repository from
        one that does not exist.
        """
        listing = await self._availability.ask(name, partial(self._api.listing, name))
        if listing is not None and (listing.tags or listing.images):
            self._listed += 1
            return listing
        self._empty += listing is not None
        self._by_protocol += 1
        by_protocol = await self._registry.list_tags(name)
        if listing is None or not by_protocol.tags or by_protocol.suspect is not None:
            return by_protocol
        suspect = f"{self._label} lists none of the {len(by_protocol.tags):,} tags of tags/list"
        return by_protocol.replace(suspect=suspect)

    @property
    def note(self) -> str:
        """What the operator should know of the API; "" where it listed everything."""
        if not self._by_protocol:
            return ""
        api, causes = self._availability, []
        if api.refused:
            closed = " and was not asked again" if api.is_closed else ""
            causes.append(f"the API refused {api.refused:,}{closed}, for example {api.example}")
        if self._empty:
            causes.append(f"the API found nothing in {self._empty:,}")
        by = f"{self._label} listed {repositories(self._listed)}, and the protocol {self._by_protocol:,}"
        return f"{by}: {'; '.join(causes)}"
