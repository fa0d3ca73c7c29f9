"""GitHub's: no catalog, tags 100 a page however many are asked for, a delay that only words tell."""

from support.scripted import Reply, on, refusal

from .vocabulary import (
    CATALOG_SCOPE,
    Scripted,
    listing,
    mint,
    numbered,
    paged,
    relative,
    scope_of,
    tags_of,
    unauthorized,
    with_token,
)

HOLDS = {"owner/app": numbered("v", 250), "owner/tool": ("latest", "1.0")}
"""The oldest tags first."""

BUSY = refusal(429, "TOOMANYREQUESTS", "retry-after: 10.305464ms, allowed: 2000/minute")
DENIED = refusal(403, "DENIED", "requested access to the resource is denied")
NO_CATALOG = Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found\n")

# of a repository that nobody has: what it is good for must be left out of every token request
REFUSED = unauthorized('Bearer realm="{origin}/token",service="ghcr.io",scope="repository:user/image:pull"')

APP = "/v2/owner/app/tags/list"

SCRIPT = (
    on("/v2/", REFUSED),
    on("/v2/_catalog", NO_CATALOG),
    *with_token(
        scope_of("owner/app"),
        REFUSED,
        paged(APP, tags_of("owner/app"), HOLDS["owner/app"], size=100, address=relative(APP, 0)),
    ),
    *with_token(scope_of("owner/tool"), REFUSED, [listing("owner/tool", HOLDS["owner/tool"])]),
    *mint("/token", [CATALOG_SCOPE, *map(scope_of, HOLDS)], service="ghcr.io"),
    on("/token", DENIED),
)

GHCR = Scripted(
    kind="ghcr",
    script=SCRIPT,
    holds=HOLDS,
    listed=tuple(HOLDS),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 3) + (1 + 1),
    tokens=2,
)
