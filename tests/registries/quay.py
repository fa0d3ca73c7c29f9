"""Quay: pages of at most 100, opaque cursors, and a catalog that accepts a token without a scope alone."""

from collections.abc import Callable, Sequence
from typing import Any

from support.scripted import Entry, Reply, document, on

from .vocabulary import (
    BASIC,
    WITH_PASSWORD,
    Scripted,
    guarded_by_token,
    names_of,
    numbered,
    opaque,
    paged,
    relative,
    scope_of,
    tags_of,
    token_response,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"org/app": numbered("build-", 250), **dict.fromkeys(numbered("org/image-", 102), ("latest",))}
SERVICE = "quay.io"
CATALOG = "/v2/_catalog"
ABOVE_100 = r"10[1-9]|1[1-9]\d|[2-9]\d\d|\d{4,}"
TOO_LARGE = Reply(status=413)
NO_SCOPE = document({"error": "Unable to decode repository and actions"}, status=400)


def opaque_pages(path: str, body_of: Callable[[list[str]], Any], entries: Sequence[str]) -> list[Entry]:
    """Pages by `next_page`. A request without it gets the first page, whatever its `last` is."""
    link_url = relative(path, 100, by="next_page")
    return paged(path, body_of, entries, size=100, link_url=link_url, by="next_page", make_cursor=opaque)


def listings(name: str) -> list[Entry]:
    path = f"/v2/{name}/tags/list"
    return opaque_pages(path, tags_of(name), REPOSITORIES[name])


REFUSED = unauthorized(f'Bearer realm="{{origin}}/v2/auth",service="{SERVICE}"')


def registry(catalog: list[Entry], user: str | None = BASIC) -> tuple[Entry, ...]:
    return (
        on("/v2/", REFUSED),
        *catalog,
        *(entry for name in REPOSITORIES for entry in guarded_by_token(scope_of(name), REFUSED, listings(name))),
        on("/v2/auth", NO_SCOPE, query={"scope": "registry:.*"}),
        *token_server_entries(
            "/v2/auth", ["", *map(scope_of, REPOSITORIES)], service=SERVICE, user=user, answer=token_response(None)
        ),
    )


CLAMPED = registry(list(guarded_by_token("", REFUSED, opaque_pages(CATALOG, names_of, list(REPOSITORIES)))))
REFUSING = (on(CATALOG, TOO_LARGE, query={"n": ABOVE_100}), *CLAMPED)
NO_NAMES = on("/api/v1/repository", document({"repositories": []}))
ANONYMOUS_SCRIPT = registry([on(CATALOG, document(names_of([]))), NO_NAMES], user=None)

EVIDENCE = "the catalog listed 103 names on 2 pages: no next link"
EXCHANGES = 1 + (1 + 2) + 103 * 2 + 2
PASSWORD_PATHS = frozenset({"/v2/auth"})

QUAY = Scripted(
    kind="quay",
    script=CLAMPED,
    repositories=REPOSITORIES,
    config=WITH_PASSWORD,
    password_paths=PASSWORD_PATHS,
    evidence=EVIDENCE,
    exchanges=EXCHANGES,
    tokens=104,
)

PAGE_SIZE_LOWERED = Scripted(
    kind="quay",
    script=CLAMPED,
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 1000},
    password_paths=PASSWORD_PATHS,
    evidence=EVIDENCE,
    exchanges=EXCHANGES,
    tokens=104,
)

PAGE_SIZE_REFUSED = Scripted(
    kind="quay",
    script=REFUSING,
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 1000},
    password_paths=PASSWORD_PATHS,
    evidence=EVIDENCE,
    exchanges=EXCHANGES + 1,
    tokens=104,
)

ANONYMOUS = Scripted(
    kind="quay",
    script=ANONYMOUS_SCRIPT,
    repositories={},
    evidence="an empty catalog from Quay means unknown",
    partial_reason="unknown, not none",
    exchanges=1 + 1 + 1,
)

ANONYMOUS_BY_LIST = Scripted(
    kind="quay",
    script=ANONYMOUS_SCRIPT,
    repositories={name: REPOSITORIES[name] for name in ("org/app", "org/image-0007")},
    listed=("org/app", "org/image-0007"),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 3) + (1 + 1),
    tokens=2,
)

WITHOUT_KIND = REFUSING
