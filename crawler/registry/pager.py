"""A list, page by page: its next links, the size of its pages, pages that are refused, and how it ended."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from enum import Enum, auto
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from crawler.errors import MalformedResponse, Missing, RegistryError, UnexpectedStatus
from crawler.model.run_manifest import Evidence
from crawler.transport.messages import Headers, Request
from crawler.wire.json_fields import NEXT_IN_BODY
from crawler.wire.link import (
    has_cursor,
    leads_to_the_beginning,
    next_link,
    next_url,
    page_size_of,
    with_cursor,
    with_page_size,
)

MAX_PAGES: Final = 100_000
"""Where a list stops being believed: a hundred million names at a thousand a page."""

MAX_EMPTY_PAGES: Final = 10
"""Empty pages in a row that lead on, where a list stops being believed."""

MAX_RETURNS: Final = 3
"""How often a list is taken up again behind a refused page, without one new entry in between."""

REFUSED_SIZE: Final = frozenset({400, 405, 413})
"""Statuses by which a registry says that it grants no pages of this size."""

TOO_MUCH_WORK: Final = frozenset({502, 504})
"""Statuses by which a proxy says that a page took the registry too long."""

_SMALLER_PAGES: Final = (1000, 100, 5)
_REFUSED_CURSOR: Final = frozenset({400, 404})

_USUAL_LIMITS: Final = frozenset({100, 1000, 10_000})
"""Where registries cut a list that is asked for without a size; go-containerregistry's does at 10,000."""

_UNREAD: Final = Evidence(complete=False, text="the list was not read to its end")


class Page(Protocol):
    """A page of a list, as the pager has to know it; see `CatalogPage` for what its properties are."""

    @property
    def entries(self) -> Sequence[str]: ...
    @property
    def ordered(self) -> Sequence[str]: ...
    @property
    def lengths(self) -> tuple[int, ...]: ...
    @property
    def names_next(self) -> bool: ...


P = TypeVar("P", bound=Page)


class _PageReason(Enum):
    """Why a page was asked for."""

    LINKED = auto()
    AFTER_FULL = auto()
    """What comes behind the last entry of a page that was full and named no next."""
    UNSIZED = auto()
    """Everything, in whatever pages the registry makes of its own accord."""


class FetchedPage(NamedTuple, Generic[P]):
    """A page, and the URL that it came from."""

    url: str
    headers: Headers
    page: P
    reason: _PageReason = _PageReason.LINKED


class PageSizer:
    """How many entries of a list are asked for on a page, None for as many as the registry likes.

    Shared by all lists of a kind: a size that one of them was refused is asked for no more. It never grows again,
    whichever of several lists that are read at once learns of it last.
    """

    def __init__(self, size: int | None, refusals: Collection[int]) -> None:
        """`refusals` are the statuses by which a first page says that it is too large."""
        self.refusals = refusals
        self.size = size

    def lower(self, size: int | None) -> None:
        if self.size is not None and (size is None or size < self.size):
            self.size = size

    def sized(self, url: str) -> str:
        """The URL of a list's first page."""
        return url if self.size is None else with_page_size(url, self.size)


