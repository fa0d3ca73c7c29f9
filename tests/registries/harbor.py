"""Harbor: the catalog accepts Basic, of system administrators alone; everything else accepts tokens."""

import re

from support.scripted import Entry, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    guarded,
    guarded_by_token,
    listing,
    names_of,
    paged,
    relative,
    scope_of,
    token_response,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"library/app": ("1.0", "1.1"), "library/web": ("7",), "ops/job": ("nightly",)}
CATALOG = "/v2/_catalog"
BAD_LAST = refusal(400, "BAD_REQUEST", "the last repository name is not found")

ASKED = unauthorized('Bearer realm="{origin}/service/token",service="harbor-registry"')
"""The response to a request without credentials."""

REFUSED = unauthorized('Basic realm="harbor"')
"""The response to refused credentials, and to every refused request for the catalog."""


def catalog() -> list[Entry]:
    return [
        *paged(CATALOG, names_of, list(REPOSITORIES), size=2, link_url=relative(CATALOG, 2), sizes="2"),
        *paged(CATALOG, names_of, list(REPOSITORIES), size=1000, link_url=relative(CATALOG, 1000)),
        on(CATALOG, BAD_LAST, query={"last": ".*"}),
    ]


def expires_once(name: str) -> Entry:
    """The first token for a listing is refused, as if it had expired."""
    return on(f"/v2/{name}/tags/list", REFUSED, headers={"Authorization": "Bearer .*-1"}, times=1)


SCRIPT = (
    on("/v2/", ASKED),
    *guarded(re.escape(BASIC), REFUSED, catalog()),
    expires_once("library/web"),
    *(on(f"/v2/{name}/tags/list", ASKED, headers={"Authorization": None}) for name in REPOSITORIES),
    *(
        entry
        for name, tags in REPOSITORIES.items()
        for entry in guarded_by_token(scope_of(name), REFUSED, [listing(name, tags)])
    ),
    *token_server_entries(
        "/service/token",
        [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)],
        service="harbor-registry",
        user=BASIC,
        answer=token_response(1800),
    ),
)

HARBOR = Scripted(
    kind="harbor",
    script=SCRIPT,
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({CATALOG, "/service/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + 2 + 3 * 2 + 2,
    tokens=3 + 1,
)

WITHOUT_KIND = Scripted(
    kind="distribution",
    script=SCRIPT,
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({CATALOG, "/service/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 1 + 2) + 3 * 2 + 2,
    tokens=1 + 3 + 1,
)
"""Crawled without its kind: a token for the catalog is requested, and refused, once."""
