"""One registry: its repositories, page by page, and the tags of a repository."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from crawler.auth.credentials import CATALOG_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import UnexpectedStatus
from crawler.model.names import RepositoryName
from crawler.model.record import Listing
from crawler.registry.page_size import GATEWAY_FAILED, SIZE_REFUSED, PageSizer
from crawler.registry.pager import FetchedPage, Pager
from crawler.transport.messages import Headers, Purpose
from crawler.wire.catalog import CatalogPage, parse_catalog
from crawler.wire.tags import ListingPage, lengths_of, merge_listings, parse_listing

GOOGLE_ENTRIES_LIMIT: Final = 10_000
"""From this many entries on, Google's Docker API silently leaves some out.

(https://cloud.google.com/artifact-registry/quotas; google/go-containerregistry#1643, where crane asks for n=10000.)
"""


class Registry:
    """One registry, as the client's credentials see it.

    Every request raises RegistryError, CredentialsError, or GaveUp; see `AuthenticatedClient.get`.
    """

    def __init__(
        self, base_url: str, client: AuthenticatedClient, *, catalog_page_size: int, tags_page_size: int | None = None
    ) -> None:
        """`base_url` is the URL of the registry's API, with a slash at its end.

        A page size is the largest that is requested; where the registry refuses it, smaller ones follow. Where
        `tags_page_size` is None, tags are requested without a size.
        """
        self._base_url = base_url
        self._client = client
        self._catalog_sizer = PageSizer(catalog_page_size, SIZE_REFUSED | GATEWAY_FAILED)
        # A 502 or 504 says that the page was too large only where a page can be large: in the catalog, or where all
        # tags come at once. Where tags come in pages it is an ordinary failure, which a smaller page would not help.
        self._tags_sizer = PageSizer(
            tags_page_size, SIZE_REFUSED | (GATEWAY_FAILED if tags_page_size is None else frozenset())
        )

    def catalog(self) -> Pager[CatalogPage]:
        """A pager over the names of all repositories (distribution-spec, "Listing Repositories"), unchecked."""

        async def read(url: str) -> tuple[Headers, CatalogPage]:
            return await self._client.get(url, CATALOG_SCOPE, parse_catalog, Purpose.CATALOG)

        return Pager(f"{self._base_url}_catalog", read, self._catalog_sizer)

    def prefetch_hint(self, names: Iterable[RepositoryName]) -> None:
        """Announce the names whose tags will be listed next, in this order, so that one token can serve several."""
        self._client.authenticator.prefetch(f"repository:{name}:pull" for name in names)

    async def list_tags(self, name: RepositoryName) -> Listing:
        """The repository's tags (distribution-spec, "Listing Tags"), and from Google also its images and children.

        `suspect` says why the listing may be incomplete.
        """
        url, scope, parse = f"{self._base_url}{name}/tags/list", f"repository:{name}:pull", partial(parse_listing, name)
        size = self._tags_sizer.current
        sized = url if size is None else f"{url}?n={size}"
        try:
            headers, listing = await self._client.get(sized, scope, parse)
        except UnexpectedStatus as exc:
            pager = self._tags_pager(url, scope, parse)
            return await _remaining_pages(pager, await pager.smaller_first_page(sized, exc))
        # Nearly every listing is one page that is not full. It needs no pager, whose work would be felt in each
        # exchange.
        if "Link" not in headers:
            lengths = lengths_of(listing)
            if listing.images is not None and max(lengths) >= GOOGLE_ENTRIES_LIMIT:
                # A further request would prove nothing: the limit is that of the whole API, not that of a page.
                return listing.replace(suspect=f"{max(lengths):,} entries and no next link")
            if size is None or size not in lengths:
                return listing
        first = FetchedPage(sized, headers, ListingPage(listing))
        return await _remaining_pages(self._tags_pager(url, scope, parse), first)

    def _tags_pager(self, url: str, scope: str, parse: Callable[[bytes], Listing]) -> Pager[ListingPage]:
        async def read(url: str) -> tuple[Headers, ListingPage]:
            headers, listing = await self._client.get(url, scope, parse)
            return headers, ListingPage(listing)

        return Pager(url, read, self._tags_sizer)


async def _remaining_pages(pager: Pager[ListingPage], first: FetchedPage[ListingPage]) -> Listing:
    """The listing on all pages. `suspect` says why it may be incomplete."""
    listing = merge_listings([page.listing async for page, _ in pager.pages_from(first)])
    return listing if pager.evidence.complete else listing.replace(suspect=pager.evidence.text)
