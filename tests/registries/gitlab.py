"""GitLab: its registry and its token server are two hosts, and too many wrong passwords shut both for an hour."""

from support.scripted import Entry, Reply, document, on, refusal

from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    WITH_PASSWORD,
    Scripted,
    listing,
    mint,
    names_of,
    scope_of,
    unauthorized,
    whole,
    with_token,
)

HOLDS = {"group/app": ("main", "v1"), "group/app/cache": ("latest",), "group/sub/web": ("v2",)}
SERVICE = "container_registry"
ACCESS_DENIED = refusal(401, "UNAUTHORIZED", "HTTP Basic: Access denied")
BANNED = Reply(status=403, headers=(("Content-Type", "text/plain"),), body=b"Forbidden\n")
BEARABLE = 30
"""Wrong passwords within three minutes."""


def registry(realm: str) -> list[Entry]:
    refused = unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"')
    return [
        on("/v2/", refused),
        *with_token(CATALOG_SCOPE, refused, [whole("/v2/_catalog", names_of(list(HOLDS)))]),
        *(
            entry
            for name, tags in HOLDS.items()
            for entry in with_token(scope_of(name), refused, [listing(name, tags)])
        ),
    ]


def token_server() -> list[Entry]:
    return mint("/jwt/auth", [CATALOG_SCOPE, *map(scope_of, HOLDS)], service=SERVICE, user=BASIC)


def wrong_passwords() -> list[Entry]:
    return [on("/jwt/auth", ACCESS_DENIED, times=BEARABLE), on("/jwt/auth", BANNED)]


def good_for(times: int) -> Entry:
    """A token server that takes the password so often, and gives the same token for everything."""
    return on("/jwt/auth", document({"token": "minted-for-all"}), times=times)


ANY_TOKENS = (on("/v2/", registry("{origin}/jwt/auth")[0].reply), on(None, document({"tags": ["latest"]})))
"""A registry to go with that: whatever it is asked about has one tag."""

OWN = Scripted(
    kind="gitlab",
    script=(*registry("{origin}/jwt/auth"), *token_server()),
    holds=HOLDS,
    config=WITH_PASSWORD,
    shown_to=frozenset({"/jwt/auth"}),
    evidence="the catalog listed 3 names on 1 page: no next link",
    exchanges=1 + 2 + 3 * 2,
    tokens=4,
)
"""One of somebody's own, whose administrator asks."""
