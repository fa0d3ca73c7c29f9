"""Reads one list from its first page to its end, and says what proves that it is complete.

A list goes on where its page has a link `next`. Pagination is the part of the protocol that registries agree on least,
and a list that ends early looks like a complete one. So the pager does three things that a simple loop does not:

- **It stops on its own.** A link may lead in a circle or on for ever. Every reason to stop but the last link's absence
  is evidence that the list is incomplete.
- **It recovers from a refused page.** A cursor is often the last entry, and that entry may be deleted while the list is
  read. Harbor then answers 400 (goharbor/harbor, src/server/registry/catalog.go), and zot 404 without a body
  (project-zot/zot, pkg/api/routes.go, ListTags). The pager goes back one entry, or else begins again; entries that it
  meets twice count once.
- **It does not trust a full page without a link.** See `_check_full_page`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from enum import Enum, auto
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from crawler.errors import MalformedResponse, Missing, RegistryError, UnexpectedStatus
from crawler.model.run_manifest import Evidence
from crawler.registry.page_size import GATEWAY_FAILED, SIZE_REFUSED, PageSizer, smaller_size
from crawler.registry.seen_entries import SeenEntries
from crawler.transport.messages import Headers, Request
from crawler.wire.json_fields import NEXT_IN_BODY
from crawler.wire.link import next_link, next_url
from crawler.wire.page_url import has_cursor, is_start_of_list, page_size_of, with_cursor, with_page_size

MAX_PAGES: Final = 100_000
"""Pages of one list. At a thousand entries a page this is a hundred million, so that a longer list is a loop."""

MAX_EMPTY_PAGES: Final = 10
"""Empty pages in a row that each link to another page. One more is a loop."""

MAX_RESTARTS: Final = 3
"""Restarts after refused pages, without a new entry in between."""

_CURSOR_REFUSED: Final = frozenset({400, 404})
"""Statuses by which a registry refuses a cursor whose entry was deleted."""

_USUAL_LIMITS: Final = frozenset({100, 1000, 10_000})
"""Where registries cut a list of their own accord: distribution at 100, go-containerregistry's server at 10,000."""

_NOT_READ: Final = Evidence(complete=False, text="the list was not read to its end")


class Page(Protocol):
    """One page of a list, as a parser makes it."""

    @property
    def entries(self) -> Sequence[str]:
        """All entries, without duplicates. Entries of different kinds differ, even where their names are the same."""

    @property
    def ordered(self) -> Sequence[str]:
        """The entries that a cursor `last` can name, in the registry's order."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """The numbers of entries that the registry may have compared with `n`: one for each list in the body."""

    @property
    def names_next(self) -> bool:
        """Whether the body names a next page, which by the specification only the Link header does."""


P = TypeVar("P", bound=Page)


class _PageReason(Enum):
    """Why a page was requested."""

    LINKED = auto()
    """It is the first page, or a link led to it."""
    AFTER_FULL = auto()
    """The page before it was full and had no link. The cursor is the crawler's own."""
    UNSIZED = auto()
    """The list without `n`, to compare it with the pages that were read."""


class FetchedPage(NamedTuple, Generic[P]):
    """A page, and the URL that it came from."""

    url: str
    headers: Headers
    page: P
    reason: _PageReason = _PageReason.LINKED


