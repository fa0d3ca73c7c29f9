"""zot: an empty scope in its challenge, unencoded links, and a 404 without a word."""

from support.scripted import Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    listing,
    mint,
    names_of,
    paged,
    scope_of,
    tags_of,
    unauthorized,
    with_token,
)

HOLDS = {"app": ("1.0", "1.1"), "team/web": ("7", "8", "9")}
NAMES = ("app", "team/gone", "team/web")
WEB = "/v2/team/web/tags/list"
CATALOG = "/v2/_catalog"
REFUSED = unauthorized('Bearer realm="{origin}/zot/auth/token",service="zot.example.com",scope=""')
EMPTY = Reply(status=404)
"""For a `last` that is no entry (project-zot/zot pkg/api/routes.go, ListTags)."""

GONE = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")

ZOT = Scripted(
    kind="zot",
    script=(
        on("/v2/", REFUSED),
        *with_token(
            CATALOG_SCOPE,
            REFUSED,
            [
                on(CATALOG, document(names_of(list(NAMES))), query={"n": r"0|-\d+|.*\D.*"}),
                *paged(
                    CATALOG,
                    names_of,
                    NAMES,
                    size=2,
                    address=lambda cursor: f"{CATALOG}?n=2&last={cursor}",
                    sizes="2",
                ),
                on(CATALOG, EMPTY, query={"last": ".*"}),
            ],
        ),
        *with_token(scope_of("app"), REFUSED, [listing("app", HOLDS["app"])]),
        *with_token(scope_of("team/gone"), REFUSED, [on("/v2/team/gone/tags/list", GONE)]),
        *with_token(
            scope_of("team/web"),
            REFUSED,
            # a cursor between blanks and signs, as they stand
            paged(
                WEB,
                tags_of("team/web"),
                HOLDS["team/web"],
                size=2,
                address=lambda cursor: f"{WEB}?n=2&last={cursor}",
                cursor=lambda page: f"tag {page[-1]}|é",
            ),
        ),
        *mint("/zot/auth/token", [CATALOG_SCOPE, *map(scope_of, NAMES)], service="zot.example.com", user=BASIC),
    ),
    holds=HOLDS,
    missing=frozenset({"team/gone"}),
    config={**WITH_PASSWORD, "page_size": 2},
    shown_to=frozenset({"/zot/auth/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 2) + 3 * 2 + 1,
    tokens=4,
)
