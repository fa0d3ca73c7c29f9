"""Azure Container Registry's own API: the registry's repositories, and the manifests of each repository.

(Azure/acr-cli `docs/swagger.yaml`; https://learn.microsoft.com/rest/api/containerregistry/manifests/get-list)

- Names: `/acr/v1/_catalog`, of the whole registry. It is complete where its pages end.
- Images: `/acr/v1/NAME/_manifests` has every manifest, with a tag or without: the digest, the tags, the size, the
  media type, the platform, and when the manifest was created and changed in the registry. It has no time of a build or
  of a pull.
- Price: one exchange for each page of 100 manifests; fewer where the registry grants the size that is requested
  (`PAGE_SIZE`), whose limit is not documented. Tags are read once more by `/acr/v1/NAME/_tags` in repositories where a
  manifest has so many tags that the API may have left some out; see `_MAX_TAGS_LISTED`.
- Who may: the admin user; an identity token or a token of a scope map with `metadata_read` for the repository. Others
  are refused, and the protocol lists their repositories.

A list goes on by a `Link` header, as that of the protocol does. Clients of Microsoft ignore it and request the entries
after the last one (Azure/acr-cli `internal/tag/tag.go`): where no link comes with a page of the registry's own size,
so does the pager.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

from crawler.auth.credentials import CATALOG_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse
from crawler.model.image import Image, ImageKind, Platform
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.model.words import repositories
from crawler.registry.page_size import GATEWAY_FAILED, SIZE_REFUSED, PageSizer
from crawler.registry.pager import Page, Pager
from crawler.transport.messages import Headers, Purpose
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.wire.descriptor import parse_descriptors
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import names_next_page, parse_count, parse_object, parse_strings, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.platform import parse_platform
from crawler.wire.times import parse_time

P = TypeVar("P", bound=Page)

PAGE_SIZE: Final = 1000
"""Entries that a page is requested with. The registry may send fewer."""

_DEFAULT_PAGE_SIZE: Final = 100
"""Entries on a page where the registry decides (Azure/acr-cli `internal/tag/tag.go`)."""

_MAX_TAGS_LISTED: Final = 10
"""From so many tags of one manifest on, `_manifests` may list only some of them, and `_tags` is read.