class Pager(Generic[P]):
    """Reads one list from its first page to its end, once; `evidence` then says why it ended.

    `read` asks for the page at a URL. It raises RegistryError, as reading does where no recovery is left.
    """

    def __init__(self, url: str, read: Callable[[str], Awaitable[tuple[Headers, P]]], sizer: PageSizer) -> None:
        self.pages_read = 0
        self.evidence = _UNREAD
        self._url = url
        self._read = read
        self._sizer = sizer
        self._pass = 0
        self._seen: dict[str, int] = {}  # every entry, and the pass that met it last
        self._urls: set[str] = set()
        self._tail: tuple[str, ...] = ()  # the last two entries, by which a `last` goes on
        self._empty_pages = 0
        self._returns = 0
        self._full = 0  # how many entries a full page held that named no next
        self._is_cut = False  # whether there were more behind it

    async def first_page(self) -> FetchedPage[P]:
        """The first page, in the largest size that the registry grants."""
        url = self._sizer.sized(self._url)
        try:
            return FetchedPage(url, *await self._read(url))
        except UnexpectedStatus as refusal:
            return await self.smaller_first_page(url, refusal)

    async def smaller_first_page(self, url: str, refusal: UnexpectedStatus) -> FetchedPage[P]:
        """The first page in the largest size that the registry grants, once that of this URL was refused."""
        return await self._smaller_page(url, refusal, self._sizer.refusals)

    async def pages_from(self, first: FetchedPage[P]) -> AsyncIterator[tuple[P, list[str]]]:
        """Each page, and those of its entries that no page before it held, before the next is asked for."""
        fetched: FetchedPage[P] | None = first
        while fetched is not None:
            fresh, progress = self._note(fetched.page)
            yield fetched.page, fresh
            following = self._next_url(fetched, progress)
            fetched = await (self._check_full_page(fetched, fresh) if following is None else self._page_at(following))

    def _note(self, page: P) -> tuple[list[str], int]:
        """The entries that no page before held, and how many this pass had not met."""
        self.pages_read += 1
        entries, seen = page.entries, self._seen
        fresh = [entry for entry in entries if entry not in seen]
        progress = sum(seen.get(entry) != self._pass for entry in entries)
        seen.update(dict.fromkeys(entries, self._pass))
        self._tail = (*self._tail, *page.ordered[-2:])[-2:]
        self._empty_pages = 0 if entries else self._empty_pages + 1
        if fresh:
            self._returns = 0
        return fresh, progress

    def _next_url(self, fetched: FetchedPage[P], progress: int) -> str | None:
        """Where the list goes on behind a page, or None, and then `evidence` says why it does not."""
        if fetched.reason is _PageReason.AFTER_FULL:
            return None  # a list without a size follows, whatever this page links to
        following = self._linked_url(fetched, progress)
        if isinstance(following, Evidence):
            self.evidence = following
            return None
        return following

    def _linked_url(self, fetched: FetchedPage[P], progress: int) -> str | Evidence:
        url, page = fetched.url, fetched.page
        try:
            link = next_link(fetched.headers.getall("Link", ()))
            following = None if link is None else next_url(link, url)
        except MalformedResponse as exc:
            return Evidence(complete=False, text=str(exc))
        if following is None and page.names_next:
            return Evidence(complete=False, text=NEXT_IN_BODY)
        if following is None:
            return Evidence(complete=True, text="no next link")
        if max(page.lengths) == 0 and (following == url or leads_to_the_beginning(following)):
            return Evidence(complete=True, text="an empty last page")
        self._urls.add(url)
        if page.entries and not progress:
            text = f"page {self.pages_read:,} repeated earlier entries but linked to another page"
        elif following in self._urls:
            text = f"the next link of page {self.pages_read:,} leads back to an earlier page"
        elif self._empty_pages > MAX_EMPTY_PAGES:
            text = f"more than {MAX_EMPTY_PAGES} empty pages in a row"
        elif self.pages_read >= MAX_PAGES:
            text = f"no end after {MAX_PAGES:,} pages"
        else:
            return following
        return Evidence(complete=False, text=text)

    # ------------------------------------------------------------------------------------- pages that are not granted

    async def _page_at(self, url: str) -> FetchedPage[P] | None:
        """The page of a next link, whose cursor stays as it is; made smaller only where it is too much work."""
        try:
            return FetchedPage(url, *await self._read(url))
        except (UnexpectedStatus, Missing) as refusal:
            if _concerns(url, refusal, _REFUSED_CURSOR):
                return await self._return(url, refusal)
            return await self._smaller_page(url, refusal, TOO_MUCH_WORK)

    async def _smaller_page(self, url: str, refusal: RegistryError, statuses: Collection[int]) -> FetchedPage[P]:
        """The page in the largest size that is granted, once it was refused with one of these statuses."""
        size = page_size_of(url) or self._sizer.size
        tried = {size}
        while _concerns(url, refusal, statuses) and (size := _smaller_size(size, refusal)) not in tried:
            tried.add(size)
            url = with_page_size(url, size)
            try:
                headers, page = await self._read(url)
            except UnexpectedStatus as exc:
                refusal = exc
            else:
                if refusal.http_status in REFUSED_SIZE:  # too much work is this list's own matter
                    self._sizer.lower(size)
                return FetchedPage(url, headers, page)
        raise refusal

    async def _return(self, refused: str, refusal: RegistryError) -> FetchedPage[P] | None:
        """Take the list up again before a refused page, which is no end; None where that was tried often enough.

        Harbor answers 400 for a `last` that was deleted meanwhile (goharbor/harbor, src/server/registry/catalog.go),
        zot 404 without a body. What was met before is known, and met again without harm.
        """
        if self._returns == MAX_RETURNS:
            text = f"a later page was refused ({refusal.http_status} {refusal.code}: {refusal.message})"
            self.evidence = Evidence(complete=False, text=f"{text}, also after {MAX_RETURNS} new starts")
            return None
        self._returns += 1
        self._pass += 1
        self._urls.clear()
        if len(self._tail) == 2 and has_cursor(refused, self._tail[1]):
            return await self._page_at(with_cursor(refused, self._tail[0]))
        return await self.first_page()

    # ------------------------------------------------------------------------- a full page that names no next one

    async def _check_full_page(self, fetched: FetchedPage[P], fresh: list[str]) -> FetchedPage[P] | None:
        """One page more where the last does not prove that it was the last; None where the list is at its end.

        Quay answers a list of exactly as many entries as were asked for whole, and without a link. So does
        go-containerregistry's registry, which cuts it there, in an order that is another every time
        (google/go-containerregistry, pkg/registry/manifest.go), and any registry behind a proxy that drops the links.
        """
        match fetched.reason:
            case _PageReason.LINKED if self._is_full(fetched):
                self._full = page_size_of(fetched.url) or 0
                return await self._page_after_full(fetched)
            case _PageReason.AFTER_FULL if max(fetched.page.lengths):
                self._is_cut = self._is_cut or bool(fresh)
                is_in_order = len(fresh) == len(fetched.page.entries) and self.pages_read < MAX_PAGES
                return await (self._page_after_full(fetched) if is_in_order else self._unsized_page())
            case _PageReason.AFTER_FULL:
                self.evidence = Evidence(complete=True, text="asked beyond the last name: nothing more")
            case _PageReason.UNSIZED if self.evidence.complete:
                self.evidence = self._evidence_without_size(max(fetched.page.lengths), fresh)
        return None

    def _is_full(self, fetched: FetchedPage[P]) -> bool:
        """Whether the registry, which never named a next page, may have stopped at the size that was asked for."""
        size = page_size_of(fetched.url)
        return self.pages_read == 1 and self.evidence.complete and bool(size) and size in fetched.page.lengths

    async def _page_after_full(self, full: FetchedPage[P]) -> FetchedPage[P] | None:
        if not full.page.ordered:
            return await self._unsized_page()
        url = with_cursor(full.url, full.page.ordered[-1])
        try:
            return FetchedPage(url, *await self._read(url), _PageReason.AFTER_FULL)
        except RegistryError:
            return await self._unsized_page()

    async def _unsized_page(self) -> FetchedPage[P] | None:
        self._pass += 1
        try:
            return FetchedPage(self._url, *await self._read(self._url), _PageReason.UNSIZED)
        except RegistryError as exc:
            text = f"{self._full:,} entries, as many as were asked for, and no next link; without n: {exc}"
            self.evidence = Evidence(complete=False, text=text)
            return None

    def _evidence_without_size(self, length: int, fresh: list[str]) -> Evidence:
        """What a list without a size proves of the full page before it."""
        lost = sum(met != self._pass for met in self._seen.values())
        if not (lost or fresh or self._is_cut):
            return Evidence(complete=True, text="asked without n: nothing more")
        text = f"{self._full:,} entries, as many as were asked for, and no next link; without n {length:,}"
        if lost:
            return Evidence(complete=False, text=f"{text}, of which {lost:,} listed before are missing")
        if length in _USUAL_LIMITS:
            return Evidence(complete=False, text=f"{text}, where the list may be cut too")
        return Evidence(complete=True, text=f"{text}, with all that were listed before")


def _concerns(url: str, refusal: RegistryError, statuses: Collection[int]) -> bool:
    """Whether it is the list that was refused, and not a token for it, with one of these statuses."""
    asked = Request(url=url).summary
    return refusal.http_status in statuses and refusal.request.partition("?")[0] == asked.partition("?")[0]


def _smaller_size(size: int | None, refusal: RegistryError) -> int | None:
    """The next page size to try, or the same again where there is none.

    One refused as too large goes down to none at all, one that is too much work to five.
    """
    if refusal.http_status in TOO_MUCH_WORK:
        return next((smaller for smaller in _SMALLER_PAGES if size is None or smaller < size), size)
    return None if size is None else next((smaller for smaller in _SMALLER_PAGES[:-1] if smaller < size), None)
