"""zot's search: a GraphQL query for the images of all repositories, or of one.

(project-zot/zot `pkg/extensions/search/schema.graphql`, `resolver.go` (getImageList) and, for its URL,
`pkg/extensions/extension_search.go`)

- Names: the search has the repositories with a tag, and their images with them. It leaves out repositories that have
  manifests and no tag, so the catalog is read as well, and the catalog's end is the proof.
- Images: of each tag, the digest, the size, the platforms, the referrers of an image without a signature, and when it
  was built, pushed and pulled. Not the layers' media types and not the annotations: so `manifest` is left to the depth
  that reads manifests. Not the media type of an index: the search calls each one an OCI index.
- The search leaves out the tags of signatures (`sha256-HEX.sig`) and of the referrers' fallback scheme (`sha256-HEX`),
  and those of media types that it does not know (`pkg/meta/parse.go`, SetImageMetaFromInput; `pkg/meta/hooks.go`). So
  the tags of a repository are those of `tags/list`, and a tag without a digest is read by the protocol.
- Price: one exchange for each page of `PAGE_SIZE` images, whatever repositories they are in, and one for the tags of
  each repository.
- Who may: whoever may pull, with the credentials of the registry. A server without the search answers 404, or with a
  web page.

Queries are sent by GET: by POST they would need the right to push (`pkg/api/bearer_auth.go`, Middleware).
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from crawler.auth.credentials import CATALOG_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse, RegistryError, UnexpectedStatus, UnusableResponse
from crawler.model.image import Image, ImageKind, Platform, Referrer, ReferrerSource
from crawler.model.names import RepositoryName, Target
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.model.words import repositories
from crawler.registry.pager import MAX_PAGES
from crawler.registry.registry import Registry
from crawler.transport.messages import Purpose, Request
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.wire.digest import is_digest
from crawler.wire.error_message import error_message
from crawler.wire.json_fields import parse_count, parse_object, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.platform import parse_platform
from crawler.wire.referrers import parse_referrer
from crawler.wire.times import parse_time

PAGE_SIZE: Final = 1000
"""Images on a page, and names on one of the catalog. zot has no limit, and sorts all its images for each page."""

MAX_HELD_IMAGES: Final = 200_000
"""Images that wait for their repository's tags. Beyond it, the images of a repository are requested once more."""

_MAX_STEPS_BACK: Final = 3
"""Requests for an earlier page, where images before the page were deleted meanwhile."""

_QUERY: Final = (
    "query($repo: String!, $page: PageInput) {ImageList(repo: $repo, requestedPage: $page) {Page {TotalCount} Results {"
    "RepoName Tag Digest MediaType Size LastUpdated IsSigned%s Manifests {Digest ArtifactType Platform {Os Arch}} "
    "Referrers {Digest ArtifactType Size Annotations {Key Value}}}}}"
)
_NEWER_FIELDS: Final = (" PushTimestamp LastPullTimestamp TaggedTimestamp", " PushTimestamp LastPullTimestamp", "")
"""Fields that older servers lack: TaggedTimestamp came in 2026 (project-zot/zot#3731), the others in 2024 (#2699)."""

_UNKNOWN_FIELD: Final = 422
"""The status of a query with a field that the server does not know (99designs/gqlgen, graphql/errcode)."""

_HARMLESS_ERROR: Final = "error generating history"
"""An error about a field that is not requested. The list beside it is whole (`convert/metadb.go`, getAllHistory)."""

_NEVER: Final = "1970-01-01T00:00:00.000Z"
"""How zot writes a pull, or a push, that it does not know of: the empty protobuf Timestamp (`boltdb.go`)."""

_IMAGE_CONFIG_TYPES: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


def open_zot(access: ApiAccess) -> VendorApi:
    registry = Registry(access.registry_url, access.registry, catalog_page_size=PAGE_SIZE)
    search, held = ZotSearch(access.registry, access.url), _HeldImages(access.target)
    return VendorApi(names=ZotNames(search, registry, held), images=ZotImages(search, registry, held))


