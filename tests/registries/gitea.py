"""Gitea and Forgejo: pages of 100 at most, a link on the last one too, and a token of which nothing else is told."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from support.scripted import Entry, document, on, refusal

from .vocabulary import (
    BASIC,
    WITH_PASSWORD,
    Scripted,
    behind,
    names_of,
    numbered,
    paged,
    relative,
    tags_of,
)

HOLDS = {"org/app": numbered("build-", 130), **dict.fromkeys(numbered("org/image-", 102), ("latest",))}
CATALOG = "/v2/_catalog"

GITEAS = (("WWW-Authenticate", 'Bearer realm="{origin}/v2/token",service="container_registry",scope="*"'),)
FORGEJOS = (*GITEAS, ("WWW-Authenticate", 'Basic realm="{origin}"'))


def lists(path: str, told: Callable[[list[str]], Any], entries: Sequence[str]) -> list[Entry]:
    """Pages of 100, though more be asked for."""
    return paged(path, told, entries, size=100, address=relative(path, 100), empty_last=True)


def linked_for_ever(entry: Entry) -> Entry:
    """An empty page that links on, too: to itself."""
    if entry.match.path != CATALOG or b"[]" not in entry.reply.body:
        return entry
    link = f'<{relative(CATALOG, 100)("org/image-0101")}>; rel="next"'
    return replace(entry, reply=entry.reply.with_headers(("Link", link)))


def script(*challenges: tuple[str, str]) -> tuple[Entry, ...]:
    """Any token opens everything; nothing is told of it but itself."""
    refused = refusal(401, "UNAUTHORIZED", "", *challenges)
    listings = [entry for name, tags in HOLDS.items() for entry in lists(f"/v2/{name}/tags/list", tags_of(name), tags)]
    granted = document({"token": "minted-{count}"})
    return (
        on("/v2/", refused),
        *behind("Bearer minted-.+", refused, [*lists(CATALOG, names_of, list(HOLDS)), *listings]),
        on("/v2/token", granted, headers={"Authorization": re.escape(BASIC)}),
    )


EXCHANGES = 1 + (1 + 3) + 103 * (1 + 2) + 1
SHOWN_TO = frozenset({"/v2/token"})

GITEA = Scripted(
    kind="gitea",
    script=script(*GITEAS),
    holds=HOLDS,
    config=WITH_PASSWORD,
    shown_to=SHOWN_TO,
    evidence="the catalog listed 103 names on 3 pages: no next link",
    exchanges=EXCHANGES,
    tokens=104,
)

FORGEJO = Scripted(
    kind="gitea",
    script=tuple(map(linked_for_ever, script(*FORGEJOS))),
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 1000},
    shown_to=SHOWN_TO,
    evidence="the catalog listed 103 names on 3 pages: an empty last page",
    exchanges=EXCHANGES,
    tokens=104,
)
"""Asked for a thousand at a time."""

UNNAMED = replace(GITEA, kind="distribution")
"""One that nobody has said to be a Gitea: as much is asked for as anywhere, and a hundred come."""
