"""Nexus's REST API beside its registry: components in pages of 10, and the same images by the protocol.

(sonatype/nexus-public ComponentsResource.java and AssetXOBuilder.java; the shape of a component is that of
sonatype/nexus-public#253)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from support.digests import digest_of
from support.scripted import Entry, Reply, document, on

from .vocabulary import BASIC, guarded_by_basic, listing, names_of, one_page

REPOSITORY = "docker-hosted"
API_PATH = f"/repository/{REPOSITORY}/v2/"
COMPONENTS = "/service/rest/v1/components"
CHALLENGE = 'BASIC realm="Sonatype Nexus Repository Manager"'
PAGE_SIZE = 10

IMAGE_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A component with one manifest.

    Attributes:
        version: the tag; None for the manifest's digest.
        uploaded: None where the version of Nexus does not list `blobCreated`.
        slash: whether the path of an asset begins with a slash, as in newer versions.
    """

    name: str
    content: str
    version: str | None = None
    media_type: str = IMAGE_TYPE
    uploaded: str | None = "2026-03-01T10:00:00.000+00:00"
    updated: str = "2026-03-02T10:00:00.000+00:00"
    pulled: str | None = "2026-03-03T10:00:00.000+00:00"
    slash: bool = True

    @property
    def digest(self) -> str:
        return digest_of(self.content.encode())

    @property
    def reference(self) -> str:
        return self.version or self.digest

    @property
    def asset(self) -> dict[str, Any]:
        path = f"v2/{self.name}/manifests/{self.reference}"
        return {
            "path": f"/{path}" if self.slash else path,
            "repository": REPOSITORY,
            "format": "docker",
            "checksum": {"sha1": "0" * 40, "sha256": self.digest.removeprefix("sha256:")},
            "contentType": self.media_type,
            "lastModified": self.updated,
            "lastDownloaded": self.pulled,
            "fileSize": 1583,
            "docker": {},
            **({"blobCreated": self.uploaded} if self.uploaded else {}),
        }

    @property
    def component(self) -> dict[str, Any]:
        return component(self.name, self.reference, [self.asset])


def component(name: str, version: str, assets: list[Any]) -> dict[str, Any]:
    return {"repository": REPOSITORY, "format": "docker", "group": None, "name": name, "version": version} | {
        "assets": assets
    }


INVENTORY = (
    Stored(name="app", version="1.0", content="app 1"),
    Stored(name="team/web/front", version="7", content="front", slash=False, uploaded=None),
    Stored(name="app", version="latest", content="app 1", pulled=None),
    Stored(name="app", version="2.0", content="app 2", media_type=INDEX_TYPE),
    Stored(name="app", content="app 2 amd64", pulled=None),
    *(Stored(name="many", version=f"{number:02}", content=f"many {number}") for number in range(7)),
)
"""Twelve components on two pages, in no order of names."""

TAGS = {"app": ("1.0", "2.0", "latest"), "team/web/front": ("7",), "many": tuple(f"{each:02}" for each in range(7))}


def pages(items: Sequence[Any], *, size: int = PAGE_SIZE, authorization: str = BASIC, base: str = "") -> list[Entry]:
    """All pages of components. A last page that is full continues with an empty one."""
    starts = range(0, len(items) + 1, size)
    return [
        components(
            document({"items": list(items[start : start + size]), "continuationToken": _token(start + size, starts)}),
            token=_token(start, starts) if start else None,
            authorization=authorization,
            base=base,
        )
        for start in starts
    ]


def _token(start: int, starts: range) -> str | None:
    return f"88491cd1/{start}=" if start in starts else None


def components(reply: Reply, *, token: str | None = None, authorization: str = BASIC, base: str = "") -> Entry:
    query = {"repository": REPOSITORY, "continuationToken": None if token is None else re.escape(token)}
    return on(f"{base}{COMPONENTS}", reply, query=query, headers={"Authorization": re.escape(authorization)})


def stored(inventory: Iterable[Stored]) -> list[dict[str, Any]]:
    return [each.component for each in inventory]


def registry(base: str = API_PATH) -> tuple[Entry, ...]:
    catalog = one_page(f"{base}_catalog", names_of(list(TAGS)))
    return guarded_by_basic(
        CHALLENGE, [catalog, *(listing(name, tags, base) for name, tags in TAGS.items())], base=base
    )


def manifest(name: str, reference: str, content: str, base: str = API_PATH) -> tuple[Entry, ...]:
    """A manifest by the protocol."""
    headers = (("Content-Type", IMAGE_TYPE), ("Docker-Content-Digest", digest_of(content.encode())))
    served = on(f"{base}{name}/manifests/{reference}", Reply(headers=headers, body=content.encode()))
    return guarded_by_basic(CHALLENGE, [served], base=base)
