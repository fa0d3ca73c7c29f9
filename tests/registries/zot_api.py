"""zot's search: `ImageList`, sorted by repository and tag, in pages by offset.

(project-zot/zot pkg/extensions/search: resolver.go, pagination/image_pagination.go, convert/metadb.go)
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.api_images import api_image, api_platform, numbered_digest
from support.scripted import Entry, Reply, document, on

SEARCH = "/v2/_zot/ext/search"
PAGE_SIZE = 1000
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
SBOM_TYPE = "application/spdx+json"
NEVER = "1970-01-01T00:00:00Z"
NO_TIME = "0001-01-01T00:00:00Z"

PLAIN_404 = Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found\n")
"""A server without the search extension."""


@dataclass(frozen=True, slots=True)
class ZotTag:
    """A tag as the search has it, and the image that a record must have for it.

    Attributes:
        json: None for a tag that the search leaves out.
    """

    name: str
    json: Mapping[str, Any] | None
    image: Mapping[str, Any]


def _manifest(digest: str, system: str, arch: str, artifact_type: str = CONFIG_TYPE) -> dict[str, Any]:
    return {"Digest": digest, "ArtifactType": artifact_type, "Platform": {"Os": system, "Arch": arch}}


def _tag(name: str, digest: str, manifests: Sequence[Any], changes: Mapping[str, Any], **told: Any) -> ZotTag:
    value = {
        "Tag": name,
        "Digest": digest,
        "MediaType": IMAGE_TYPE,
        "Size": "2796860",
        "LastUpdated": "2026-10-01T10:00:00Z",
        "IsSigned": False,
        "PushTimestamp": "2026-11-01T10:00:00.5Z",
        "LastPullTimestamp": "2026-11-20T10:00:00Z",
        "TaggedTimestamp": "2026-11-02T10:00:00.123456789Z",
        "Manifests": list(manifests),
        "Referrers": [],
        **changes,
    }
    known = {
        "media_type": IMAGE_TYPE,
        "size_bytes": 2_796_860,
        "created_at": "2026-10-01T10:00:00.000Z",
        "uploaded_at": "2026-11-01T10:00:00.500Z",
        "updated_at": "2026-11-02T10:00:00.123Z",
        "pulled_at": "2026-11-20T10:00:00.000Z",
        "referrers": [],
    }
    return ZotTag(name, value, api_image(digest, name, **{**known, **told}))


def single(name: str, number: int, *, told: Mapping[str, Any] | None = None, **changes: Any) -> ZotTag:
    """A tag of an image with one platform. `told` are the fields of a record that the changes change."""
    digest = numbered_digest(number)
    platform = api_platform(digest, os="linux", architecture="arm64", variant="v8", role="image")
    manifests = [_manifest(digest, "linux", "arm64/v8")]
    return _tag(name, digest, manifests, changes, **{"platforms": [platform], **(told or {})})


def index(name: str, number: int) -> ZotTag:
    """A tag of an index with an image and an attestation, which was never pulled. Its media type is not known."""
    digest, image, attestation = map(numbered_digest, range(number, number + 3))
    platforms = [
        api_platform(image, os="linux", architecture="amd64", role="image"),
        api_platform(attestation, role="attestation"),
    ]
    manifests = [_manifest(image, "linux", "amd64"), _manifest(attestation, "unknown", "unknown")]
    changes = {"MediaType": INDEX_TYPE, "LastPullTimestamp": NEVER, "LastUpdated": NO_TIME}
    told = {"kind": "index", "media_type": None, "pulled_at": None, "created_at": None, "platforms": platforms}
    return _tag(name, digest, manifests, changes, **told)


def artifact(name: str, number: int) -> ZotTag:
    """A tag of an SBOM, without a platform."""
    digest = numbered_digest(number)
    return _tag(name, digest, [_manifest(digest, "", "", SBOM_TYPE)], {}, artifact_type=SBOM_TYPE)


def unsearchable(name: str, number: int) -> ZotTag:
    """A tag that the search leaves out: a signature's, or the index of the fallback scheme."""
    return ZotTag(name, None, api_image(numbered_digest(number), name))


def expected(held: Iterable[ZotTag]) -> list[Mapping[str, Any]]:
    """The images that a record must have, ordered by digest, each with all of its tags."""
    images: dict[str, dict[str, Any]] = {}
    for tag in held:
        known = images.setdefault(tag.image["digest"], {**tag.image, "tags": []})
        known["tags"] = [*known["tags"], tag.name]
        times = [time for time in (known["updated_at"], tag.image["updated_at"]) if time]
        known["updated_at"] = max(times, default=None)
    return [images[digest] for digest in sorted(images)]


def results_of(inventory: Mapping[str, Sequence[ZotTag]]) -> list[dict[str, Any]]:
    """The images of all repositories, in the order of repository and tag."""
    tags = [(name, tag.name, tag.json) for name, held in inventory.items() for tag in held]
    return [
        {"RepoName": name, **value} for name, _, value in sorted(tags, key=lambda tag: tag[:2]) if value is not None
    ]


def images_page(results: Sequence[Any], total: int, **beside: Any) -> Reply:
    page = {"TotalCount": total, "ItemCount": len(results)}
    return document({**beside, "data": {"ImageList": {"Page": page, "Results": list(results)}}})


def asking(repository: str, offset: int | None = None) -> dict[str, str]:
    """The query of a request for the images of a repository from this offset on, or from any."""
    limit = PAGE_SIZE + (1 if offset else 0)
    page = (
        r"\{.*\}" if offset is None else re.escape(f'{{"limit":{limit},"offset":{offset},"sortBy":"ALPHABETIC_ASC"}}')
    )
    return {"variables": rf'\{{"repo":{re.escape(json.dumps(repository))},"page":{page}\}}'}


def search(inventory: Mapping[str, Sequence[ZotTag]]) -> list[Entry]:
    """The images of all repositories, and those of each."""
    of_each = [entry for name, held in inventory.items() for entry in _pages(name, results_of({name: held}))]
    return [*_pages("", results_of(inventory)), *of_each]


def _pages(repository: str, results: Sequence[Any]) -> list[Entry]:
    offsets = [0, *range(PAGE_SIZE - 1, len(results) - 1, PAGE_SIZE)]
    return [
        on(
            SEARCH,
            images_page(results[offset : offset + PAGE_SIZE + (1 if offset else 0)], len(results)),
            query=asking(repository, offset),
        )
        for offset in offsets
    ]


def without_fields(*names: str) -> Entry:
    """A server that does not know these fields (99designs/gqlgen: 422, graphql/errcode/codes.go)."""
    message = f'Cannot query field "{names[0]}" on type "ImageSummary".'
    error = {"message": message, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}
    return on(
        SEARCH, document({"errors": [error], "data": None}, status=422), query={"query": f".*({'|'.join(names)}).*"}
    )


def protocol(inventory: Mapping[str, Sequence[ZotTag]]) -> list[Entry]:
    """The catalog and the tags of each repository."""
    tags = {name: [tag.name for tag in held] for name, held in inventory.items()}
    return [
        on("/v2/", document({})),
        on("/v2/_catalog", document({"repositories": list(tags)})),
        *(on(f"/v2/{name}/tags/list", document({"name": name, "tags": listed})) for name, listed in tags.items()),
    ]
