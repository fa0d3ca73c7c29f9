"""zot: an empty scope in its challenge, links that are not encoded, a 404 with an empty body."""

from support.scripted import Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    guarded_by_token,
    listing,
    names_of,
    paged,
    scope_of,
    tags_of,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"app": ("1.0", "1.1"), "team/web": ("7", "8", "9")}
NAMES = ("app", "team/gone", "team/web")
WEB = "/v2/team/web/tags/list"
CATALOG = "/v2/_catalog"
REFUSED = unauthorized('Bearer realm="{origin}/zot/auth/token",service="zot.example.com",scope=""')
EMPTY = Reply(status=404)
"""The response to a `last` that is not an entry (project-zot/zot, pkg/api/routes.go, ListTags)."""

GONE = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")

ZOT = Scripted(
    kind="zot",
    script=(
        on("/v2/", REFUSED),
        *guarded_by_token(
            CATALOG_SCOPE,
            REFUSED,
            [
                on(CATALOG, document(names_of(list(NAMES))), query={"n": r"0|-\d+|.*\D.*"}),
                *paged(
                    CATALOG,
                    names_of,
                    NAMES,
                    size=2,
                    link_url=lambda cursor: f"{CATALOG}?n=2&last={cursor}",
                    sizes="2",
                ),
                on(CATALOG, EMPTY, query={"last": ".*"}),
            ],
        ),
        *guarded_by_token(scope_of("app"), REFUSED, [listing("app", REPOSITORIES["app"])]),
        *guarded_by_token(scope_of("team/gone"), REFUSED, [on("/v2/team/gone/tags/list", GONE)]),
        *guarded_by_token(
            scope_of("team/web"),
            REFUSED,
            # a cursor with blanks and signs that are not encoded
            paged(
                WEB,
                tags_of("team/web"),
                REPOSITORIES["team/web"],
                size=2,
                link_url=lambda cursor: f"{WEB}?n=2&last={cursor}",
                make_cursor=lambda page: f"tag {page[-1]}|é",
            ),
        ),
        *token_server_entries(
            "/zot/auth/token", [CATALOG_SCOPE, *map(scope_of, NAMES)], service="zot.example.com", user=BASIC
        ),
    ),
    repositories=REPOSITORIES,
    missing=frozenset({"team/gone"}),
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({"/zot/auth/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 2) + 3 * 2 + 1,
    tokens=4,
)