class ZotNames:
    """The repositories of the search, and then those of the catalog, which are all that the account may read.

    The images that the search has are held until the repository is listed.
    """

    def __init__(self, search: "ZotSearch", registry: Registry, held: "_HeldImages") -> None:
        self._search = search
        self._catalog = registry.catalog()
        self._held = held
        self._searched = 0
        self._skipped = 0
        self._search_failure: RegistryError | None = None
        self._catalog_failure: RegistryError | None = None

    async def pages(self) -> AsyncIterator[NamePage]:
        try:
            async for repositories in _by_repository(self._search.pages("")):
                self._searched += len(repositories)
                for name, entries in repositories.items():
                    self._held.put(name, entries)
                yield dict.fromkeys(repositories)
        except RegistryError as exc:
            if not self._searched:
                raise
            self._search_failure = exc
        try:
            first = await self._catalog.first_page()
            async for page, fresh in self._catalog.pages_from(first):
                self._skipped += page.skipped
                yield dict.fromkeys(fresh)
        except RegistryError as exc:
            self._catalog_failure = exc

    def evidence(self, listed: int) -> Evidence:
        if not listed:
            text = "zot lists no repository, which proves nothing: check the account's policies, and --auth"
            return Evidence(complete=False, text=text)
        text = f"zot's search listed the images of {repositories(self._searched)}"
        if self._search_failure is not None:
            text += f", then failed ({self._search_failure})"
        text += f"; with the catalog there are {repositories(listed)}"
        if self._catalog_failure is not None:
            why = "the search leaves out repositories without a tag, and the catalog failed"
            return Evidence(complete=False, text=f"{text}: {why}: {self._catalog_failure}")
        if self._skipped:
            return Evidence(complete=False, text=f"{text}: {self._skipped:,} entries of the catalog are not strings")
        end = self._catalog.evidence
        return Evidence(complete=end.complete, text=f"{text}: {end.text}")


class ZotImages:
    """The tags of a repository by the protocol, and their images by the search."""

    def __init__(self, search: "ZotSearch", registry: Registry, held: "_HeldImages") -> None:
        self._search = search
        self._registry = registry
        self._held = held

    async def listing(self, name: RepositoryName) -> Listing:
        listed = await self._registry.list_tags(name)
        if not listed.tags:
            return listed
        entries = self._held.take(name)
        if entries is None:
            entries = [entry async for page in self._search.pages(name) for entry in page if entry.repository == name]
        return _listing(listed, entries)


