"""Two questions to one registry: its repositories, page by page, and a repository's listing."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from crawler.auth.basic import Authorization
from crawler.errors import Denied, MalformedReply, Missing, RegistryError, UnexpectedStatus, UnusableReply
from crawler.model import Evidence, Listing, RepositoryName
from crawler.transport.fetch import Transport
from crawler.transport.messages import Reply, Request
from crawler.wire.catalog import read_catalog
from crawler.wire.fault import read_fault
from crawler.wire.link import next_address, next_link
from crawler.wire.tags import merge_listings, read_listing

CATALOG_SCOPE: Final = "registry:catalog:*"

MAX_PAGES: Final = 100_000
"""Where a list stops being believed: a hundred million names at a thousand a page."""

GOOGLE_ENTRIES_LIMIT: Final = 10_000
"""From this many entries on Google's Docker API leaves some out without a word (its quota page says so)."""

_SMALLER_PAGES: Final = (1000, 100, 10)
_REFUSED_SIZE: Final = frozenset({400, 405, 413})
_TOO_MUCH_WORK: Final = frozenset({502, 504})

T = TypeVar("T")


class Trail:
    """The way along a list's pages, kept from leading in circles; `evidence` tells in the end why it ended.

    `skipped` counts entries that were no strings.
    """

    def __init__(self) -> None:
        self.pages = 0
        self.skipped = 0
        self.seen: set[str] = set()
        self.evidence = Evidence(complete=False, text="the list was not read to its end")
        self._addresses: set[str] = set()

    def follow(self, address: str, reply: Reply, entries: Sequence[str], skipped: int = 0) -> str | None:
        """The address behind the page that came from `address`, or None at the end.

        The page held `entries`, and `skipped` more that were no strings.
        """
        self.pages += 1
        self.skipped += skipped
        following = self._behind(address, reply, entries, skipped)
        if isinstance(following, Evidence):
            self.evidence = following
            return None
        return following

    def _behind(self, address: str, reply: Reply, entries: Sequence[str], skipped: int) -> str | Evidence:
        try:
            link = next_link(reply.headers.getall("Link", ()))
            following = None if link is None else next_address(link, address)
        except MalformedReply as fault:
            return Evidence(complete=False, text=str(fault))
        if following is None:
            return Evidence(complete=True, text="no next link" + self._unless_cut(address, len(entries)))
        if not entries and not skipped:
            return Evidence(complete=True, text="an empty last page")
        self._addresses.add(address)
        known = len(self.seen)
        self.seen.update(entries)
        if len(self.seen) == known:
            return Evidence(complete=False, text=f"page {self.pages} brought nothing new, and led on")
        if following in self._addresses:
            return Evidence(complete=False, text=f"the next link of page {self.pages} leads back to an earlier page")
        if self.pages >= MAX_PAGES:
            return Evidence(complete=False, text=f"no end after {self.pages} pages")
        return following

    def _unless_cut(self, address: str, entries: int) -> str:
        """A registry that never named a next page may have stopped at the size that was asked for."""
        cut = self.pages == 1 and f"n={entries}" in address.partition("?")[2].split("&")
        return f", though it told the {entries:,} entries that were asked for and no more" if cut else ""


class Registry:
    """One registry as we may see it. Every question raises RegistryError; CredentialsError where we are nobody."""

    def __init__(self, base: str, authorization: Authorization, transport: Transport, *, page_size: int) -> None:
        self._base = base
        self._authorization = authorization
        self._transport = transport
        self._page_size = page_size

    async def catalog(self, trail: Trail) -> AsyncIterator[list[str]]:
        """The names of all repositories (distribution-spec, "Listing Repositories"): unchecked, and each of them once.

        Each page is yielded before the next is asked for. `trail` is the caller's, to read its evidence in the end.
        """
        address, reply = await self._first_catalog_page()
        while True:
            page = _read(read_catalog, address, reply)
            fresh = [name for name in page.names if name not in trail.seen]
            following = trail.follow(address, reply, page.names, skipped=page.skipped)
            yield fresh
            if following is None:
                return
            address, reply = following, await self._ask(following, CATALOG_SCOPE)

    async def listing(self, name: RepositoryName) -> Listing:
        """The repository's tags, and what else its registry tells with them (distribution-spec, "Listing Tags")."""
        address: str | None = f"{self._base}{name}/tags/list"
        scope = f"repository:{name}:pull"
        trail = Trail()
        pages = []
        while address is not None:
            reply = await self._ask(address, scope)
            page = _read(read_listing, address, reply)
            pages.append(page)
            address = trail.follow(address, reply, page.tags or [image.digest for image in page.images or ()])
        listing = merge_listings(pages)
        doubt = _doubt(listing, trail.evidence)
        return listing if doubt is None else replace(listing, suspect=doubt)

    async def _first_catalog_page(self) -> tuple[str, Reply]:
        """The first page and its address, of the largest size that the registry grants."""
        size: int | None = self._page_size
        while True:
            address = f"{self._base}_catalog" + ("" if size is None else f"?n={size}")
            try:
                return address, await self._ask(address, CATALOG_SCOPE)
            except UnexpectedStatus as refusal:
                if size is None or refusal.http_status not in _REFUSED_SIZE | _TOO_MUCH_WORK:
                    raise
                size = _smaller(size, refusal)

    async def _ask(self, address: str, scope: str) -> Reply:
        header = await self._authorization.header(scope)
        reply = await self._transport.fetch(Request(url=address, authorization=header))
        if reply.status == 401:
            renewed = await self._authorization.renewed(scope, header)
            if renewed is not None:
                reply = await self._transport.fetch(Request(url=address, authorization=renewed))
        if reply.status != 200:
            raise _refusal(address, reply)
        return reply


def _smaller(size: int, refusal: UnexpectedStatus) -> int | None:
    """The next page size to try. One refused as too large goes down to none at all, one too hard to make to ten."""
    smaller = next((s for s in _SMALLER_PAGES if s < size), None)
    return None if smaller == _SMALLER_PAGES[-1] and refusal.http_status in _REFUSED_SIZE else smaller


def _doubt(listing: Listing, evidence: Evidence) -> str | None:
    if not evidence.complete:
        return evidence.text
    entries = max(len(listing.tags), len(listing.images or ()))
    if listing.images is not None and entries >= GOOGLE_ENTRIES_LIMIT:
        return f"{entries} entries and no next link"
    return listing.suspect


def _read(reader: Callable[[bytes], T], address: str, reply: Reply) -> T:
    try:
        return reader(reply.body)
    except MalformedReply as fault:
        raise UnusableReply(
            Request(url=address).asked, code="MALFORMED", message=str(fault), http_status=reply.status
        ) from None


def _refusal(address: str, reply: Reply) -> RegistryError:
    kinds: dict[int, type[RegistryError]] = {401: Denied, 403: Denied, 404: Missing}
    said = read_fault(reply.body, reply.status)
    kind = kinds.get(reply.status, UnexpectedStatus)
    return kind(Request(url=address).asked, code=said.code, message=said.message, http_status=reply.status)
