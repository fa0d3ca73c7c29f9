"""Docker Hub: no catalog, a namespace's names from another API, tokens from auth.docker.io."""

from support.scripted import Entry, Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    Scripted,
    listing,
    lives,
    mint,
    numbered,
    scope_of,
    unauthorized,
    with_token,
)

HOLDS = {
    "library/alpine": ("3.19", "3.20", "latest"),
    **{f"library/{name}": ("latest",) for name in numbered("image-", 101)},
}
SERVICE = "registry.docker.io"
TEXT_PLAIN = ("Content-Type", "text/plain; charset=utf-8")

THROTTLED = Reply(status=429, headers=(TEXT_PLAIN,), body=b"Too Many Requests\n")
"""The abuse limit's; it names no delay."""

NO_NAMESPACE = document({"message": "object not found", "errinfo": {"namespace": "nobody"}}, status=404)


def api() -> list[Entry]:
    """hub.docker.com: pages of 100, whose `next` is absolute, and names it whatever name it was asked by."""
    names = [name.removeprefix("library/") for name in HOLDS]
    path = "/v2/namespaces/library/repositories"

    def page(told: list[str], following: str | None) -> Reply:
        results = [{"name": name, "namespace": "library", "is_private": False} for name in told]
        return document({"count": len(names), "next": following, "previous": None, "results": results})

    second = f"https://hub.docker.com{path}?page=2&page_size=100"
    return [
        on(path, page(names[:100], second), query={"page_size": "100", "page": None}),
        on(path, page(names[100:], None), query={"page_size": "100", "page": "2"}),
    ]


def registry(realm: str) -> list[Entry]:
    refused = unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"')
    listings = [
        entry for name, tags in HOLDS.items() for entry in with_token(scope_of(name), refused, [listing(name, tags)])
    ]
    refused_catalog = refusal(401, "UNAUTHORIZED", "authentication required", *refused.headers[1:])
    return [on("/v2/", refused), on("/v2/_catalog", refused_catalog), *listings]


def _as_text(scope: str) -> Reply:
    return lives(300)(scope).but(headers=(TEXT_PLAIN,))


def token_server(user: str | None = None) -> list[Entry]:
    return mint("/token", [CATALOG_SCOPE, *map(scope_of, HOLDS)], service=SERVICE, user=user, answer=_as_text)


AS_ANYBODY = Scripted(
    kind="docker-hub",
    script=(*api(), *registry("{origin}/token"), *token_server()),
    holds=HOLDS,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}},
    evidence="Docker Hub listed 102 of 102 public repositories of library, which are all that are public",
    exchanges=1 + 2 + 102 * 2,
    tokens=102,
)

WITH_LOGIN = Scripted(
    kind="docker-hub",
    script=(*api(), *registry("{origin}/token"), *token_server(BASIC)),
    holds=HOLDS,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}, "auth": {"username": "robot", "password": "correct-horse-battery"}},
    shown_to=frozenset({"/token"}),
    evidence="Docker Hub listed 102 of 102 public repositories of library",
    doubt="private repositories are not listed: name them with repositories_from",
    exchanges=1 + 2 + 102 * 2,
    tokens=102,
)
