"""Gitea and Forgejo: pages of at most 100, a link on the last page with entries, a token without a lifetime."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from support.scripted import Entry, document, on, refusal

from .vocabulary import (
    BASIC,
    WITH_PASSWORD,
    Scripted,
    guarded,
    names_of,
    numbered,
    paged,
    relative,
    tags_of,
)

REPOSITORIES = {"org/app": numbered("build-", 130), **dict.fromkeys(numbered("org/image-", 102), ("latest",))}
CATALOG = "/v2/_catalog"

GITEA_CHALLENGES = (("WWW-Authenticate", 'Bearer realm="{origin}/v2/token",service="container_registry",scope="*"'),)
FORGEJO_CHALLENGES = (*GITEA_CHALLENGES, ("WWW-Authenticate", 'Basic realm="{origin}"'))


def list_pages(path: str, body_of: Callable[[list[str]], Any], entries: Sequence[str]) -> list[Entry]:
    """Pages of 100, even where more are requested."""
    return paged(path, body_of, entries, size=100, link_url=relative(path, 100), empty_last=True)


def linked_for_ever(entry: Entry) -> Entry:
    """The empty last page, with a link to itself."""
    if entry.match.path != CATALOG or b"[]" not in entry.reply.body:
        return entry
    link = f'<{relative(CATALOG, 100)("org/image-0101")}>; rel="next"'
    return replace(entry, reply=entry.reply.with_headers(("Link", link)))


def script(*challenges: tuple[str, str]) -> tuple[Entry, ...]:
    """Any token opens everything. The token response holds nothing else."""
    refused = refusal(401, "UNAUTHORIZED", "", *challenges)
    listings = [
        entry
        for name, tags in REPOSITORIES.items()
        for entry in list_pages(f"/v2/{name}/tags/list", tags_of(name), tags)
    ]
    granted = document({"token": "minted-{count}"})
    return (
        on("/v2/", refused),
        *guarded("Bearer minted-.+", refused, [*list_pages(CATALOG, names_of, list(REPOSITORIES)), *listings]),
        on("/v2/token", granted, headers={"Authorization": re.escape(BASIC)}),
    )


EXCHANGES = 1 + (1 + 3) + 103 * (1 + 2) + 1
PASSWORD_PATHS = frozenset({"/v2/token"})

GITEA = Scripted(
    kind="gitea",
    script=script(*GITEA_CHALLENGES),
    repositories=REPOSITORIES,
    config=WITH_PASSWORD,
    password_paths=PASSWORD_PATHS,
    evidence="the catalog listed 103 names on 3 pages: no next link",
    exchanges=EXCHANGES,
    tokens=104,
)

FORGEJO = Scripted(
    kind="gitea",
    script=tuple(map(linked_for_ever, script(*FORGEJO_CHALLENGES))),
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 1000},
    password_paths=PASSWORD_PATHS,
    evidence="the catalog listed 103 names on 3 pages: an empty last page",
    exchanges=EXCHANGES,
    tokens=104,
)
"""Requested in pages of 1,000."""

WITHOUT_KIND = replace(GITEA, kind="distribution")
"""Crawled without its kind: pages of 1,000 are requested, and 100 entries come."""
