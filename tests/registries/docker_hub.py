"""Docker Hub: no catalog, a namespace's names from another API, tokens from auth.docker.io."""

from support.scripted import Entry, Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    Scripted,
    guarded_by_token,
    listing,
    numbered,
    scope_of,
    token_response,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {
    "library/alpine": ("3.19", "3.20", "latest"),
    **{f"library/{name}": ("latest",) for name in numbered("image-", 101)},
}
SERVICE = "registry.docker.io"
TEXT_PLAIN = ("Content-Type", "text/plain; charset=utf-8")

THROTTLED = Reply(status=429, headers=(TEXT_PLAIN,), body=b"Too Many Requests\n")
"""The abuse limit's response, which names no delay."""

NO_NAMESPACE = document({"message": "object not found", "errinfo": {"namespace": "nobody"}}, status=404)


def api() -> list[Entry]:
    """hub.docker.com: pages of 100, with an absolute `next` that names this host, whatever host was requested."""
    names = [name.removeprefix("library/") for name in REPOSITORIES]
    path = "/v2/namespaces/library/repositories"

    def page(page_names: list[str], next_page: str | None) -> Reply:
        results = [{"name": name, "namespace": "library", "is_private": False} for name in page_names]
        return document({"count": len(names), "next": next_page, "previous": None, "results": results})

    second = f"https://hub.docker.com{path}?page=2&page_size=100"
    return [
        on(path, page(names[:100], second), query={"page_size": "100", "page": None}),
        on(path, page(names[100:], None), query={"page_size": "100", "page": "2"}),
    ]


def registry(realm: str) -> list[Entry]:
    refused = unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"')
    listings = [
        entry
        for name, tags in REPOSITORIES.items()
        for entry in guarded_by_token(scope_of(name), refused, [listing(name, tags)])
    ]
    refused_catalog = refusal(401, "UNAUTHORIZED", "authentication required", *refused.headers[1:])
    return [on("/v2/", refused), on("/v2/_catalog", refused_catalog), *listings]


def _as_text(scope: str) -> Reply:
    return token_response(300)(scope).but(headers=(TEXT_PLAIN,))


def token_server(user: str | None = None) -> list[Entry]:
    return token_server_entries(
        "/token", [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)], service=SERVICE, user=user, answer=_as_text
    )


ANONYMOUS = Scripted(
    kind="docker-hub",
    script=(*api(), *registry("{origin}/token"), *token_server()),
    repositories=REPOSITORIES,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}},
    evidence="Docker Hub listed 102 of 102 public repositories of library, which are all that are public",
    exchanges=1 + 2 + 102 * 2,
    tokens=102,
)

WITH_LOGIN = Scripted(
    kind="docker-hub",
    script=(*api(), *registry("{origin}/token"), *token_server(BASIC)),
    repositories=REPOSITORIES,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}, "auth": {"username": "robot", "password": "correct-horse-battery"}},
    password_paths=frozenset({"/token"}),
    evidence="Docker Hub listed 102 of 102 public repositories of library",
    partial_reason="private repositories are not listed: name them with repositories_from",
    exchanges=1 + 2 + 102 * 2,
    tokens=102,
)
