"""GHCR: no catalog, 100 tags a page whatever is requested, a delay in the message of its 429."""

from support.scripted import Reply, on, refusal

from .vocabulary import (
    CATALOG_SCOPE,
    Scripted,
    guarded_by_token,
    listing,
    numbered,
    paged,
    relative,
    scope_of,
    tags_of,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"owner/app": numbered("v", 250), "owner/tool": ("latest", "1.0")}
"""The oldest tags first."""

BUSY = refusal(429, "TOOMANYREQUESTS", "retry-after: 10.305464ms, allowed: 2000/minute")
DENIED = refusal(403, "DENIED", "requested access to the resource is denied")
NO_CATALOG = Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found\n")

# the scope is for a repository that does not exist, and must not enter a token request
REFUSED = unauthorized('Bearer realm="{origin}/token",service="ghcr.io",scope="repository:user/image:pull"')

APP = "/v2/owner/app/tags/list"

SCRIPT = (
    on("/v2/", REFUSED),
    on("/v2/_catalog", NO_CATALOG),
    *guarded_by_token(
        scope_of("owner/app"),
        REFUSED,
        paged(APP, tags_of("owner/app"), REPOSITORIES["owner/app"], size=100, link_url=relative(APP, 0)),
    ),
    *guarded_by_token(scope_of("owner/tool"), REFUSED, [listing("owner/tool", REPOSITORIES["owner/tool"])]),
    *token_server_entries("/token", [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)], service="ghcr.io"),
    on("/token", DENIED),
)

GHCR = Scripted(
    kind="ghcr",
    script=SCRIPT,
    repositories=REPOSITORIES,
    listed=tuple(REPOSITORIES),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 3) + (1 + 1),
    tokens=2,
)
