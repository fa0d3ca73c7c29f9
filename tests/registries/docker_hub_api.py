"""Docker Hub's own API: tags with their images, and private repositories for a login.

(https://docs.docker.com/reference/api/hub/latest/; the same fields are in docker/docs content/reference/api/hub)
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from support.api_images import api_image, api_platform, numbered_digest
from support.scripted import Entry, document, on

from .vocabulary import guarded

NAMESPACE = "library"
PAGE_SIZE = 100
TOKEN_PATH = "/v2/auth/token"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
IMAGE_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
ACCESS_TOKEN = "hub-access-token"
WITH_TOKEN = rf"Bearer {re.escape(ACCESS_TOKEN)}-\d+"

REFUSED = document({"detail": "Incorrect authentication credentials", "message": "unauthorized"}, status=401)


@dataclass(frozen=True, slots=True)
class HubTag:
    """A tag as the API has it, and the image that a record must have for it."""

    name: str
    json: Mapping[str, Any]
    image: Mapping[str, Any] | None


def single(name: str, number: int) -> HubTag:
    """A tag of an image with one platform."""
    digest = numbered_digest(number)
    platform = {"architecture": "arm64", "features": "", "variant": "v8", "os": "linux", "os_features": "", "size": 31}
    value = {
        "name": name,
        "digest": digest,
        "media_type": IMAGE_TYPE,
        "content_type": "image",
        "full_size": 2_796_860,
        "last_updated": "2026-11-02T10:00:00.123456Z",
        "tag_last_pushed": "2026-11-01T10:00:00.5Z",
        "tag_last_pulled": "2026-11-20T10:00:00Z",
        "tag_status": "active",
        "images": [{**platform, "digest": digest, "os_version": None, "status": "active"}],
    }
    image = api_image(
        digest,
        name,
        media_type=IMAGE_TYPE,
        size_bytes=2_796_860,
        uploaded_at="2026-11-01T10:00:00.500Z",
        updated_at="2026-11-02T10:00:00.123Z",
        pulled_at="2026-11-20T10:00:00.000Z",
        platforms=[api_platform(digest, os="linux", architecture="arm64", variant="v8", role="image")],
    )
    return HubTag(name, value, image)


def index(name: str, number: int) -> HubTag:
    """A tag of an index with two platforms and an attestation. It was never pulled."""
    digest, *children = map(numbered_digest, range(number, number + 4))
    platforms = [("linux", "amd64"), ("windows", "amd64"), ("unknown", "unknown")]
    value = {
        "name": name,
        "digest": digest,
        "media_type": INDEX_TYPE,
        "full_size": 41,
        "last_updated": "2026-11-02T10:00:00Z",
        "tag_last_pushed": "2026-11-02T10:00:00Z",
        "tag_last_pulled": None,
        "images": [
            {"os": system, "architecture": architecture, "variant": None, "os_version": "10.0", "digest": child}
            for (system, architecture), child in zip(platforms, children, strict=True)
        ],
    }
    roles = ("image", "image", "attestation")
    image = api_image(
        digest,
        name,
        kind="index",
        media_type=INDEX_TYPE,
        size_bytes=41,
        uploaded_at="2026-11-02T10:00:00.000Z",
        updated_at="2026-11-02T10:00:00.000Z",
        platforms=[
            api_platform(
                child,
                os=None if role == "attestation" else system,
                architecture=None if role == "attestation" else architecture,
                os_version="10.0",
                role=role,
            )
            for (system, architecture), child, role in zip(platforms, children, roles, strict=True)
        ],
    )
    return HubTag(name, value, image)


def without_digest(name: str) -> HubTag:
    """A tag of long ago, for which the API has no digest."""
    return HubTag(name, {"name": name, "images": [], "full_size": 0, "last_updated": "0001-01-01T00:00:00Z"}, None)


def after_deletion(pages: list[Entry], moved: list[Any]) -> list[Entry]:
    """A list of which an entry of the first page is deleted before the last page is read.

    `moved` are the entries that the last page then has: the first one moved up, to the page before.
    """
    *before, last = pages
    body = {"count": PAGE_SIZE * len(before) + len(moved), "next": None, "previous": None, "results": moved}
    return [*before, on(last.match.path, document(body), query=last.match.query)]


def tags(repository: str, entries: Iterable[HubTag], *, count: int | None = None) -> list[Entry]:
    """The tags of a repository in pages of 100. `count` is what the API says that there are."""
    path = f"/v2/namespaces/{NAMESPACE}/repositories/{repository}/tags"
    return _pages(path, [tag.json for tag in entries], count)


def repositories(names: Iterable[str]) -> list[Entry]:
    path = f"/v2/namespaces/{NAMESPACE}/repositories"
    return _pages(path, [{"name": name, "namespace": NAMESPACE} for name in names], None)


def _pages(path: str, results: list[Any], count: int | None) -> list[Entry]:
    starts = range(0, len(results), PAGE_SIZE) or [0]
    entries = []
    for number, start in enumerate(starts, start=1):
        is_last = start + PAGE_SIZE >= len(results)
        link = None if is_last else f"https://hub.docker.com{path}?page={number + 1}&page_size={PAGE_SIZE}"
        body = {"count": len(results) if count is None else count, "next": link, "previous": None}
        query = {"page_size": str(PAGE_SIZE), "page": None if number == 1 else str(number)}
        entries.append(on(path, document({**body, "results": results[start : start + PAGE_SIZE]}), query=query))
    return entries


def for_members(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for requests with an access token, and the login that gives one."""
    granted = document({"access_token": f"{ACCESS_TOKEN}-{{count}}"})
    return (*guarded(WITH_TOKEN, REFUSED, entries), on(TOKEN_PATH, granted, method="POST"))
