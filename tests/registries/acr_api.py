"""ACR's own API: `/acr/v1/_catalog`, `_manifests` and `_tags`, in pages of 100 with a link.

(Azure/acr-cli docs/swagger.yaml and internal/testutil/testhelper.go; Azure/acr#749 and Azure/acr#529 for its limits)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from support.api_images import api_image, api_platform, numbered_digest
from support.scripted import Entry, document, on

PAGE_SIZE = 100
MAX_TAGS_LISTED = 10
"""The most tags that a manifest is listed with."""

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
IMAGE_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
WRITABLE = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
CATALOG = "/acr/v1/_catalog"


@dataclass(frozen=True, slots=True)
class AcrManifest:
    """A manifest as the API has it, and the image that a record must have for it."""

    tags: tuple[str, ...]
    json: Mapping[str, Any]
    image: Mapping[str, Any]


def manifests_path(repository: str) -> str:
    return f"/acr/v1/{repository}/_manifests"


def tags_path(repository: str) -> str:
    return f"/acr/v1/{repository}/_tags"


def scope_of(repository: str) -> str:
    return f"repository:{repository}:metadata_read"


def _manifest(number: int, tags: Sequence[str], json: Mapping[str, Any], **told: Any) -> AcrManifest:
    digest = numbered_digest(number)
    value = {
        "digest": digest,
        "createdTime": "2026-11-01T10:00:00.1234567Z",
        "lastUpdateTime": "2026-11-02T10:00:00Z",
        "changeableAttributes": WRITABLE,
        "tags": list(tags[:MAX_TAGS_LISTED]),
        **json,
    }
    times = {"uploaded_at": "2026-11-01T10:00:00.123Z", "updated_at": "2026-11-02T10:00:00.000Z"}
    return AcrManifest(tuple(tags), value, api_image(digest, *tags, **times, **told))


def single(number: int, *tags: str) -> AcrManifest:
    """An image with one platform."""
    json = {
        "imageSize": 2_796_860,
        "architecture": "amd64",
        "os": "linux",
        "mediaType": IMAGE_TYPE,
        "configMediaType": CONFIG_TYPE,
    }
    platform = api_platform(numbered_digest(number), os="linux", architecture="amd64", role="image")
    return _manifest(number, tags, json, media_type=IMAGE_TYPE, size_bytes=2_796_860, platforms=[platform])


def attestation(number: int) -> AcrManifest:
    """BuildKit's attestation beside an image: it has no tag, and no platform."""
    json = {"imageSize": 900, "architecture": "unknown", "os": "unknown", "mediaType": IMAGE_TYPE, "tags": None}
    return _manifest(number, (), json, media_type=IMAGE_TYPE, size_bytes=900)


def index(number: int, *tags: str, children: Sequence[int] | None = None) -> AcrManifest:
    """An index. The API may list its children, or not."""
    json: dict[str, Any] = {"imageSize": 0, "mediaType": INDEX_TYPE}
    platforms = None
    if children is not None:
        digests = list(map(numbered_digest, children))
        json["references"] = [{"digest": digest, "os": "linux", "architecture": "arm64"} for digest in digests]
        platforms = [api_platform(digest, os="linux", architecture="arm64", role="image") for digest in digests]
    return _manifest(number, tags, json, kind="index", media_type=INDEX_TYPE, platforms=platforms)


def without_digest(*tags: str) -> AcrManifest:
    return AcrManifest(tags, {"digest": "sha1:abc", "tags": list(tags)}, {})


def expected(held: Iterable[AcrManifest]) -> list[Mapping[str, Any]]:
    """The images that a record must have, ordered by digest."""
    return sorted((manifest.image for manifest in held if manifest.image), key=lambda image: image["digest"])


def catalog(names: Sequence[str], size: int = PAGE_SIZE) -> list[Entry]:
    return _pages(CATALOG, "repositories", list(names), [*names], size)


def manifests(repository: str, held: Sequence[AcrManifest], size: int = PAGE_SIZE) -> list[Entry]:
    """The manifests of a repository; null for an empty one."""
    values = [manifest.json for manifest in held]
    return _pages(manifests_path(repository), "manifests", values, [value["digest"] for value in values], size)


def tags(repository: str, held: Sequence[AcrManifest], size: int = PAGE_SIZE) -> list[Entry]:
    """The tags of a repository, each with its digest."""
    digests = {tag: manifest.json["digest"] for manifest in held for tag in manifest.tags}
    values = [
        {"name": tag, "digest": digests[tag], "createdTime": "2026-11-02T10:00:00Z", "signed": False}
        for tag in sorted(digests)
    ]
    return _pages(tags_path(repository), "tags", values, sorted(digests), size)


def api(inventory: Mapping[str, Sequence[AcrManifest]]) -> list[Entry]:
    """All lists of the API, for everyone."""
    lists = [[*manifests(name, held), *tags(name, held)] for name, held in inventory.items()]
    return [*catalog(list(inventory)), *(entry for entries in lists for entry in entries)]


def unlinked(entries: Iterable[Entry]) -> list[Entry]:
    """The same pages without a link."""
    return [replace(entry, reply=entry.reply.but(headers=entry.reply.headers[:1])) for entry in entries]


def _pages(path: str, field: str, values: Sequence[Any], cursors: Sequence[str], size: int) -> list[Entry]:
    """A list in pages of `size`, whatever is requested, and the empty page after the last entry."""
    starts = range(0, len(values), size) or [0]
    entries = []
    for start in starts:
        page, last = values[start : start + size], None if not start else cursors[start - 1]
        following = cursors[start + size - 1] if start + size < len(values) else None
        url = f"{path}?last={quote(following or '', safe='')}&n={size}&orderby="
        link = () if following is None else (("Link", f'<{url}>; rel="next"'),)
        body = {"registry": "ours.azurecr.io", "imageName": path[8:].rpartition("/")[0], field: list(page) or None}
        entries.append(on(path, document(body, *link), query={"last": last}))
    if values:
        entries.append(on(path, document({field: None}), query={"last": cursors[-1]}))
    return entries
