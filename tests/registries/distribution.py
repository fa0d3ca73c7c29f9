"""CNCF distribution: 2.8 without credentials or with Basic, and 3.1 with a token server."""

from support.scripted import Entry, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    guarded_by_basic,
    guarded_by_token,
    listing,
    names_of,
    numbered,
    paged,
    relative,
    scope_of,
    tags_of,
    token_server_entries,
    unauthorized,
)

ABOVE_1000 = r"100[1-9]|10[1-9]\d|1[1-9]\d\d|[2-9]\d{3}|\d{5,}"
PAGE_SIZES = {2: "2", 100: "100", 1000: "1000"}

REPOSITORIES = {"zeta": ("3.19", "latest"), "emptied": (), "team/base": numbered("1.", 1200), "alpha": ("edge",)}
"""In the order of the catalog, which depends on the storage."""

NAMES = ("zeta", "gone", "emptied", "team/base", "alpha")
GONE = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
TOO_MANY = refusal(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested")


def catalog() -> list[Entry]:
    path = "/v2/_catalog"
    return [
        on(path, TOO_MANY, query={"n": ABOVE_1000}),
        *(
            entry
            for size, sizes in PAGE_SIZES.items()
            for entry in paged(path, names_of, NAMES, size=size, link_url=relative(path, size), sizes=sizes)
        ),
        *paged(path, names_of, NAMES, size=100, link_url=relative(path, 100)),
    ]


def listings_of_version_2() -> list[Entry]:
    """All tags on one page, whatever `n` is. A repository without tags is NAME_UNKNOWN, or its tags are null."""
    tags = {**REPOSITORIES, "emptied": None}
    return [on("/v2/gone/tags/list", GONE), *(listing(name, listed) for name, listed in tags.items())]


def listings_of_version_3(name: str) -> list[Entry]:
    """Pages of `n`, or without `n` all tags on one page."""
    path, tags = f"/v2/{name}/tags/list", REPOSITORIES.get(name)
    if tags is None:
        return [on(path, GONE)]
    return [
        on(path, TOO_MANY, query={"n": ABOVE_1000}),
        on(path, document(tags_of(name)(list(tags))), query={"n": None}),
        *paged(path, tags_of(name), tags, size=1000, link_url=relative(path, 1000), sizes="1000"),
    ]


SCRIPT_2 = (on("/v2/", document({})), *catalog(), *listings_of_version_2())

REFUSED = unauthorized('Bearer realm="{origin}/token",service="registry.example.com"')

SCRIPT_3 = (
    on("/v2/", REFUSED),
    *guarded_by_token(CATALOG_SCOPE, REFUSED, catalog()),
    *(entry for name in NAMES for entry in guarded_by_token(scope_of(name), REFUSED, listings_of_version_3(name))),
    *token_server_entries("/token", [CATALOG_SCOPE, *map(scope_of, NAMES)], service="registry.example.com", user=BASIC),
)

V2_8 = Scripted(
    kind="distribution",
    script=SCRIPT_2,
    repositories=REPOSITORIES,
    missing=frozenset({"gone"}),
    evidence="the catalog listed 5 names on 1 page: no next link",
    exchanges=1 + 1 + 5,
)

V2_8_IN_PAGES = Scripted(
    kind="distribution",
    script=SCRIPT_2,
    repositories=REPOSITORIES,
    missing=frozenset({"gone"}),
    config={"page_size": 2},
    evidence="the catalog listed 5 names on 3 pages: no next link",
    exchanges=1 + 3 + 5,
)

V2_8_PAGE_SIZE_TOO_LARGE = Scripted(
    kind="distribution",
    script=SCRIPT_2,
    repositories=REPOSITORIES,
    missing=frozenset({"gone"}),
    config={"page_size": 5000},
    evidence="the catalog listed 5 names on 1 page: no next link",
    exchanges=1 + 2 + 5,
)

V2_8_WITH_BASIC = Scripted(
    kind="distribution",
    script=guarded_by_basic('Basic realm="Registry Realm"', SCRIPT_2[1:]),
    repositories=REPOSITORIES,
    missing=frozenset({"gone"}),
    config=WITH_PASSWORD,
    password_paths=frozenset({"/v2/", "/v2/_catalog", *(f"/v2/{name}/tags/list" for name in NAMES)}),
    evidence="the catalog listed 5 names on 1 page: no next link",
    exchanges=2 + 1 + 5,
)

V3_1 = Scripted(
    kind="distribution",
    script=SCRIPT_3,
    repositories=REPOSITORIES,
    missing=frozenset({"gone"}),
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({"/token"}),
    evidence="the catalog listed 5 names on 3 pages: no next link",
    exchanges=1 + 1 + 3 + 5 * 2,
    tokens=6,
)
