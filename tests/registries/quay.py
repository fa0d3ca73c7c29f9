"""Quay: pages of 100 at most, sealed cursors, and no token for the catalog but one for nothing at all."""

from collections.abc import Callable, Sequence
from typing import Any

from support.scripted import Entry, Reply, document, on

from .vocabulary import (
    BASIC,
    WITH_PASSWORD,
    Scripted,
    lives,
    mint,
    names_of,
    numbered,
    paged,
    relative,
    scope_of,
    sealed,
    tags_of,
    unauthorized,
    with_token,
)

HOLDS = {"org/app": numbered("build-", 250), **dict.fromkeys(numbered("org/image-", 102), ("latest",))}
SERVICE = "quay.io"
CATALOG = "/v2/_catalog"
ABOVE_100 = r"10[1-9]|1[1-9]\d|[2-9]\d\d|\d{4,}"
TOO_LARGE = Reply(status=413)
NO_SCOPE = document({"error": "Unable to decode repository and actions"}, status=400)


def sealed_pages(path: str, told: Callable[[list[str]], Any], entries: Sequence[str]) -> list[Entry]:
    """Whoever makes a `last` himself, and brings no `next_page`, gets the first page again and again."""
    address = relative(path, 100, by="next_page")
    return paged(path, told, entries, size=100, address=address, by="next_page", cursor=sealed)


def listings(name: str) -> list[Entry]:
    path = f"/v2/{name}/tags/list"
    return sealed_pages(path, tags_of(name), HOLDS[name])


REFUSED = unauthorized(f'Bearer realm="{{origin}}/v2/auth",service="{SERVICE}"')


def registry(catalog: list[Entry], user: str | None = BASIC) -> tuple[Entry, ...]:
    return (
        on("/v2/", REFUSED),
        *catalog,
        *(entry for name in HOLDS for entry in with_token(scope_of(name), REFUSED, listings(name))),
        on("/v2/auth", NO_SCOPE, query={"scope": "registry:.*"}),
        *mint("/v2/auth", ["", *map(scope_of, HOLDS)], service=SERVICE, user=user, answer=lives(None)),
    )


CLAMPED = registry(list(with_token("", REFUSED, sealed_pages(CATALOG, names_of, list(HOLDS)))))
REFUSING = (on(CATALOG, TOO_LARGE, query={"n": ABOVE_100}), *CLAMPED)
TO_ANYBODY = registry([on(CATALOG, document(names_of([])))], user=None)

TOLD = "the catalog listed 103 names on 2 pages: no next link"
EXCHANGES = 1 + (1 + 2) + 103 * 2 + 2
SHOWN_TO = frozenset({"/v2/auth"})

QUAY = Scripted(
    kind="quay",
    script=CLAMPED,
    holds=HOLDS,
    config=WITH_PASSWORD,
    shown_to=SHOWN_TO,
    evidence=TOLD,
    exchanges=EXCHANGES,
    tokens=104,
)

ASKED_FOR_1000_AND_CLAMPS = Scripted(
    kind="quay",
    script=CLAMPED,
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 1000},
    shown_to=SHOWN_TO,
    evidence=TOLD,
    exchanges=EXCHANGES,
    tokens=104,
)

ASKED_FOR_1000_AND_REFUSES = Scripted(
    kind="quay",
    script=REFUSING,
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 1000},
    shown_to=SHOWN_TO,
    evidence=TOLD,
    exchanges=EXCHANGES + 1,
    tokens=104,
)

AS_ANYBODY = Scripted(
    kind="quay",
    script=TO_ANYBODY,
    holds={},
    evidence="an empty catalog from Quay means that it tells us none",
    doubt="not that it has none",
    exchanges=1 + 1,
)

LISTED_AS_ANYBODY = Scripted(
    kind="quay",
    script=TO_ANYBODY,
    holds={name: HOLDS[name] for name in ("org/app", "org/image-0007")},
    listed=("org/app", "org/image-0007"),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 3) + (1 + 1),
    tokens=2,
)

UNNAMED = REFUSING
