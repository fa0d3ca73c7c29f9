"""Harbor: the catalog is for system administrators, by password; the rest for tokens."""

import re

from support.scripted import Entry, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    behind,
    listing,
    lives,
    mint,
    names_of,
    paged,
    relative,
    scope_of,
    unauthorized,
    with_token,
)

HOLDS = {"library/app": ("1.0", "1.1"), "library/web": ("7",), "ops/job": ("nightly",)}
CATALOG = "/v2/_catalog"
BAD_LAST = refusal(400, "BAD_REQUEST", "the last repository name is not found")

ASKED = unauthorized('Bearer realm="{origin}/service/token",service="harbor-registry"')
"""What it answers to whoever says nothing of himself."""

REFUSED = unauthorized('Basic realm="harbor"')
"""What it answers to whoever did, and to everybody at the catalog."""


def catalog() -> list[Entry]:
    return [
        *paged(CATALOG, names_of, list(HOLDS), size=2, address=relative(CATALOG, 2), sizes="2"),
        *paged(CATALOG, names_of, list(HOLDS), size=1000, address=relative(CATALOG, 1000)),
        on(CATALOG, BAD_LAST, query={"last": ".*"}),
    ]


def expires_once(name: str) -> Entry:
    """The first token for a listing is refused when it is brought, as one whose time is over."""
    return on(f"/v2/{name}/tags/list", REFUSED, headers={"Authorization": "Bearer .*-1"}, times=1)


SCRIPT = (
    on("/v2/", ASKED),
    *behind(re.escape(BASIC), REFUSED, catalog()),
    expires_once("library/web"),
    *(on(f"/v2/{name}/tags/list", ASKED, headers={"Authorization": None}) for name in HOLDS),
    *(entry for name, tags in HOLDS.items() for entry in with_token(scope_of(name), REFUSED, [listing(name, tags)])),
    *mint(
        "/service/token",
        [CATALOG_SCOPE, *map(scope_of, HOLDS)],
        service="harbor-registry",
        user=BASIC,
        answer=lives(1800),
    ),
)

HARBOR = Scripted(
    kind="harbor",
    script=SCRIPT,
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 2},
    shown_to=frozenset({CATALOG, "/service/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + 2 + 3 * 2 + 2,
    tokens=3 + 1,
)

UNNAMED = Scripted(
    kind="distribution",
    script=SCRIPT,
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 2},
    shown_to=frozenset({CATALOG, "/service/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 1 + 2) + 3 * 2 + 2,
    tokens=1 + 3 + 1,
)
"""One that nobody has said to be a Harbor: a token for the catalog is asked for, and refused, once."""
