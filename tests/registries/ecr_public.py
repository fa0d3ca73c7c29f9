"""Amazon ECR Public: no catalog, anonymous tokens, 405 for a cursor that it did not make."""

from urllib.parse import quote

from support.scripted import Entry, Reply, on

from .vocabulary import (
    Scripted,
    guarded_by_token,
    listing,
    numbered,
    opaque,
    paged,
    scope_of,
    tags_of,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {"nginx/nginx": numbered("1.", 1100), "nginx/unit": ("latest",)}
NGINX = "/v2/nginx/nginx/tags/list"
REFUSED = unauthorized('Bearer realm="{origin}/token/",service="public.ecr.aws",scope="aws"')


def tags() -> list[Entry]:
    pages = paged(
        NGINX,
        tags_of("nginx/nginx"),
        REPOSITORIES["nginx/nginx"],
        size=1000,
        link_url=lambda cursor: f"{NGINX}?n=1000&last={quote(cursor, safe='')}",
        make_cursor=opaque,
        sizes="1000",
    )
    return [*pages, on(NGINX, Reply(status=405), query={"last": ".*"})]


ECR_PUBLIC = Scripted(
    kind="ecr-public",
    script=(
        on("/v2/", REFUSED),
        *guarded_by_token(scope_of("nginx/nginx"), REFUSED, tags()),
        *guarded_by_token(scope_of("nginx/unit"), REFUSED, [listing("nginx/unit", REPOSITORIES["nginx/unit"])]),
        *token_server_entries("/token/", map(scope_of, REPOSITORIES), service="public.ecr.aws"),
    ),
    repositories=REPOSITORIES,
    listed=tuple(REPOSITORIES),
    evidence="2 names listed in ",
    exchanges=1 + (1 + 2) + (1 + 1),
    tokens=2,
)
