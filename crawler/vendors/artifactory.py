"""Artifactory's query language (AQL): every manifest of one repository of Artifactory, in one exchange.

A repository of Artifactory has a key, and contains many repositories of images. AQL lists names and images together:
the manifests that the account may read. So its evidence is complete unless Artifactory cut the result.

- The query: `POST /artifactory/api/search/aql`, for users that have logged in. Who is no administrator has to ask for
  items, and for their fields repo, path and name (https://jfrog.com/help/r/jfrog-rest-apis/aql-execution,
  https://jfrog.com/help/r/jfrog-rest-apis/users-without-admin-privileges).
- The result: `{"results": […], "range": {"start_pos", "end_pos", "total", "limit", "notification"}}`. `limit` is the
  server's, as the query has none: 500,000 on jfrog.io (SeanLF/still_active#142;
  https://docs.jfrog.com/artifactory/docs/aql-performance). `notification` says that the result was cut. Whether `total`
  counts more than the results is not documented.
- Of an image it tells the digest, the tags, whether it is an index (`list.manifest.json`), when it was last uploaded
  (`updated`), changed (`modified`) and pulled (`stats[0].downloaded`). The size is that of the manifest's file, and the
  media type is not told. (https://jfrog.com/help/r/TFrtp_Jcpcw1vmlHZ63Gmw/ahtE3hEIqgdIKCf4Oav~Jw) What was never
  pulled is listed as well (devopshq/artifactory-cleanup#156).
- It searches local repositories, the caches of remote ones, and virtual ones
  (https://jfrog.com/help/r/jfrog-rest-apis/artifactory-query-language), though not in old versions (jfrog/jfrog-cli#4).
  Where it finds nothing, the catalog is asked.

The key comes from `registry.api_path` (`/artifactory/api/docker/KEY/v2/`). Else it is the first part of the target's
prefix, as in the repository path method (`HOST/KEY/app`), and the registry's listing of one repository has to confirm
it. Where each key has a host or a port of its own, crawl Artifactory's own host with `registry.api_path`
(https://jfrog.com/help/r/jfrog-artifactory-documentation/docker-repository-url-formats).

Price: one exchange, and one more where the key comes from the target. `registry.apis.own` is Artifactory's URL up to
and with `/artifactory`.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import orjson

from crawler.auth.credentials import NO_SCOPE
from crawler.errors import MalformedResponse
from crawler.model.grammar import MAX_NAME_LENGTH, NAME
from crawler.model.image import Image, ImageKind
from crawler.model.names import Target
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.transport.messages import Purpose, Request
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_count, parse_object, parse_text
from crawler.wire.tags import parse_listing
from crawler.wire.times import parse_time

_DEFAULT_CONTEXT: Final = "/artifactory"
_API_PATH: Final = re.compile(r"(?P<context>.*)/api/docker/(?P<key>[^/]+)/v2/")

_KINDS: Final[Mapping[str, ImageKind | None]] = {"manifest.json": None, "list.manifest.json": ImageKind.INDEX}
"""The files that hold manifests, and what is in them. A tag of several platforms has the second one
(devopshq/artifactory-cleanup#121)."""

_DIGEST_FOLDER: Final = re.compile(r"sha256(?::|__)([0-9a-f]{64})")
"""The folder of a manifest that was pushed by its digest (devopshq/artifactory-cleanup#121)."""

_FIELDS: Final = ("repo", "path", "name", "sha256", "updated", "modified", "stat.downloaded")

_NO_KEY: Final = (
    "Artifactory's AQL lists one repository of Artifactory, and neither registry.api_path nor the target names its "
    "key: crawl HOST/KEY, or set registry.api_path to /artifactory/api/docker/KEY/v2/"
)
_CUT: Final = (
    "crawl one prefix at a time, or raise Artifactory's limit "
    "(artifactory.search.userQueryLimit, aql.search.query.max.limit)"
)


def open_artifactory(access: ApiAccess) -> VendorApi:
    return VendorApi(names=ArtifactoryNames(access, locate(access.url, access.registry_url, access.target)))


class Location(NamedTuple):
    """Where the target's images are in Artifactory.

    Attributes:
        url: Artifactory's URL, up to and with `/artifactory`.
        key: of the repository of Artifactory; "" where it is not known.
        is_in_names: whether the registry's names begin with the key.
        folder: the target's prefix inside of the repository; "" for all of it.
    """

    url: str
    key: str
    is_in_names: bool
    folder: str


def locate(url: str, registry_url: str, target: Target) -> Location:
    """The location for the API at `url` and the registry at `registry_url`."""
    match = _API_PATH.fullmatch(urlsplit(registry_url).path)
    if not urlsplit(url).path:
        url += _DEFAULT_CONTEXT if match is None else match["context"]
    if match is not None:
        return Location(url, match["key"], is_in_names=False, folder=target.prefix)
    key, _, folder = target.prefix.partition("/")
    return Location(url, key, is_in_names=True, folder=folder)


class ArtifactoryNames:
    """The repositories of images in one repository of Artifactory, with their images."""

    def __init__(self, access: ApiAccess, location: Location) -> None:
        self._access = access
        self._client = access.with_login()
        self._location = location
        self._manifests = 0
        self._cut = ""

    async def pages(self) -> AsyncIterator[NamePage]:
        key = self._location.key
        if not key:
            return
        request = Request(
            url=f"{self._location.url}/api/search/aql",
            method="POST",
            content=make_query(key, self._location.folder),
            content_type="text/plain",
            purpose=Purpose.API,
            parse=parse_manifests,
        )
        found: FoundManifests = (await self._client.send(request, NO_SCOPE)).value
        prefix = f"{key}/" if self._location.is_in_names else ""
        if prefix:
            await self._confirm_names(f"{prefix}{name}" for name in found.by_name)
        self._manifests, self._cut = found.total, found.cut
        for name in list(found.by_name):
            yield {f"{prefix}{name}": make_repository_listing(found.by_name.pop(name), found.cut)}

    async def _confirm_names(self, names: Iterable[str]) -> None:
        """Check that the registry has one of the names. Raises RegistryError where it has not.

        A host may serve another repository of Artifactory, in which the target's prefix is a folder.
        """
        name = next(filter(_is_name, names), None)
        if name is not None:
            url, scope = f"{self._access.registry_url}{name}/tags/list", f"repository:{name}:pull"
            await self._access.registry.get(url, scope, partial(parse_listing, name), Purpose.API)

    def evidence(self, listed: int) -> Evidence:
        key = self._location.key
        if not key:
            return Evidence(complete=False, text=_NO_KEY)
        if not listed:
            place = f"{key}/{self._location.folder}".rstrip("/")
            text = (
                f"Artifactory's AQL lists no image of {place}, which proves nothing: check that {key} is the key of a "
                f"repository and that the account may read it; the key of a remote repository's cache is {key}-cache"
            )
            return Evidence(complete=False, text=text)
        text = f"Artifactory's AQL listed {self._manifests:,} manifests in {listed:,} repositories of {key}"
        if self._cut:
            return Evidence(complete=False, text=f"{text}; {self._cut}: {_CUT}")
        return Evidence(complete=True, text=f"{text}, which are all that the account may read")


def _is_name(name: str) -> bool:
    return len(name) <= MAX_NAME_LENGTH and NAME.fullmatch(name) is not None


def make_query(key: str, folder: str) -> bytes:
    """The query for the manifests of a repository of Artifactory, or of one folder in it."""
    criteria: dict[str, Any] = {"repo": key, "$or": [{"name": name} for name in _KINDS]}
    if folder:
        criteria["path"] = {"$match": f"{folder}/*"}
    fields = orjson.dumps(_FIELDS)[1:-1]
    return b"items.find(%b).include(%b)" % (orjson.dumps(criteria), fields)


class Manifest(NamedTuple):
    """A file with a manifest, as AQL lists it.

    Attributes:
        tag: None where the folder is that of a digest.
        digest: "" where it is not known.
        uploaded, updated, pulled: times as they came, which may be any JSON.
    """

    tag: str | None
    digest: str
    kind: ImageKind | None
    uploaded: Any
    updated: Any
    pulled: Any


class FoundManifests(NamedTuple):
    """What AQL found.

    Attributes:
        by_name: the manifests of each repository of images.
        total: how many results there are.
        cut: why these may not be all of them; "" where they are.
    """

    by_name: dict[str, list[Manifest]]
    total: int
    cut: str


def parse_manifests(body: bytes) -> FoundManifests:
    """Parse a result of AQL. Raises MalformedResponse.

    A result can have hundreds of thousands of items. So each item is dropped when it was read, and little is made of it
    here, where nothing else runs meanwhile: `make_repository_listing` does the rest.
    """
    document = parse_object(body)
    results, found = document.get("results"), document.get("range")
    if not isinstance(results, list) or not isinstance(found, dict):
        raise MalformedResponse("a result of AQL without 'results' and 'range'")
    total, cut = len(results), _parse_cut(found, len(results))
    by_name = defaultdict[str, list[Manifest]](list)
    results.reverse()
    while results:
        item = results.pop()
        if not isinstance(item, dict):
            raise MalformedResponse("'results' is not a list of objects")
        path, file = parse_text(item.get("path")), parse_text(item.get("name"))
        if path is None or file is None:
            raise MalformedResponse("a result of AQL without 'path' and 'name'")
        name, _, folder = path.rpartition("/")
        if name and file in _KINDS:  # any other file is no manifest of an image
            by_name[name].append(_parse_manifest(item, folder, _KINDS[file]))
    return FoundManifests(by_name, total, cut)


def _parse_cut(found: dict[str, Any], count: int) -> str:
    total, limit = parse_count(found.get("total")), parse_count(found.get("limit"))
    if total is not None and total > count:
        return f"Artifactory's AQL listed {count:,} of {total:,} manifests"
    if parse_text(found.get("notification")) is not None or (limit is not None and count >= limit):
        return f"Artifactory's AQL stopped at its limit, after {count:,} manifests"
    return ""


def _parse_manifest(item: dict[str, Any], folder: str, kind: ImageKind | None) -> Manifest:
    by_digest = _DIGEST_FOLDER.fullmatch(folder)
    digest = f"sha256:{parse_text(item.get('sha256'))}"
    if not is_digest(digest):  # Artifactory has it from 5.5 on
        digest = "" if by_digest is None else f"sha256:{by_digest[1]}"
    tag = folder if by_digest is None else None
    return Manifest(tag, digest, kind, item.get("updated"), item.get("modified"), _pulled(item.get("stats")))


def _pulled(stats: Any) -> Any:
    """When a file was last downloaded: `"stats": [{"downloaded": "2026-01-02T03:04:05.678Z"}]`."""
    first = stats[0] if isinstance(stats, list) and stats else None
    return first.get("downloaded") if isinstance(first, dict) else None


def make_repository_listing(manifests: list[Manifest], cut: str) -> Listing:
    """The listing of a repository. AQL has no order: the tags are sorted, and those without a digest are last.

    A folder can have both files, after a tag was pushed for one platform and then for several
    (estesp/manifest-tool#98), and two members of a virtual repository can have the same tag. The protocol says which
    manifest the tag then names.
    """
    manifests.sort(key=lambda manifest: manifest.tag or "")
    return make_listing(
        (_make_image(manifest) for manifest in manifests if manifest.digest),
        lists_untagged=False,  # what the account may not read, or a virtual repository has not cached, is left out
        without_digest=[manifest.tag for manifest in manifests if not manifest.digest and manifest.tag is not None],
        suspect=cut or None,
    )


def _make_image(manifest: Manifest) -> Image:
    return Image(
        digest=manifest.digest,
        tags=() if manifest.tag is None else (manifest.tag,),
        kind=manifest.kind,
        uploaded_at=parse_time(manifest.uploaded),
        updated_at=parse_time(manifest.updated),
        pulled_at=parse_time(manifest.pulled),
    )
