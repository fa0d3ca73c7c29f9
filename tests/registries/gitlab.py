"""GitLab: a token server on another host, and a ban for an hour after too many failed logins."""

from support.scripted import Entry, Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    guarded_by_token,
    listing,
    names_of,
    one_page,
    scope_of,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"group/app": ("main", "v1"), "group/app/cache": ("latest",), "group/sub/web": ("v2",)}
SERVICE = "container_registry"
ACCESS_DENIED = refusal(401, "UNAUTHORIZED", "HTTP Basic: Access denied")
BANNED = Reply(status=403, headers=(("Content-Type", "text/plain"),), body=b"Forbidden\n")
FAILED_LOGINS_ALLOWED = 30
"""Failed logins within three minutes before the ban (https://docs.gitlab.com/rate_limits/abuse_bans/)."""


def registry(realm: str) -> list[Entry]:
    refused = unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"')
    return [
        on("/v2/", refused),
        *guarded_by_token(CATALOG_SCOPE, refused, [one_page("/v2/_catalog", names_of(list(REPOSITORIES)))]),
        *(
            entry
            for name, tags in REPOSITORIES.items()
            for entry in guarded_by_token(scope_of(name), refused, [listing(name, tags)])
        ),
    ]


def token_server() -> list[Entry]:
    return token_server_entries("/jwt/auth", [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)], service=SERVICE, user=BASIC)


def refused_logins() -> list[Entry]:
    return [on("/jwt/auth", ACCESS_DENIED, times=FAILED_LOGINS_ALLOWED), on("/jwt/auth", BANNED)]


def password_good_for(times: int) -> Entry:
    """A token server that accepts the password so many times, and grants the same token every time."""
    return on("/jwt/auth", document({"token": "minted-for-all"}), times=times)


ANY_TOKENS = (on("/v2/", registry("{origin}/jwt/auth")[0].reply), on(None, document({"tags": ["latest"]})))
"""A registry for these tokens. Every repository has one tag."""

SELF_MANAGED = Scripted(
    kind="gitlab",
    script=(*registry("{origin}/jwt/auth"), *token_server()),
    repositories=REPOSITORIES,
    config=WITH_PASSWORD,
    password_paths=frozenset({"/jwt/auth"}),
    evidence="the catalog listed 3 names on 1 page: no next link",
    exchanges=1 + 2 + 3 * 2,
    tokens=4,
)
"""Self-managed, crawled by its administrator."""