class _HeldImages:
    """The images that came with names of the target, until the repository is listed, once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._entries: dict[str, list[ZotEntry]] = {}
        self._count = 0

    def put(self, name: str, entries: "list[ZotEntry]") -> None:
        if self._target.covers(name) and self._count + len(entries) <= MAX_HELD_IMAGES:
            self._entries[name] = entries
            self._count += len(entries)

    def take(self, name: str) -> "list[ZotEntry] | None":
        entries = self._entries.pop(name, None)
        self._count -= len(entries or ())
        return entries


class ZotSearch:
    """Queries of one server, with the fields that it knows."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._client = client
        self._url = f"{url}/v2/_zot/ext/search"
        self._version = 0  # of _NEWER_FIELDS, the newest first

    async def pages(self, repository: str) -> "AsyncIterator[tuple[ZotEntry, ...]]":
        """The images of a repository, or of all with "", in the order of repository and tag, each once.

        A page begins with the last image of the page before it. Where it does not, images were deleted meanwhile, and
        an earlier page is requested: else as many others would be missing. Raises RegistryError.
        """
        last, offset, steps_back = ("", ""), 0, 0
        for _ in range(MAX_PAGES):
            page = await self._page(repository, offset)
            if offset and (not page.entries or page.entries[0].key > last):
                if steps_back == _MAX_STEPS_BACK:
                    raise self._unusable(f"images were deleted while the list was read, {steps_back + 1} times")
                offset, steps_back = max(0, offset - PAGE_SIZE // 2), steps_back + 1
                continue
            fresh = tuple(entry for entry in page.entries if entry.key > last)
            if fresh:
                yield fresh
                last, steps_back = fresh[-1].key, 0
            end = offset + len(page.entries)
            if end == page.total:
                return
            if not fresh:
                raise self._unusable(f"{end:,} of {page.total:,} images, and nothing new on the next page")
            offset = end - 1
        raise self._unusable(f"no end after {MAX_PAGES:,} pages")

    async def _page(self, repository: str, offset: int) -> "ZotPage":
        size = PAGE_SIZE + bool(offset)  # the first image is the last one of the page before
        page = {"limit": size, "offset": offset, "sortBy": "ALPHABETIC_ASC"}
        variables = orjson.dumps({"repo": repository, "page": page})
        while True:
            version = self._version
            url = f"{self._url}?{urlencode({'query': _QUERY % _NEWER_FIELDS[version], 'variables': variables})}"
            try:
                _, parsed = await self._client.get(url, CATALOG_SCOPE, parse_images, Purpose.API)
            except UnexpectedStatus as exc:
                if exc.http_status != _UNKNOWN_FIELD or version + 1 == len(_NEWER_FIELDS):
                    raise
                self._version = max(self._version, version + 1)
            else:
                return parsed

    def _unusable(self, message: str) -> UnusableResponse:
        return UnusableResponse(Request(url=self._url).summary, code="PAGES", message=message, http_status=200)


@dataclass(frozen=True, slots=True)
class ZotEntry:
    """A tag with its image; None where the search names no valid digest."""

    repository: str
    tag: str
    image: Image | None

    @property
    def key(self) -> tuple[str, str]:
        return self.repository, self.tag


@dataclass(frozen=True, slots=True)
class ZotPage:
    """One page of images. `total` is the number of images on all pages."""

    entries: tuple[ZotEntry, ...]
    total: int


async def _by_repository(pages: AsyncIterator[tuple[ZotEntry, ...]]) -> AsyncIterator[dict[str, list[ZotEntry]]]:
    """The repositories that are whole after each page. The last one of a page may go on with the next page."""
    unfinished: dict[str, list[ZotEntry]] = {}
    async for page in pages:
        for name, entries in groupby(page, key=lambda entry: entry.repository):
            unfinished.setdefault(name, []).extend(entries)
        last = page[-1].repository
        finished, unfinished = unfinished, {last: unfinished.pop(last)}
        yield finished
    if unfinished:
        yield unfinished


def _listing(listed: Listing, entries: Sequence[ZotEntry]) -> Listing:
    """The tags of `tags/list` with the images of the search. A tag that only the search has is gone."""
    there = {*listed.tags}
    images = [entry.image for entry in entries if entry.image is not None and entry.tag in there]
    listing = make_listing(_with_latest_change(images), lists_untagged=False, suspect=listed.suspect)
    return listing.replace(tags=listed.tags)


def _with_latest_change(images: Iterable[Image]) -> Iterator[Image]:
    """The images of tags, where all tags of an image have the latest time at which one of them was made."""
    images = list(images)
    latest: dict[str, str] = {}
    for image in images:
        if image.updated_at is not None:
            latest[image.digest] = max(image.updated_at, latest.get(image.digest, ""))
    for image in images:
        yield image.replace(updated_at=latest.get(image.digest))


def parse_images(body: bytes) -> ZotPage:
    """Parse a response to the query. Raises MalformedResponse, also for errors, which come with status 200."""
    document = parse_object(body)
    _check_errors(document)
    found = _object(_object(document.get("data")).get("ImageList"))
    total, results = _object(found.get("Page")).get("TotalCount"), found.get("Results")
    if type(total) is not int or type(results) is not list or not {*map(type, results)} <= {dict}:
        raise MalformedResponse("a page without 'Results' and 'TotalCount'")
    entries = tuple(map(_parse_entry, results))
    if any(one.key >= other.key for one, other in pairwise(entries)):
        raise MalformedResponse("images that are not in the order of their repositories and tags")
    return ZotPage(entries, total)


def _check_errors(document: dict[str, Any]) -> None:
    errors = document.get("errors")
    if not errors:
        return
    messages = [parse_text(_object(error).get("message")) or "" for error in errors] if type(errors) is list else [""]
    if not all(message.startswith(_HARMLESS_ERROR) for message in messages):
        raise MalformedResponse(f"the search failed: {error_message(document)}")


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if type(entry) is dict] if type(value) is list else []


