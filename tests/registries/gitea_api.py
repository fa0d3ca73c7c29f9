"""Gitea's packages API beside its registry: a version for each tag and each untagged manifest, the newest first.

(go-gitea/gitea routers/api/v1/packages/package.go, `ListPackages`; services/context/api.go, `SetLinkHeader`)
"""

import re
from collections.abc import Sequence
from typing import Any

from support.digests import digest_of
from support.scripted import Entry, Reply, document, on, refusal

from .gitea import GITEA_CHALLENGES
from .vocabulary import BASIC, guarded, listing, names_of, one_page

OWNER = "org"
PACKAGES = f"/api/v1/packages/{OWNER}"
PAGE_SIZE = 50

TAGS = {"org/app": ("1.0", "latest"), "org/nested/tool": ("2",), "org/many": tuple(f"{each:03}" for each in range(60))}


def version(name: str, tag: str, **fields: Any) -> dict[str, Any]:
    """An entry of a page; `name` is without the owner."""
    return {
        "id": 7,
        "owner": {"login": "Org"},
        "repository": None,
        "type": "container",
        "name": name,
        "version": tag,
        "created_at": "2026-03-01T10:00:00Z",
        **fields,
    }


UNTAGGED = version("app", digest_of(b"untagged"))
VERSIONS = [UNTAGGED] + [
    version(name.removeprefix(f"{OWNER}/"), tag) for name, tags in reversed(TAGS.items()) for tag in reversed(tags)
]
"""64 versions on two pages."""


_PASSWORD = re.escape(BASIC)


def pages(
    versions: Sequence[dict[str, Any]],
    *,
    size: int = PAGE_SIZE,
    total: int | None = None,
    authorization: str | None = _PASSWORD,
) -> list[Entry]:
    """All pages, and an empty one after them. `total` is what `X-Total-Count` says, where it is not right."""
    starts = range(0, len(versions) + size, size)
    return [
        page(number, versions[start : start + size], len(versions) if total is None else total, authorization)
        for number, start in enumerate(starts, 1)
    ]


def page(number: int, versions: Sequence[Any], total: int | None, authorization: str | None = _PASSWORD) -> Entry:
    """`total` is None where a proxy drops the header."""
    headers = () if total is None else (("X-Total-Count", str(total)),)
    return packages(document(list(versions), *headers), number, authorization)


def packages(reply: Reply, number: int = 1, authorization: str | None = _PASSWORD) -> Entry:
    """A page of the API. Gitea takes fewer than `limit` versions where its settings say so."""
    query = {"type": "container", "limit": str(PAGE_SIZE), "page": str(number)}
    return on(PACKAGES, reply, query=query, headers={"Authorization": authorization})


def registry() -> tuple[Entry, ...]:
    """Any token opens everything."""
    refused = refusal(401, "UNAUTHORIZED", "", *GITEA_CHALLENGES)
    content = [one_page("/v2/_catalog", names_of(list(TAGS))), *(listing(name, tags) for name, tags in TAGS.items())]
    return (
        on("/v2/", refused),
        *guarded("Bearer minted-.+", refused, content),
        on("/v2/token", document({"token": "minted-{count}"}), headers={"Authorization": re.escape(BASIC)}),
        on("/v2/token", document({"token": "minted-anonymous-{count}"}), headers={"Authorization": None}),
    )
