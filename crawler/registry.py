"""Two questions to one registry: its repositories, page by page, and a repository's listing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from crawler.auth.basic import CATALOG_SCOPE
from crawler.errors import MalformedReply, UnexpectedStatus
from crawler.inquiry import Inquiry
from crawler.model import Evidence, Listing, RepositoryName
from crawler.transport.messages import Headers, Purpose, Request
from crawler.wire.catalog import CatalogPage, read_catalog
from crawler.wire.link import next_address, next_link, with_page_size
from crawler.wire.tags import merge_listings, read_listing

T = TypeVar("T")
_ReadPage = Callable[[str], Awaitable[tuple[Headers, T]]]

MAX_PAGES: Final = 100_000
"""Where a list stops being believed: a hundred million names at a thousand a page."""

GOOGLE_ENTRIES_LIMIT: Final = 10_000
"""From this many entries on Google's Docker API leaves some out without a word (its quota page says so)."""

_SMALLER_PAGES: Final = (1000, 100, 5)
_REFUSED_SIZE: Final = frozenset({400, 405, 413})
_TOO_MUCH_WORK: Final = frozenset({502, 504})


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

    def follow(self, address: str, headers: Headers, entries: Sequence[str], skipped: int = 0) -> str | None:
        """The address behind the page that came from `address`, or None at the end.

        The page held `entries`, and `skipped` more that were no strings.
        """
        self.pages += 1
        self.skipped += skipped
        following = self._behind(address, headers, entries, skipped)
        if isinstance(following, Evidence):
            self.evidence = following
            return None
        return following

    def _behind(self, address: str, headers: Headers, entries: Sequence[str], skipped: int) -> str | Evidence:
        try:
            link = next_link(headers.getall("Link", ()))
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


class _PageSize:
    """How many entries of a list are asked for on a page; what one list teaches holds for all of its kind."""

    def __init__(self, granted: int | None, refusals: Collection[int]) -> None:
        """`refusals` are the statuses by which a first page says that it is too large."""
        self.granted = granted
        self.refusals = refusals


class Registry:
    """One registry as we may see it. Every question raises RegistryError; CredentialsError where we are nobody.

    `base` is the address of its API. Pages are asked for in sizes of `page_size` names and `tags_page` tags, or in
    smaller ones where the registry refuses; where `tags_page` is None, all tags come unasked.
    """

    def __init__(self, base: str, inquiry: Inquiry, *, page_size: int, tags_page: int | None = None) -> None:
        self._base = base
        self._inquiry = inquiry
        self._names = _PageSize(page_size, _REFUSED_SIZE | _TOO_MUCH_WORK)
        self._tags = _PageSize(tags_page, _REFUSED_SIZE)

    async def catalog(self, trail: Trail) -> AsyncIterator[list[str]]:
        """The names of all repositories (distribution-spec, "Listing Repositories"): unchecked, and each of them once.

        Each page is yielded before the next is asked for. `trail` is the caller's, to read its evidence in the end.
        """
        address, headers, page = await self._first(f"{self._base}_catalog", self._read_catalog, self._names)
        while True:
            fresh = [name for name in page.names if name not in trail.seen]
            following = trail.follow(address, headers, page.names, skipped=page.skipped)
            yield fresh
            if following is None:
                return
            address, headers, page = await self._next(following, self._read_catalog, self._names)

    async def _read_catalog(self, address: str) -> tuple[Headers, CatalogPage]:
        return await self._inquiry.ask(address, CATALOG_SCOPE, read_catalog, Purpose.CATALOG)

    def expect(self, names: Iterable[RepositoryName]) -> None:
        """Hear whose listings will be asked for, soon and in this order: one token may serve for many."""
        self._inquiry.authorization.expect(f"repository:{name}:pull" for name in names)

    async def listing(self, name: RepositoryName) -> Listing:
        """The repository's tags, and what else its registry tells with them (distribution-spec, "Listing Tags")."""
        address, scope = f"{self._base}{name}/tags/list", f"repository:{name}:pull"
        if self._tags.granted is None:
            headers, page = await self._inquiry.ask(address, scope, read_listing)
        else:
            address, headers, page = await self._first(address, self._reader_of(scope), self._tags)
        doubt = None if page.images is None and self._tags.granted is None else self._cut(page)
        if "Link" in headers:
            page, doubt = await self._read_on(address, scope, headers, page, doubt)
        return page if doubt is None else replace(page, suspect=doubt)

    async def _read_on(
        self, address: str, scope: str, headers: Headers, first: Listing, doubt: str | None
    ) -> tuple[Listing, str | None]:
        """The listing whose first page names others, and why it may not be whole: `doubt` is for the first alone."""
        pages = [first]
        trail = Trail()
        following = trail.follow(address, headers, _entries(first))
        while following is not None:
            headers, page = await self._inquiry.ask(following, scope, read_listing)
            pages.append(page)
            following = trail.follow(following, headers, _entries(page))
        if not trail.evidence.complete:
            doubt = trail.evidence.text
        elif len(pages) > 1:
            doubt = None
        return merge_listings(pages), doubt

    def _reader_of(self, scope: str) -> _ReadPage[Listing]:
        async def read(address: str) -> tuple[Headers, Listing]:
            return await self._inquiry.ask(address, scope, read_listing)

        return read

    async def _first(self, address: str, read: _ReadPage[T], size: _PageSize) -> tuple[str, Headers, T]:
        """A list's first page and its address, in the largest size that the registry grants."""
        tried = size.granted
        while True:
            sized = with_page_size(address, tried)
            try:
                headers, page = await read(sized)
            except UnexpectedStatus as refusal:
                if tried is None or not _is_about(sized, refusal, size.refusals):
                    raise
                tried = _smaller(tried, refusal)
            else:
                size.granted = tried
                return sized, headers, page

    async def _next(self, address: str, read: _ReadPage[T], size: _PageSize) -> tuple[str, Headers, T]:
        """The page of a next link, whose cursor stays as it is; made smaller only where it is too much work."""
        try:
            return address, *await read(address)
        except UnexpectedStatus as refusal:
            if size.granted is None or not _is_about(address, refusal, _TOO_MUCH_WORK):
                raise
            size.granted = _smaller(size.granted, refusal)
            return await self._first(address, read, size)

    def _cut(self, page: Listing) -> str | None:
        """Why a listing that names no next page may be one all the same."""
        tags, images = len(page.tags), len(page.images or ())
        if page.images is not None and max(tags, images) >= GOOGLE_ENTRIES_LIMIT:
            return f"{max(tags, images)} entries and no next link"
        if self._tags.granted is not None and self._tags.granted in {tags, images}:
            return f"{self._tags.granted} entries, as many as were asked for, and no next link"
        return None


def _is_about(address: str, refusal: UnexpectedStatus, statuses: Collection[int]) -> bool:
    """Whether it is the list that was refused, and not a token for it, with one of these statuses."""
    return refusal.http_status in statuses and refusal.asked == Request(url=address).asked


def _smaller(size: int, refusal: UnexpectedStatus) -> int | None:
    """The next page size to try. One refused as too large goes down to none at all, one too hard to make to five."""
    smaller = next((s for s in _SMALLER_PAGES if s < size), None)
    return None if smaller == _SMALLER_PAGES[-1] and refusal.http_status in _REFUSED_SIZE else smaller


def _entries(page: Listing) -> Sequence[str]:
    return page.tags or [image.digest for image in page.images or ()]
