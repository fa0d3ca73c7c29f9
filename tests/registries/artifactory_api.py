"""Artifactory's query language beside its registry: manifests as AQL lists them, and the same images by the protocol.

(https://jfrog.com/help/r/jfrog-rest-apis/aql-execution; folders as in devopshq/artifactory-cleanup#121)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from support.digests import digest_of
from support.scripted import Entry, Reply, document, on

from .vocabulary import BASIC, guarded_by_basic, listing, names_of, one_page

KEY = "images"
API_PATH = f"/artifactory/api/docker/{KEY}/v2/"
AQL_PATH = "/artifactory/api/search/aql"
CHALLENGE = 'Basic realm="Artifactory Realm"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A manifest in its folder.

    Attributes:
        folder: the tag, or the folder of a digest.
        has_digest: whether Artifactory knows the file's sha256.
        pulled: None where nobody has pulled it.
    """

    repository: str
    folder: str
    content: str
    is_index: bool = False
    uploaded: str = "2026-03-01T10:00:00.000Z"
    updated: str = "2026-03-02T10:00:00.000Z"
    pulled: str | None = "2026-03-03T10:00:00.000Z"
    has_digest: bool = True

    @property
    def digest(self) -> str:
        return digest_of(self.content.encode())

    @property
    def item(self) -> dict[str, Any]:
        return {
            "repo": KEY,
            "path": f"{self.repository}/{self.folder}",
            "name": "list.manifest.json" if self.is_index else "manifest.json",
            "updated": self.uploaded,
            "modified": self.updated,
            **({"sha256": self.digest.removeprefix("sha256:")} if self.has_digest else {}),
            **({"stats": [{"downloaded": self.pulled}]} if self.pulled else {}),
        }


def by_digest(repository: str, content: str, separator: str = ":", **fields: Any) -> Stored:
    """A manifest that was pushed by its digest."""
    folder = digest_of(content.encode()).replace(":", separator)
    return Stored(repository=repository, folder=folder, content=content, **fields)


INVENTORY = (
    Stored(repository="app", folder="1.0", content="app 1"),
    Stored(repository="app", folder="latest", content="app 1", uploaded="2026-03-01T09:00:00.000Z", pulled=None),
    Stored(repository="app", folder="2.0", content="app 2", is_index=True, updated="2026-03-02T10:00:00.1239+02:00"),
    by_digest("app", "app 2 amd64", pulled=None),
    by_digest("app", "app 2 arm64", separator="__"),
    Stored(repository="team/web/front", folder="7", content="front"),
)
"""Everything that the key holds."""

TAGS = {"app": ("1.0", "2.0", "latest"), "team/web/front": ("7",)}


def aql(reply: Reply, authorization: str = BASIC, path: str = AQL_PATH) -> Entry:
    return on(path, reply, method="POST", headers={"Authorization": re.escape(authorization)})


def result(stored: Iterable[Stored], **found: Any) -> Reply:
    """A whole result; `found` overrides its range."""
    items = [each.item for each in stored]
    return items_result(items, **found)


def items_result(items: Sequence[Any], **found: Any) -> Reply:
    return document({"results": items, "range": {"start_pos": 0, "end_pos": len(items), "total": len(items), **found}})


def registry(base: str = API_PATH, prefix: str = "") -> tuple[Entry, ...]:
    """The registry with its catalog, whose names begin with the prefix."""
    catalog = one_page(f"{base}_catalog", names_of([f"{prefix}{name}" for name in TAGS]))
    listings = [listing(f"{prefix}{name}", tags, base) for name, tags in TAGS.items()]
    return guarded_by_basic(CHALLENGE, [catalog, *listings], base=base)


def manifest(name: str, reference: str, content: str, base: str = API_PATH) -> tuple[Entry, ...]:
    """A manifest by the protocol."""
    headers = (("Content-Type", "application/json"), ("Docker-Content-Digest", digest_of(content.encode())))
    return guarded_by_basic(
        CHALLENGE,
        [on(f"{base}{name}/manifests/{reference}", Reply(headers=headers, body=content.encode()))],
        base=base,
    )
