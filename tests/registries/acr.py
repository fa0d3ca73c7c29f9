"""Azure Container Registry: Basic or identity tokens, and catalogs that time out (Azure/acr-cli#353)."""

from support.scripted import Entry, document, html, on

from .vocabulary import (
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
    token_for,
    unauthorized,
)

REPOSITORIES = {
    "apps/api": ("1.0", "1.1"),
    "apps/emptied": (),
    "apps/web": numbered("build-", 1100),
    **{f"jobs/{name}": ("latest",) for name in numbered("job-", 6)},
}
SERVICE = "ours.azurecr.io"
CATALOG = "/v2/_catalog"
IDENTITY_TOKEN = "s3cret-identity"
TIMED_OUT = html(502, "502 Bad Gateway")


def catalog(size: int) -> list[Entry]:
    return paged(
        CATALOG,
        names_of,
        list(REPOSITORIES),
        size=size,
        link_url=relative(CATALOG, size, more="&orderby="),
        sizes=str(size),
    )


def listings(name: str) -> list[Entry]:
    if name == "apps/emptied":
        return [listing(name, None)]
    path = f"/v2/{name}/tags/list"
    link_url = relative(path, 1000, more="&orderby=")
    return paged(path, tags_of(name), REPOSITORIES[name], size=1000, link_url=link_url, sizes="1000")


def guarded_catalog(catalog_entries: list[Entry]) -> tuple[Entry, ...]:
    return guarded_by_basic(
        f'Basic realm="{SERVICE}"', [*catalog_entries, *(entry for name in REPOSITORIES for entry in listings(name))]
    )


ALL_PATHS = frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in REPOSITORIES)})

BASIC_AUTH = Scripted(
    kind="acr",
    script=guarded_catalog([*catalog(1000), *catalog(5)]),
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 5},
    password_paths=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + 2 + 9 + 1,
)

SLOW_CATALOG = Scripted(
    kind="acr",
    script=guarded_catalog([on(CATALOG, TIMED_OUT, query={"n": "1000|100"}), *catalog(5)]),
    repositories=REPOSITORIES,
    config=WITH_PASSWORD,
    password_paths=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + (2 + 2) + 9 + 1,
)
"""Its catalog times out at any size but 5. Each size is requested once, because nothing is retried."""

MIDDLE = "jobs/job-0000"

SLOW_LATER_PAGE = Scripted(
    kind="acr",
    script=guarded_catalog(
        [
            # the first page ends at the fourth name, and the rest times out at any size but 5
            on(
                CATALOG,
                document(
                    names_of(list(REPOSITORIES)[:4]),
                    ("Link", f'<{relative(CATALOG, 1000, more="&orderby=")(MIDDLE)}>; rel="next"'),
                ),
                query={"n": "1000", "last": None},
            ),
            on(CATALOG, TIMED_OUT, query={"n": "1000|100", "last": MIDDLE}),
            on(
                CATALOG,
                document(names_of(list(REPOSITORIES)[4:])),
                query={"n": "5", "last": MIDDLE, "orderby": ""},
            ),
        ]
    ),
    repositories=REPOSITORIES,
    config=WITH_PASSWORD,
    password_paths=ALL_PATHS,
    evidence="the catalog listed 9 names on 2 pages: no next link",
    exchanges=2 + (1 + 3 + 1) + 9 + 1,
)


def exchanged(scope: str) -> Entry:
    """Exchanges the identity token for an access token, whose lifetime the response leaves out."""
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
        *guarded_by_token(CATALOG_SCOPE, REFUSED, catalog(1000)),
        *(entry for name in REPOSITORIES for entry in guarded_by_token(scope_of(name), REFUSED, listings(name))),
        *map(exchanged, [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)]),
    ),
    repositories=REPOSITORIES,
    config={"auth": {"method": "docker-config"}},
    evidence="the catalog listed 9 names on 1 page: no next link",
    exchanges=1 + 2 + 9 * 2 + 1,
    tokens=10,
)
