"""Where do repository names come from, how long are the catalog's pages, and what lists one repository?

The discovery is the crawl's own, read as far as the first few repositories. In Google's folders a name is known to be a
repository once it is listed, so those are listed on the way.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crawler.config import Config, RegistryConfig
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.name_filter import NameFilter
from crawler.discovery.pending import ListResult
from crawler.doctor.step import Finding, ok, skipped, warning
from crawler.errors import CrawlerError, CredentialsError, MalformedResponse, Missing, RegistryError
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.pipeline.pipeline import Lister
from crawler.run.assemble import OpenParts
from crawler.untrusted_text import printable
from crawler.wire.page_url import page_size_of

Advise = Callable[[CrawlerError], str]
"""What mends an error; "" where that is not known."""

_WANTED: Final = 3
"""Repositories that are looked for: the first may be one that this account may not read, or that is gone."""

_MAX_PAGES: Final = 2
"""Two, because a list of one page is known to be at its end when a second one is asked for, without a request."""

_MAX_OPENED: Final = 25
"""Folders that are opened in search of repositories."""

_NAME_THEM: Final = "name the repositories with --repositories-from FILE"
_LET_LINK_THROUGH: Final = (
    "where a proxy is in front of the registry, let the header Link pass; else it is a mistake of the registry"
)
_NAME_PROJECT: Final = f"name the project in the target (HOST/PROJECT), or {_NAME_THEM}"


@dataclass(frozen=True, slots=True)
class KnownRepository:
    """A repository of the discovery, and its listing where that came with the name."""

    name: RepositoryName
    listing: Listing | None


@dataclass(frozen=True, slots=True)
class ListedRepository:
    """A repository and its listing."""

    name: RepositoryName
    listing: Listing

    @property
    def first_tag(self) -> str | None:
        return next(iter(self.listing.tags), None)


@dataclass(slots=True)
class _Search:
    """The first repositories of a discovery, as far as they are found."""

    parts: OpenParts
    name_filter: NameFilter
    known: list[KnownRepository] = field(default_factory=list)
    refusals: list[CrawlerError] = field(default_factory=list)
    names: int = 0
    opened: int = 0

    @property
    def is_over(self) -> bool:
        return len(self.known) >= _WANTED or self.opened >= _MAX_OPENED

    async def read(self, page: NamePage) -> None:
        self.names += len(page)
        for name, listing in page.items():
            if self.is_over:
                return
            if self.parts.discovery.requires_all_listings:
                await self._open(name)
            elif self.name_filter.matches(name) and (repository := _valid(name)) is not None:
                self.known.append(KnownRepository(repository, listing))

    async def _open(self, name: str) -> None:
        """List a node of Google's folders, which may be a repository. Its children are on a later page."""
        self.opened += 1
        repository = _valid(name)
        with self.parts.discovery.pending(name) as pending:
            result = await _result(self.parts.lister, name, repository)
            is_repository = pending.resolve(result)
        if isinstance(result, RegistryError | CredentialsError) and not isinstance(result, Missing):
            self.refusals.append(result)
        if is_repository and isinstance(result, Listing) and repository is not None and self.name_filter.matches(name):
            self.known.append(KnownRepository(repository, result))


async def first_names(
    config: Config, registry: RegistryConfig, parts: OpenParts, advise: Advise
) -> tuple[Finding, Sequence[KnownRepository]]:
    """The first few repositories. Raises RegistryError, CredentialsError and GaveUp where a crawl would end."""
    search = _Search(parts, NameFilter(registry.target, include=registry.include, exclude=registry.exclude))
    is_at_end = await _read_pages(parts, search)
    evidence = parts.discovery.evidence
    if not search.known and not search.refusals:
        return _nothing(search, config, registry, is_at_end=is_at_end), ()
    names = ", ".join(repository.name for repository in search.known) or "no repository that can be listed"
    found = f"from {parts.discovery.method}: {names}"
    if search.refusals:
        error = search.refusals[0]
        return warning(f"{found}; refused: {error}", advise(error)), search.known
    if is_at_end and not evidence.complete:
        return warning(f"{found}, and there may be more: {evidence.text}", _name_them(registry)), search.known
    return ok(found if is_at_end else f"{found} are the first"), search.known


