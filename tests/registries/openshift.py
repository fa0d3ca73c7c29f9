"""OpenShift: a challenge that names neither service nor scope, and tokens of one minute."""

from support.scripted import Reply, on

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
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

HOLDS = {"openshift/cli": ("latest",), "openshift/tools": ("4.19", "4.20"), "project/app": ("1",)}
CATALOG = "/v2/_catalog"
REFUSED = unauthorized('Bearer realm="{origin}/openshift/token"')
SECOND_PAGE = {"last": "openshift/tools"}

OPENSHIFT = Scripted(
    kind="openshift",
    script=(
        on("/v2/", REFUSED),
        on(CATALOG, Reply(status=500), query={"n": "0"}),
        # the minute of the first token is over when the second page is asked for
        on(CATALOG, REFUSED, query=SECOND_PAGE, headers={"Authorization": "Bearer .*-1"}),
        *with_token(
            CATALOG_SCOPE,
            REFUSED,
            paged(CATALOG, names_of, list(HOLDS), size=2, address=relative(CATALOG, 2), sizes="2"),
        ),
        *(
            entry
            for name, tags in HOLDS.items()
            for entry in with_token(scope_of(name), REFUSED, [listing(name, tags)])
        ),
        *mint(
            "/openshift/token",
            [CATALOG_SCOPE, *map(scope_of, HOLDS)],
            service=None,
            user=BASIC,
            answer=lives(60, "access_token"),
        ),
    ),
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 2},
    shown_to=frozenset({"/openshift/token"}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=1 + (1 + 2) + 2 + 3 * 2,
    tokens=4 + 1,
)
