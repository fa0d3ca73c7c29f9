"""OpenShift: a challenge that names neither service nor scope, and tokens that live for one minute."""

from support.scripted import Reply, on

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
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

REPOSITORIES = {"openshift/cli": ("latest",), "openshift/tools": ("4.19", "4.20"), "project/app": ("1",)}
CATALOG = "/v2/_catalog"
REFUSED = unauthorized('Bearer realm="{origin}/openshift/token"')
SECOND_PAGE = {"last": "openshift/tools"}

OPENSHIFT = Scripted(
    kind="openshift",
    script=(
        on("/v2/", REFUSED),
        on(CATALOG, Reply(status=500), query={"n": "0"}),
        # the first token has expired when the second page is requested
        on(CATALOG, REFUSED, query=SECOND_PAGE, headers={"Authorization": "Bearer .*-1"}),
        *guarded_by_token(
            CATALOG_SCOPE,
            REFUSED,
            paged(CATALOG, names_of, list(REPOSITORIES), size=2, link_url=relative(CATALOG, 2), sizes="2"),
        ),
        *(
            entry
            for name, tags in REPOSITORIES.items()
            for entry in guarded_by_token(scope_of(name), REFUSED, [listing(name, tags)])
        ),
        *token_server_entries(
            "/openshift/token",
            [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)],
            service=None,
            user=BASIC,
            answer=token_response(60, "access_token"),
        ),
    ),
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({"/openshift/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 2) + 2 + 3 * 2,
    tokens=4 + 1,
)