The API limits the number of tags that it lists with a manifest (Azure/acr#529). A user saw tags missing from manifests
with more than ten of them, and from no other (Azure/azure-cli#7438).
"""


def open_acr(access: ApiAccess) -> VendorApi:
    return VendorApi(names=AcrNames(access.registry, access.url), images=AcrImages(access.registry, access.url))


class AcrNames:
    """The repositories of the registry, whatever the target's prefix is."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._pager = _pager(client, f"{url}/acr/v1/_catalog", CATALOG_SCOPE, parse_names, _sizer())
        self._skipped = 0

    async def pages(self) -> AsyncIterator[NamePage]:
        first = await self._pager.first_page()
        async for page, fresh in self._pager.pages_from(first):
            self._skipped += page.skipped
            yield dict.fromkeys(fresh)

    def evidence(self, listed: int) -> Evidence:
        if not listed:
            text = "ACR's API lists no repository, which proves nothing: check the account's roles, --auth and the host"
            return Evidence(complete=False, text=text)
        text = f"ACR's API listed {repositories(listed)}"
        end = self._pager.evidence
        if self._skipped:
            return Evidence(complete=False, text=f"{text}, and {self._skipped:,} entries without a name")
        return Evidence(complete=end.complete, text=f"{text}: {end.text}")


class AcrImages:
    """The manifests of a repository, and its tags where those of the manifests may not be all.

    A page size that one repository was refused is not requested for the next one.
    """

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._client = client
        self._url = url
        self._manifests_sizer = _sizer()
        self._tags_sizer = _sizer()

    async def listing(self, name: RepositoryName) -> Listing:
        manifests = self._entries(name, "_manifests", parse_manifests, self._manifests_sizer)
        await manifests.read()
        if all(len(entry.tags) < _MAX_TAGS_LISTED for entry in manifests.entries):
            return _listing(manifests, tags=manifests)
        tags = self._entries(name, "_tags", parse_tags, self._tags_sizer)
        await tags.read()
        return _listing(manifests, tags=tags)

    def _entries(
        self, name: RepositoryName, what: str, parse: Callable[[bytes], "AcrPage"], sizer: PageSizer
    ) -> "_Entries":
        url, scope = f"{self._url}/acr/v1/{quote(name)}/{what}", f"repository:{name}:metadata_read"
        return _Entries(what, _pager(self._client, url, scope, parse, sizer))


def _sizer() -> PageSizer:
    """Some catalogs time out at 100 entries, and work at 5 (Azure/acr-cli#353)."""
    return PageSizer(PAGE_SIZE, SIZE_REFUSED | GATEWAY_FAILED)


def _pager(
    client: AuthenticatedClient, url: str, scope: str, parse: Callable[[bytes], P], sizer: PageSizer
) -> Pager[P]:
    async def read(url: str) -> tuple[Headers, P]:
        return await client.get(url, scope, parse, Purpose.API)

    return Pager(url, read, sizer)


@dataclass(frozen=True, slots=True)
class AcrEntry:
    """A manifest with its tags, or a tag with its manifest.

    Attributes:
        key: what the entry is called, as a cursor names it; "" where it has no name.
        image: None where the API names no valid digest.
    """

    key: str
    tags: tuple[str, ...]
    image: Image | None


@dataclass(frozen=True, slots=True)
class AcrPage:
    """One page of a list, in the form that the pager needs; see `registry.pager.Page`.

    Attributes:
        names: what the list's cursor can name, in the registry's order.
        listed: manifests or tags; empty in a page of the catalog.
        skipped: names and tags that are not strings.
        length: the number of entries, with those that are no names.
    """

    names: tuple[str, ...]
    length: int
    names_next: bool
    listed: tuple[AcrEntry, ...] = ()
    skipped: int = 0

    @property
    def entries(self) -> Sequence[str]:
        return self.names

    @property
    def ordered(self) -> Sequence[str]:
        return self.names

    @property
    def lengths(self) -> tuple[int, ...]:
        """A page of the registry's own size is full as well, however many entries were requested."""
        is_full = self.length > 0 and self.length % _DEFAULT_PAGE_SIZE == 0
        return (self.length, PAGE_SIZE) if is_full else (self.length,)


@dataclass(slots=True)
class _Entries:
    """The entries of one list. An entry that the pager reads twice is there twice; `count` is of different ones."""

    what: str
    pager: Pager[AcrPage]
    entries: list[AcrEntry] = field(default_factory=list)
    count: int = 0
    skipped: int = 0

    async def read(self) -> None:
        first = await self.pager.first_page()
        async for page, fresh in self.pager.pages_from(first):
            self.count += len(fresh)
            self.skipped += page.skipped
            self.entries += page.listed

    @property
    def doubt(self) -> str | None:
        """Why the list may not be whole; None where nothing suggests so."""
        if not self.pager.evidence.complete:
            return f"{self.what} of ACR's API listed {self.count:,} entries: {self.pager.evidence.text}"
        return f"{self.what} of ACR's API listed {self.skipped:,} tags that are not strings" if self.skipped else None


def _listing(manifests: _Entries, *, tags: _Entries) -> Listing:
    """The listing of a repository whose tags are those of the second list, which may be the first one again."""
    images = [entry.image for entry in manifests.entries if entry.image is not None]
    if tags is not manifests:
        images = [image.replace(tags=()) for image in images]
        images += [entry.image for entry in tags.entries if entry.image is not None]
    without_digest = [tag for entry in tags.entries if entry.image is None for tag in entry.tags]
    return make_listing(
        images, lists_untagged=True, without_digest=without_digest, suspect=manifests.doubt or tags.doubt
    )


def parse_names(body: bytes) -> AcrPage:
    """A page of `_catalog`. Raises MalformedResponse."""
    document, names_next = _parse_page(body, "repositories")
    names, skipped = parse_strings(document["repositories"], "repositories")
    return AcrPage(names, len(names) + skipped, names_next, skipped=skipped)


def parse_manifests(body: bytes) -> AcrPage:
    """A page of `_manifests`. The list is null for a repository without any. Raises MalformedResponse."""
    return _parse_entries(body, "manifests", _parse_manifest)


def parse_tags(body: bytes) -> AcrPage:
    """A page of `_tags`. Raises MalformedResponse."""
    return _parse_entries(body, "tags", _parse_tag)


def _parse_entries(body: bytes, field_name: str, parse: Callable[[dict[str, Any]], tuple[AcrEntry, int]]) -> AcrPage:
    document, names_next = _parse_page(body, field_name)
    parsed = [parse(entry) for entry in parse_descriptors(document[field_name], field_name)]
    listed = tuple(entry for entry, _ in parsed)
    return AcrPage(
        names=tuple(dict.fromkeys(entry.key for entry in listed if entry.key)),
        length=len(listed),
        names_next=names_next,
        listed=listed,
        skipped=sum(skipped for _, skipped in parsed),
    )


def _parse_page(body: bytes, field_name: str) -> tuple[dict[str, Any], bool]:
    document = parse_object(body)
    if field_name not in document:
        raise MalformedResponse(f"a page without {field_name!r}")
    return document, names_next_page(document)


def _parse_manifest(manifest: dict[str, Any]) -> tuple[AcrEntry, int]:
    """A manifest, and how many of its tags are not strings. `tags` is null or missing where there is none."""
    listed, skipped = parse_strings(manifest.get("tags"), "tags")
    tags, digest = tuple(filter(None, listed)), parse_text(manifest.get("digest"))
    if digest is None or not is_digest(digest):
        return AcrEntry(digest or "", tags, None), skipped
    media_type = parse_text(manifest.get("mediaType"))
    is_index = media_type in INDEX_TYPES
    image = Image(
        digest=digest,
        tags=tags,
        kind=ImageKind.INDEX if is_index else None,
        media_type=media_type,
        size_bytes=parse_count(manifest.get("imageSize")),
        uploaded_at=parse_time(manifest.get("createdTime")),
        updated_at=parse_time(manifest.get("lastUpdateTime")),
        platforms=_parse_children(manifest.get("references")) if is_index else _own_platform(manifest, digest),
    )
    return AcrEntry(digest, tags, image), skipped


def _parse_children(references: Any) -> tuple[Platform, ...] | None:
    """The manifests of an index. The API documents them for one manifest, and not for a list of manifests."""
    if not isinstance(references, list) or not references:
        return None
    children = [_parse_platform(child, parse_text(child.get("digest"))) for child in references if type(child) is dict]
    return tuple(children) or None


def _own_platform(manifest: dict[str, Any], digest: str) -> tuple[Platform, ...] | None:
    """The platform of a single image. That of an attestation is `unknown/unknown`, and an artifact has none."""
    platform = _parse_platform(manifest, digest)
    return (platform,) if platform.os or platform.architecture else None


def _parse_platform(described: dict[str, Any], digest: str | None) -> Platform:
    return parse_platform(digest, described.get("os"), described.get("architecture"))


def _parse_tag(tag: dict[str, Any]) -> tuple[AcrEntry, int]:
    """A tag with the digest of its manifest, and 1 where its name is not a string."""
    name, digest = parse_text(tag.get("name")), tag.get("digest")
    if name is None:
        return AcrEntry("", (), None), 1
    image = Image(digest, tags=(name,)) if isinstance(digest, str) and is_digest(digest) else None
    return AcrEntry(name, (name,), image), 0