async def _read_pages(parts: OpenParts, search: _Search) -> bool:
    """Read pages until repositories are found. Returns whether the discovery is at its end."""
    pages = parts.discovery.pages()
    read = 0
    try:
        async for page in pages:
            await search.read(page)
            read += bool(page) and not parts.discovery.requires_all_listings
            if (search.is_over and not read) or read >= _MAX_PAGES:
                return False
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
    return True


def _nothing(search: _Search, config: Config, registry: RegistryConfig, *, is_at_end: bool) -> Finding:
    """What it means that no repository is found."""
    evidence = search.parts.discovery.evidence
    if not is_at_end:
        seen = search.opened or search.names
        return skipped(f"none of the first {seen:,} names is a repository that is wanted; the rest was not read")
    if (why := search.name_filter.nothing_matched) is not None:
        return warning(why, "check the target's prefix, --include and --exclude")
    if not evidence.complete:
        return warning(evidence.text, _name_them(registry))
    if config.verdict.expect == 0:
        return ok(f"no repository: {evidence.text}")
    return warning(f"no repository: {evidence.text}", "--expect 0 (verdict.expect) allows an empty snapshot")


def _name_them(registry: RegistryConfig) -> str:
    """What helps where the source of names does not have them all."""
    return _NAME_PROJECT if registry.profile.is_google and not registry.target.prefix else _NAME_THEM


async def page_size(registry: RegistryConfig, parts: OpenParts) -> Finding:
    """How many names the catalog's first page was asked for, and had. Raises RegistryError and CredentialsError."""
    if parts.discovery.method != CatalogDiscovery.method:
        return skipped("names do not come from the catalog")
    asked = registry.page_size or registry.profile.catalog_page_size
    first = await parts.registry.catalog().first_page()
    requested, length = page_size_of(first.url), max(first.page.lengths)
    if requested != asked:
        size = "no size" if requested is None else f"{requested:,}"
        return warning(
            f"the registry refuses pages of {asked:,} names, and takes {size}",
            f"set registry.page_size = {requested or length}, which spares each crawl the refused requests",
        )
    if "Link" in first.headers and length < asked:
        times = asked / max(length, 1)
        return warning(
            f"a page has {length:,} names where {asked:,} are asked for: a crawl needs {times:,.3g} times the requests",
            "raise the registry's own limit (distribution: catalog.maxentries), "
            f"or accept it with registry.page_size = {max(length, 1)}",
        )
    return ok(f"{asked:,} names are asked for, {length:,} came")


async def listing(
    lister: Lister, known: Sequence[KnownRepository], advise: Advise
) -> tuple[Finding, ListedRepository | None]:
    """List the first repository that can be listed. Raises GaveUp."""
    refusals: list[tuple[RepositoryName, RegistryError | CredentialsError]] = []
    for repository in known:
        listed = repository.listing
        if listed is None:
            try:
                listed = await lister.list_tags(repository.name)
            except Missing:
                continue
            except (RegistryError, CredentialsError) as exc:
                refusals.append((repository.name, exc))
                continue
        return _listed(repository.name, listed, refusals, advise), ListedRepository(repository.name, listed)
    if refusals:
        name, error = refusals[0]
        return warning(f"{name}: {error}", advise(error)), None
    return skipped("the registry does not have the repositories that were named (404)"), None


def _listed(
    name: RepositoryName,
    listed: Listing,
    refusals: Sequence[tuple[RepositoryName, RegistryError | CredentialsError]],
    advise: Advise,
) -> Finding:
    images = "" if listed.images is None else f", images: {len(listed.images):,}"
    found = f"{name} has tags: {len(listed.tags):,}{images}"
    if refusals:
        other, error = refusals[0]
        return warning(f"{found}; but {other}: {error}", advise(error))
    if listed.suspect is not None:
        return warning(f"{found}; the listing may not be whole: {listed.suspect}", _LET_LINK_THROUGH)
    return ok(found)


async def _result(lister: Lister, name: str, repository: RepositoryName | None) -> ListResult:
    if repository is None:
        return MalformedResponse(f"{printable(name)} is not the name of a repository")
    try:
        return await lister.list_tags(repository)
    except (RegistryError, CredentialsError) as exc:
        return exc


def _valid(name: str) -> RepositoryName | None:
    try:
        return RepositoryName(name)
    except ValueError:
        return None
