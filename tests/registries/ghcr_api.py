"""GitHub's packages API beside GHCR (https://docs.github.com/rest/packages/packages).

Its next links name an owner by its id, as `/organizations/9919/packages` for `/orgs/github/packages`
(https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.api_images import numbered_digest
from support.scripted import Entry, Reply, document, on

from .ghcr import NO_CATALOG, REFUSED
from .vocabulary import (
    BASIC,
    PASSWORD,
    guarded,
    guarded_by_token,
    listing,
    scope_of,
    token_server_entries,
)

NO_TOKEN = document({"message": "Requires authentication", "status": "401"}, status=401)
NOT_FOUND = document({"message": "Not Found", "status": "404"}, status=404)
FORBIDDEN = document({"message": "Resource not accessible by personal access token", "status": "403"}, status=403)
ACTIONS_TOKEN = document({"message": "Invalid argument.", "status": "400"}, status=400)
"""To the token of an Actions job that lists the packages of an organization (cli/cli#9606)."""

NO_ACCOUNT = document({"message": "Resource not accessible by integration", "status": "403"}, status=403)
"""To the token of an Actions job that asks whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A manifest of a package."""

    number: int
    tags: Sequence[str] = ()
    created: str = "2026-01-01T00:00:00Z"
    updated: str = "2026-01-02T00:00:00Z"

    @property
    def document(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "name": numbered_digest(self.number),
            "created_at": self.created,
            "updated_at": self.updated,
            "metadata": {"package_type": "container", "container": {"tags": list(self.tags)}},
        }


def with_token(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Entries for requests with the classic token, which is the password of the docker login as well."""
    return guarded(f"Bearer {re.escape(PASSWORD)}", NO_TOKEN, entries)


def accounts(owner: str, kind: str = "Organization", *, login: str = "Someone") -> list[Entry]:
    """What the owner is, and whose token it is. Logins have the upper case letters that names in GHCR lack."""
    return [
        on(f"/users/{owner}", document({"login": owner.title(), "id": 9919, "type": kind})),
        on("/user", document({"login": login, "id": 7, "type": "User"})),
    ]


def pages(path: str, entries: Sequence[Any], *, size: int = 100) -> list[Entry]:
    """A list in pages of `size`."""
    cuts = [entries[start : start + size] for start in range(0, len(entries), size)] or [[]]
    replies = []
    for number, cut in enumerate(cuts, start=1):
        links = f'<{{origin}}/organizations/9919/packages?page=1&per_page={size}>; rel="prev"'
        if number < len(cuts):
            url = f"{{origin}}/organizations/9919/packages?page={number + 1}&per_page={size}&package_type=container"
            links += f', <{url}>; rel="next", <{{origin}}/organizations/9919/packages?page={len(cuts)}>; rel="last"'
        reply = document(list(cut), ("Link", links))
        replies.append(on(path, reply, query={"page": str(number) if number > 1 else None}))
    return replies


def packages(base: str, names: Sequence[str], *, size: int = 100) -> list[Entry]:
    listed = [{"id": id_, "name": name, "package_type": "container"} for id_, name in enumerate(names)]
    return pages(f"{base}/packages", listed, size=size)


def versions_path(base: str, name: str) -> str:
    return f"{base}/packages/container/{name}/versions"


def versions(base: str, name: str, stored: Sequence[StoredVersion], *, size: int = 100) -> list[Entry]:
    return pages(versions_path(base, name), [version.document for version in stored], size=size)


def api(base: str, inventory: Mapping[str, Sequence[StoredVersion]], *, size: int = 100) -> tuple[Entry, ...]:
    """The packages of an owner, whose URL in the API is `base`, with their versions."""
    own = [entry for name, stored in inventory.items() for entry in versions(base, name, stored, size=size)]
    return with_token([*packages(base, list(inventory), size=size), *own])


def registry(owner: str, inventory: Mapping[str, Sequence[StoredVersion]], *, user: str | None = BASIC) -> list[Entry]:
    """GHCR itself, which has no catalog."""
    names = [f"{owner}/{name}" for name in inventory]
    tags = [[tag for version in stored for tag in version.tags] for stored in inventory.values()]
    return [
        on("/v2/", REFUSED),
        on("/v2/_catalog", NO_CATALOG),
        *(
            entry
            for name, its_tags in zip(names, tags, strict=True)
            for entry in guarded_by_token(scope_of(name), REFUSED, [listing(name, its_tags)])
        ),
        *token_server_entries("/token", list(map(scope_of, names)), service="ghcr.io", user=user),
    ]


def throttled(status: int, *headers: tuple[str, str], message: str = "API rate limit exceeded") -> Reply:
    return document({"message": message}, *headers, status=status)
