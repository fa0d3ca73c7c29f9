"""GitLab's API of repositories, and the API of tags that its registry has beside `/v2/`.

Names: https://docs.gitlab.com/api/container_registry/, with the headers of https://docs.gitlab.com/api/rest/#pagination.
Tags: gitlab-org/container-registry docs/spec/gitlab/api.md, and registry/handlers/repositories.go, generateLink, for
the next link, which leaves `referrers` out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from support.api_images import numbered_digest
from support.scripted import Entry, Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    PASSWORD,
    guarded,
    guarded_by_token,
    listing,
    names_of,
    one_page,
    scope_of,
    token_server_entries,
    unauthorized,
)

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SBOM = "application/vnd.cyclonedx+json"
SERVICE = "container_registry"
REFUSED = unauthorized(f'Bearer realm="{{origin}}/jwt/auth",service="{SERVICE}"')
NOT_FOUND = document({"message": "404 Group Not Found"}, status=404)
UNAUTHORIZED = document({"message": "401 Unauthorized"}, status=401)
NO_DATABASE = refusal(404, "NOT_FOUND", "endpoint not implemented: metadata database is disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTag:
    """A tag in the metadata database. Times are those of the tag; `updated` is None for a tag that never moved."""

    name: str
    number: int
    media_type: str = OCI_IMAGE
    size: int = 1000
    created: str = "2026-01-01T00:00:00.000Z"
    updated: str | None = None
    referrers: Sequence[tuple[str, int]] = ()

    def document(self, *, with_referrers: bool) -> dict[str, Any]:
        """The tag's entry. Fields without a value are left out, as Go's `omitempty` does."""
        entry = {
            "name": self.name,
            "digest": numbered_digest(self.number),
            "config_digest": numbered_digest(self.number + 10**9),
            "media_type": self.media_type,
            "size_bytes": self.size,
            "created_at": self.created,
            "published_at": self.updated or self.created,
        }
        if self.updated is not None:
            entry["updated_at"] = self.updated
        if with_referrers and self.referrers:
            entry["referrers"] = [
                {"artifactType": kind, "digest": numbered_digest(number)} for kind, number in self.referrers
            ]
        return entry


def repositories_path(resource: str, path: str) -> str:
    return f"/api/v4/{resource}/{path}/registry/repositories"


def repositories(
    path: str, names: Sequence[str], *, size: int = 100, total: int | None = None, host: str = "{origin}"
) -> list[Entry]:
    """A group's or project's repositories, in pages of `size`; `total` is what X-Total says, if it is wrong."""
    pages = [names[start : start + size] for start in range(0, len(names), size)] or [[]]
    entries = []
    for number, page in enumerate(pages, start=1):
        following = str(number + 1) if number < len(pages) else ""
        links = [f'<{host}{path}?id=1&page=1&per_page={size}>; rel="first"']
        if following:
            links.insert(0, f'<{host}{path}?id=1&page={following}&per_page={size}>; rel="next"')
        headers = (
            ("Link", ", ".join(links)),
            ("X-Next-Page", following),
            ("X-Total", str(len(names) if total is None else total)),
        )
        listed = [{"id": id_, "name": "", "path": name, "project_id": 9} for id_, name in enumerate(page)]
        entries.append(on(path, document(listed, *headers), query={"page": str(number) if number > 1 else None}))
    return entries


def with_read_api(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Entries for requests with the access token, which is the registry's password as well."""
    return guarded(f"Bearer {re.escape(PASSWORD)}", UNAUTHORIZED, entries)


def tags_path(name: str) -> str:
    return f"/gitlab/v1/repositories/{name}/tags/list/"


def tag_pages(name: str, tags: Sequence[StoredTag], *, size: int = 1000, links: bool = True) -> list[Entry]:
    """A repository's tags in pages of `size`. Without `links`, the next link got lost on the way."""
    path = tags_path(name)
    pages = [tags[start : start + size] for start in range(0, len(tags), size)] or [[]]
    entries = []
    for number, page in enumerate(pages):
        last = pages[number - 1][-1].name if number else None
        link: tuple[tuple[str, str], ...] = ()
        if links and number + 1 < len(pages):
            link = (("Link", f'<{{origin}}{path}?last={quote(page[-1].name)}&n={size}&sort=name>; rel="next"'),)
        for referrers in ("true", None):
            body = [tag.document(with_referrers=referrers is not None) for tag in page]
            query = {"last": None if last is None else re.escape(last), "referrers": referrers}
            entries.append(on(path, document(body, *link), query=query))
    if not links:
        entries.append(on(path, document([]), query={"last": re.escape(pages[-1][-1].name)}))
    return entries


def registry(inventory: dict[str, Sequence[StoredTag]], *, api: Reply | None = None, size: int = 1000) -> list[Entry]:
    """The registry, whose API answers `api` to every request, if that is given. Its catalog is the administrator's."""
    entries = [
        on("/v2/", REFUSED),
        *guarded_by_token(CATALOG_SCOPE, REFUSED, [one_page("/v2/_catalog", names_of(list(inventory)))]),
        *token_server_entries("/jwt/auth", [CATALOG_SCOPE, *map(scope_of, inventory)], service=SERVICE, user=BASIC),
    ]
    for name, tags in inventory.items():
        own = tag_pages(name, tags, size=size) if api is None else [on(tags_path(name), api)]
        protocol = [listing(name, [tag.name for tag in tags])]
        entries += guarded_by_token(scope_of(name), REFUSED, [*own, *protocol])
    return entries
