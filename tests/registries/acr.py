"""Azure's: Basic or identity tokens, and catalogs that can be too much work."""

from support.scripted import Entry, document, html, on

from .vocabulary import (
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    behind_basic,
    listing,
    names_of,
    numbered,
    paged,
    relative,
    scope_of,
    tags_of,
    token_for,
    unauthorized,
    with_token,
)

HOLDS = {
    "apps/api": ("1.0", "1.1"),
    "apps/emptied": (),
    "apps/web": numbered("build-", 1100),
    **{f"jobs/{name}": ("latest",) for name in numbered("job-", 6)},
}
SERVICE = "ours.azurecr.io"
CATALOG = "/v2/_catalog"
IDENTITY_TOKEN = "s3cret-identity"
TOO_MUCH = html(502, "502 Bad Gateway")


def catalog(size: int) -> list[Entry]:
    return paged(
        CATALOG, names_of, list(HOLDS), size=size, address=relative(CATALOG, size, more="&orderby="), sizes=str(size)
    )


def listings(name: str) -> list[Entry]:
    if name == "apps/emptied":
        return [listing(name, None)]
    path = f"/v2/{name}/tags/list"
    address = relative(path, 1000, more="&orderby=")
    return paged(path, tags_of(name), HOLDS[name], size=1000, address=address, sizes="1000")


def open_to_a_password(catalog_entries: list[Entry]) -> tuple[Entry, ...]:
    return behind_basic(
        f'Basic realm="{SERVICE}"', [*catalog_entries, *(entry for name in HOLDS for entry in listings(name))]
    )


ALL_PATHS = frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in HOLDS)})

BASIC_AUTH = Scripted(
    kind="acr",
    script=open_to_a_password([*catalog(1000), *catalog(5)]),
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 5},
    shown_to=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + 2 + 9 + 1,
)

FRAIL = Scripted(
    kind="acr",
    script=open_to_a_password([on(CATALOG, TOO_MUCH, query={"n": "1000|100"}), *catalog(5)]),
    holds=HOLDS,
    config=WITH_PASSWORD,
    shown_to=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + (2 + 2) + 9 + 1,
)
"""Where a page of 5 is all that its catalog can make; asked once for each size, where nothing is tried twice."""

MIDDLE = "jobs/job-0000"

FRAIL_IN_THE_MIDDLE = Scripted(
    kind="acr",
    script=open_to_a_password(
        [
            # `last` names the fourth: the first page was cut there, and what follows is too much for pages of 100
            on(
                CATALOG,
                document(
                    names_of(list(HOLDS)[:4]),
                    ("Link", f'<{relative(CATALOG, 1000, more="&orderby=")(MIDDLE)}>; rel="next"'),
                ),
                query={"n": "1000", "last": None},
            ),
            on(CATALOG, TOO_MUCH, query={"n": "1000|100", "last": MIDDLE}),
            on(
                CATALOG,
                document(names_of(list(HOLDS)[4:])),
                query={"n": "5", "last": MIDDLE, "orderby": ""},
            ),
        ]
    ),
    holds=HOLDS,
    config=WITH_PASSWORD,
    shown_to=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + (1 + 3 + 1) + 9 + 1,
)


def exchanged(scope: str) -> Entry:
    """An identity token for an access token; how long that lives is not told."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": IDENTITY_TOKEN,
        "service": SERVICE,
        "scope": scope.replace("*", r"\*"),
        "client_id": ".+",
    }
    answer = document({"access_token": f"{token_for(scope)}-{{count}}"})
    return on("/oauth2/token", answer, method="POST", form=form)


REFUSED = unauthorized(f'Bearer realm="{{origin}}/oauth2/token",service="{SERVICE}"')

BY_IDENTITY_TOKEN = Scripted(
    kind="acr",
    script=(
        on("/v2/", REFUSED),
        *with_token(CATALOG_SCOPE, REFUSED, catalog(1000)),
        *(entry for name in HOLDS for entry in with_token(scope_of(name), REFUSED, listings(name))),
        *map(exchanged, [CATALOG_SCOPE, *map(scope_of, HOLDS)]),
    ),
    holds=HOLDS,
    config={"auth": {"method": "docker-config"}},
    evidence="the catalog listed 9 names on 1 page: no next link",
    exchanges=1 + 2 + 9 * 2 + 1,
    tokens=10,
)