class Pager(Generic[P]):
    """Reads one list once: `first_page`, then `pages_from`. Every request raises RegistryError where it finally fails.

    Attributes:
        pages_read: the number of pages so far.
        evidence: why the list ended, and whether that proves that it is complete. Valid after `pages_from` ends.
    """

    def __init__(self, url: str, read: Callable[[str], Awaitable[tuple[Headers, P]]], sizer: PageSizer) -> None:
        """`url` is the list's URL without a query. `read` requests the page at a URL."""
        self.pages_read = 0
        self.evidence = _NOT_READ
        self._url = url
        self._read = read
        self._sizer = sizer
        self._seen = SeenEntries()
        self._urls: set[str] = set()  # the pages of this pass
        self._tail: tuple[str, ...] = ()  # the last two entries, one of which the next cursor may be
        self._empty_pages = 0
        self._restarts = 0
        self._full_length = 0  # entries of a full page without a link
        self._is_cut = False  # whether there were entries after that page

    async def first_page(self) -> FetchedPage[P]:
        """The first page, in the largest size that the registry accepts."""
        url = self._sizer.sized(self._url)
        try:
            return FetchedPage(url, *await self._read(url))
        except UnexpectedStatus as exc:
            return await self.smaller_first_page(url, exc)

    async def smaller_first_page(self, url: str, refusal: UnexpectedStatus) -> FetchedPage[P]:
        """The first page, in the largest size that the registry accepts, after it refused the page at `url`."""
        return await self._smaller_page(url, refusal, self._sizer.retry_statuses)

    async def pages_from(self, first: FetchedPage[P]) -> AsyncIterator[tuple[P, list[str]]]:
        """Each page, with its entries that no earlier page had. It is yielded before the next page is requested."""
        fetched: FetchedPage[P] | None = first
        while fetched is not None:
            fresh, progress = self._record(fetched.page)
            yield fetched.page, fresh
            url = self._next_url(fetched, progress)
            fetched = await (self._check_full_page(fetched, fresh) if url is None else self._linked_page(url))

    def _record(self, page: P) -> tuple[list[str], int]:
        """The page's entries that no earlier page had, and the number of entries that are new in this pass."""
        self.pages_read += 1
        entries = page.entries
        fresh, progress = self._seen.add(entries)
        self._tail = (*self._tail, *page.ordered[-2:])[-2:]
        self._empty_pages = 0 if entries else self._empty_pages + 1
        if fresh:
            self._restarts = 0
        return fresh, progress

    # ----------------------------------------------------------------------------------------------- following links

    def _next_url(self, fetched: FetchedPage[P], progress: int) -> str | None:
        """The URL of the next page. None where the list ends, and then `evidence` says why."""
        if fetched.reason is _PageReason.AFTER_FULL:
            return None  # `_check_full_page` decides how to go on, whatever this page links to
        following = self._linked_url(fetched, progress)
        if isinstance(following, Evidence):
            self.evidence = following
            return None
        return following

    def _linked_url(self, fetched: FetchedPage[P], progress: int) -> str | Evidence:
        """The URL that the page links to, or why the list ends here."""
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
        # Gitea links to one more page from the last page with entries, and Forgejo's empty page links to itself.
        # Cloudflare's serverless registry links from its empty page to the beginning (see `is_start_of_list`).
        if max(page.lengths) == 0 and (following == url or is_start_of_list(following)):
            return Evidence(complete=True, text="an empty last page")
        self._urls.add(url)
        if page.entries and not progress:
            # Quay begins again at its first page, for ever, where the cursor is not one of its own.
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

    async def _linked_page(self, url: str) -> FetchedPage[P] | None:
        """The page that a link leads to.

        Its cursor is not changed, and neither is its size, unless a proxy says that the page takes too long.
        """
        try:
            return FetchedPage(url, *await self._read(url))
        except (UnexpectedStatus, Missing) as exc:
            if _concerns(url, exc, _CURSOR_REFUSED):
                return await self._restart(url, exc)
            return await self._smaller_page(url, exc, GATEWAY_FAILED)

    # ------------------------------------------------------------------------------------- recovering from a refusal

    async def _smaller_page(self, url: str, refusal: RegistryError, statuses: Collection[int]) -> FetchedPage[P]:
        """The page in the largest size that works, after it was refused with one of these statuses."""
        size = page_size_of(url) or self._sizer.current
        tried = {size}
        while _concerns(url, refusal, statuses) and (size := smaller_size(size, refusal.http_status)) not in tried:
            tried.add(size)
            url = with_page_size(url, size)
            try:
                headers, page = await self._read(url)
            except UnexpectedStatus as exc:
                refusal = exc
            else:
                if refusal.http_status in SIZE_REFUSED:  # a page that took too long says nothing about other lists
                    self._sizer.lower(size)
                return FetchedPage(url, headers, page)
        raise refusal

    async def _restart(self, refused_url: str, refusal: RegistryError) -> FetchedPage[P] | None:
        """A page from before the refused one. None after MAX_RESTARTS without a new entry.

        Where the cursor is the last entry in plain text, that entry was probably deleted, and the entry before it is
        used instead. A cursor that only the registry can make leaves nothing but to begin again.
        """
        if self._restarts == MAX_RESTARTS:
            text = f"a later page was refused ({refusal.http_status} {refusal.code}: {refusal.message})"
            self.evidence = Evidence(complete=False, text=f"{text}, even after {MAX_RESTARTS} restarts")
            return None
        self._restarts += 1
        self._seen.begin_pass()
        self._urls.clear()
        if len(self._tail) == 2 and has_cursor(refused_url, self._tail[1]):
            return await self._linked_page(with_cursor(refused_url, self._tail[0]))
        return await self.first_page()

    # --------------------------------------------------------------------------------------- a full page without a link

    async def _check_full_page(self, fetched: FetchedPage[P], fresh: list[str]) -> FetchedPage[P] | None:
        """One more page, where the last page does not prove that the list is complete; else None.

        A first page of exactly `n` entries without a link is either a complete list or a list that was cut:
        - Quay returns a list of exactly 100 entries complete, without a link.
        - go-containerregistry's server cuts its catalog at `n` without a link, and in random order, so that a cursor is
          worth nothing (google/go-containerregistry, pkg/registry/manifest.go).
        - A proxy may drop the links of any registry.

        So the pager asks for the entries after the last one, until a page is empty: then the list is complete. Where an
        answer shows that the registry ignores the cursor, or refuses it (ECR Public answers 405 to a cursor that it did
        not make), the pager asks for the list without `n`, and compares. This costs one or two requests for each list
        whose length happens to be the page size.
        """
        match fetched.reason:
            case _PageReason.LINKED if self._is_full(fetched):
                self._full_length = page_size_of(fetched.url) or 0
                return await self._page_after(fetched)
            case _PageReason.AFTER_FULL if max(fetched.page.lengths):
                self._is_cut = self._is_cut or bool(fresh)
                is_in_order = len(fresh) == len(fetched.page.entries) and self.pages_read < MAX_PAGES
                return await (self._page_after(fetched) if is_in_order else self._unsized_page())
            case _PageReason.AFTER_FULL:
                self.evidence = Evidence(complete=True, text="a request after the last entry returned nothing more")
            case _PageReason.UNSIZED if self.evidence.complete:
                self.evidence = self._compare_with_unsized(max(fetched.page.lengths), fresh)
        return None

    def _is_full(self, fetched: FetchedPage[P]) -> bool:
        """Whether this is a first and last page with as many entries as were requested."""
        size = page_size_of(fetched.url)
        return self.pages_read == 1 and self.evidence.complete and bool(size) and size in fetched.page.lengths

    async def _page_after(self, full: FetchedPage[P]) -> FetchedPage[P] | None:
        """The page after the last entry of this one."""
        if not full.page.ordered:
            return await self._unsized_page()
        url = with_cursor(full.url, full.page.ordered[-1])
        try:
            return FetchedPage(url, *await self._read(url), _PageReason.AFTER_FULL)
        except RegistryError:
            return await self._unsized_page()

    async def _unsized_page(self) -> FetchedPage[P] | None:
        """The first page of the list without `n`."""
        self._seen.begin_pass()
        try:
            return FetchedPage(self._url, *await self._read(self._url), _PageReason.UNSIZED)
        except RegistryError as exc:
            text = f"{self._full_length:,} entries, as many as were requested, and no next link; without n: {exc}"
            self.evidence = Evidence(complete=False, text=text)
            return None

    def _compare_with_unsized(self, length: int, fresh: list[str]) -> Evidence:
        """What the list without `n`, of this length and with these new entries, proves about the pages before it."""
        missing = self._seen.missing
        if not (missing or fresh or self._is_cut):
            return Evidence(complete=True, text="a request without n returned nothing more")
        text = f"{self._full_length:,} entries, as many as were requested, and no next link; without n {length:,}"
        if missing:
            return Evidence(complete=False, text=f"{text}, of which {missing:,} listed before are missing")
        if length in _USUAL_LIMITS:
            return Evidence(complete=False, text=f"{text}, a length at which registries cut a list")
        return Evidence(complete=True, text=f"{text}, with all that were listed before")


def _concerns(url: str, refusal: RegistryError, statuses: Collection[int]) -> bool:
    """Whether one of these statuses refused the list itself. The refused request may also be one for a token."""
    requested = Request(url=url).summary
    return refusal.http_status in statuses and refusal.request.partition("?")[0] == requested.partition("?")[0]