def _parse_entry(result: dict[str, Any]) -> ZotEntry:
    repository, tag, digest = (parse_text(result.get(field)) for field in ("RepoName", "Tag", "Digest"))
    if repository is None or tag is None:
        raise MalformedResponse("an image without a repository or a tag")
    if digest is None or not is_digest(digest):
        return ZotEntry(repository, tag, None)
    media_type, manifests = parse_text(result.get("MediaType")), _objects(result.get("Manifests"))
    is_index = media_type in INDEX_TYPES
    pushed, tagged = _parse_known_time(result.get("PushTimestamp")), _parse_known_time(result.get("TaggedTimestamp"))
    image = Image(
        digest=digest,
        tags=(tag,),
        kind=ImageKind.INDEX if is_index else None,
        media_type=None if is_index else media_type,
        artifact_type=None if is_index else _parse_artifact_type(manifests),
        size_bytes=parse_count(result.get("Size")),
        created_at=parse_time(result.get("LastUpdated")),
        uploaded_at=pushed,
        # a tag that moves to another image keeps the time at which it was made
        updated_at=tagged and max(tagged, pushed or ""),
        pulled_at=_parse_known_time(result.get("LastPullTimestamp")),
        platforms=tuple(filter(None, map(_parse_platform, manifests))) or None,
        referrers=_parse_referrers(result),
    )
    return ZotEntry(repository, tag, image)


def _parse_known_time(value: Any) -> str | None:
    time = parse_time(value)
    return None if time == _NEVER else time


def _parse_artifact_type(manifests: list[dict[str, Any]]) -> str | None:
    """The type of an artifact, which is that of its config where it declares none. None for an image."""
    artifact_type = parse_text(manifests[0].get("ArtifactType")) if len(manifests) == 1 else None
    return None if artifact_type in _IMAGE_CONFIG_TYPES else artifact_type


def _parse_platform(manifest: dict[str, Any]) -> Platform | None:
    """A child of an index, or the platform of a single image. None where there is none, as for an artifact.

    The variant follows the architecture: `arm/v7` (`convert/metadb.go`, getArch).
    """
    described = _object(manifest.get("Platform"))
    system = parse_text(described.get("Os"))
    architecture, _, variant = (parse_text(described.get("Arch")) or "").partition("/")
    if not system and not architecture:
        return None
    return parse_platform(parse_text(manifest.get("Digest")), system, architecture, variant=variant)


def _parse_referrers(result: dict[str, Any]) -> tuple[Referrer, ...] | None:
    """The referrers of an image without a signature. Of a signed image the search leaves out the signatures.

    (`pkg/meta/parse.go`, SetImageMetaFromInput: a signature is no image.)
    """
    if result.get("IsSigned") is not False or type(result.get("Referrers")) is not list:
        return None
    try:
        return tuple(map(_parse_referrer, map(_object, result["Referrers"])))
    except MalformedResponse:
        return None  # the protocol is asked for them


def _parse_referrer(listed: dict[str, Any]) -> Referrer:
    annotations = {parse_text(entry.get("Key")): entry.get("Value") for entry in _objects(listed.get("Annotations"))}
    descriptor = {
        "digest": listed.get("Digest"),
        "artifactType": listed.get("ArtifactType"),
        "size": listed.get("Size"),
        "annotations": annotations,
    }
    return parse_referrer(descriptor, ReferrerSource.BULK)
