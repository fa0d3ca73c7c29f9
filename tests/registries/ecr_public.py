"""Amazon's public registry: no catalog, tokens for anybody, a cursor that nobody may make himself."""

from urllib.parse import quote

from support.scripted import Entry, Reply, on

from .vocabulary import (
    Scripted,
    listing,
    mint,
    numbered,
    paged,
    scope_of,
    sealed,
    tags_of,
    unauthorized,
    with_token,
)

HOLDS = {"nginx/nginx": numbered("1.", 1100), "nginx/unit": ("latest",)}
NGINX = "/v2/nginx/nginx/tags/list"
REFUSED = unauthorized('Bearer realm="{origin}/token/",service="public.ecr.aws",scope="aws"')


def tags() -> list[Entry]:
    pages = paged(
        NGINX,
        tags_of("nginx/nginx"),
        HOLDS["nginx/nginx"],
        size=1000,
        address=lambda cursor: f"{NGINX}?n=1000&last={quote(cursor, safe='')}",
        cursor=sealed,
        sizes="1000",
    )
    return [*pages, on(NGINX, Reply(status=405), query={"last": ".*"})]


ECR_PUBLIC = Scripted(
    kind="ecr-public",
    script=(
        on("/v2/", REFUSED),
        *with_token(scope_of("nginx/nginx"), REFUSED, tags()),
        *with_token(scope_of("nginx/unit"), REFUSED, [listing("nginx/unit", HOLDS["nginx/unit"])]),
        *mint("/token/", map(scope_of, HOLDS), service="public.ecr.aws"),
    ),
    holds=HOLDS,
    listed=tuple(HOLDS),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 2) + (1 + 1),
    tokens=2,
)
