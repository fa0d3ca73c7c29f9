"""Scripts of well-behaved registries: a test puts its own entries before them."""

from collections.abc import Iterable, Mapping

from .script import Entry, document, on, refusal

REPOSITORIES: Mapping[str, tuple[str, ...]] = {
    "alpha": ("1.0", "1.1"),
    "team/victim": ("edge",),
    "zulu": ("latest",),
}
"""The content of a small registry. Tests break the repository in the middle, and expect the other two whole."""


def catalog_path() -> str:
    return "/v2/_catalog"


def listing_path(repository: str) -> str:
    return f"/v2/{repository}/tags/list"


def plain_registry(repositories: Mapping[str, Iterable[str]] = REPOSITORIES) -> tuple[Entry, ...]:
    """A registry without authentication."""
    return (on("/v2/", document({})), *_content(repositories))


def basic_registry(repositories: Mapping[str, Iterable[str]] = REPOSITORIES) -> tuple[Entry, ...]:
    """A registry that accepts any Basic credentials."""
    challenge_header = ("WWW-Authenticate", 'Basic realm="scripted"')
    return _guarded("Basic .+", challenge_header, _content(repositories))


def token_registry(
    repositories: Mapping[str, Iterable[str]] = REPOSITORIES, *, realm: str = "{origin}/token"
) -> tuple[Entry, ...]:
    """A registry that accepts any Bearer token. Its token server issues a token for every request, with a number."""
    granted = document({"token": "minted-{count}", "expires_in": 300})
    return (*_guarded("Bearer .+", challenge(realm), _content(repositories)), on("/token", granted))


def challenge(realm: str, *, service: str = "scripted") -> tuple[str, str]:
    return "WWW-Authenticate", f'Bearer realm="{realm}",service="{service}"'


def to_token(repository: str) -> dict[str, str]:
    """The query of a token request for this repository."""
    return {"scope": f"repository:{repository}:pull"}


def _content(repositories: Mapping[str, Iterable[str]]) -> tuple[Entry, ...]:
    listings = [
        on(listing_path(name), document({"name": name, "tags": list(tags)})) for name, tags in repositories.items()
    ]
    return (on(catalog_path(), document({"repositories": list(repositories)})), *listings)


def _guarded(authorization: str, challenge: tuple[str, str], content: Iterable[Entry]) -> tuple[Entry, ...]:
    refused = refusal(401, "UNAUTHORIZED", "authentication required", challenge)
    entries = [on("/v2/", document({}), headers={"Authorization": authorization}), on("/v2/", refused)]
    for entry in content:
        entries += [
            on(entry.match.path, entry.reply, headers={"Authorization": authorization}),
            on(entry.match.path, refused),
        ]
    return tuple(entries)
