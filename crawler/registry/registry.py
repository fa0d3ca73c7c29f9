"""Two questions to one registry: its repositories, page by page, and a repository's listing."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from crawler.auth.credentials import CATALOG_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import UnexpectedStatus
from crawler.model.names import RepositoryName
from crawler.model.record import Listing
from crawler.registry.pager import REFUSED_SIZE, TOO_MUCH_WORK, FetchedPage, Pager, PageSizer
from crawler.transport.messages import Headers, Purpose
from crawler.wire.catalog import CatalogPage, parse_catalog
from crawler.wire.tags import ListingPage, lengths_of, merge_listings, parse_listing

GOOGLE_ENTRIES_LIMIT: Final = 10_000
"""From this many entries on Google's Docker API leaves some out without a word (its quota page says so)."""


class Registry:
    """One registry as we may see it. Every question raises RegistryError, and CredentialsError without credentials.

    `base` is the address of its API. Pages are asked for in sizes of `page_size` names and `tags_page` tags, or in
    smaller ones where the registry refuses; where `tags_page` is None, all tags come unasked.
    """

    def __init__(self, base: str, client: AuthenticatedClient, *, page_size: int, tags_page: int | None = None) -> None:
        self._base = base
        self._client = client
        self._names = PageSizer(page_size, REFUSED_SIZE | TOO_MUCH_WORK)
        # all tags unasked can be more than a proxy waits for; a page of them is little work, and a 502 just a 502
        self._tags = PageSizer(tags_page, REFUSED_SIZE | (TOO_MUCH_WORK if tags_page is None else frozenset()))

    def catalog(self) -> Pager[CatalogPage]:
        """The names of all repositories (distribution-spec, "Listing Repositories"), unchecked."""

        async def read(url: str) -> tuple[Headers, CatalogPage]:
            return await self._client.get(url, CATALOG_SCOPE, parse_catalog, Purpose.CATALOG)

        return Pager(f"{self._base}_catalog", read, self._names)

    def prefetch_hint(self, names: Iterable[RepositoryName]) -> None:
        """Hear whose listings will be asked for, soon and in this order: one token may serve for many."""
        self._client.authenticator.prefetch(f"repository:{name}:pull" for name in names)

    async def list_tags(self, name: RepositoryName) -> Listing:
        """The repository's tags, and what else its registry tells with them (distribution-spec, "Listing Tags")."""
        url, scope, parse = f"{self._base}{name}/tags/list", f"repository:{name}:pull", partial(parse_listing, name)
        size = self._tags.size
        sized = url if size is None else f"{url}?n={size}"

        async def read(url: str) -> tuple[Headers, ListingPage]:
            headers, listing = await self._client.get(url, scope, parse)
            return headers, ListingPage(listing)

        try:
            headers, listing = await self._client.get(sized, scope, parse)
        except UnexpectedStatus as refusal:
            pager = Pager(url, read, self._tags)
            return await _remaining_pages(pager, await pager.smaller_first_page(sized, refusal))
        if "Link" not in headers:
            if listing.images is not None and max(lengths_of(listing)) >= GOOGLE_ENTRIES_LIMIT:
                return replace(listing, suspect=f"{max(lengths_of(listing)):,} entries and no next link")
            if size is None or size not in lengths_of(listing):
                return listing  # as nearly all are, without a pager's work
        return await _remaining_pages(Pager(url, read, self._tags), FetchedPage(sized, headers, ListingPage(listing)))


async def _remaining_pages(pager: Pager[ListingPage], first: FetchedPage[ListingPage]) -> Listing:
    """The whole listing, and why it may not be."""
    listing = merge_listings([page.listing async for page, _ in pager.pages_from(first)])
    return listing if pager.evidence.complete else replace(listing, suspect=pager.evidence.text)
