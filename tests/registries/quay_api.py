"""Quay's own API: names by an opaque token, tags by the number of a page, and a token that is never refused.

(quay/quay endpoints/api/repository.py, endpoints/api/tag.py) An unknown OAuth token counts for nothing.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from support.scripted import Entry, Reply, document, on

from .quay import REFUSED
from .vocabulary import (
    BASIC,
    guarded_by_token,
    listing,
    names_of,
    one_page,
    opaque,
    scope_of,
    token_response,
    token_server_entries,
)

REPOSITORY = "/api/v1/repository"
TOKEN = "oauth-token-of-an-application"

INVALID_TOKEN = document(
    {"error_type": "invalid_token", "message": "Requires authentication", "status": 401}, status=401
)
NO_SCOPE = document({"error_type": "insufficient_scope", "message": "Unauthorized", "status": 403}, status=403)
NOT_FOUND = document({"error_type": "not_found", "message": "Not Found", "status": 404}, status=404)
FROM_BROWSER = document({"message": "API calls must be invoked with an X-Requested-With header"}, status=400)

START = 1_790_000_000
"""A time in seconds since 1970: 2026-09-21T14:13:20Z."""


def digest(name: str) -> str:
    return f"sha256:{sha256(name.encode()).hexdigest()}"


def tag(name: str, of: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "reversion": False,
        "start_ts": START,
        "manifest_digest": digest(of),
        "is_manifest_list": False,
        "size": 5_000,
        "last_modified": "Mon, 21 Sep 2026 14:13:20 -0000",
        **changes,
    }


INDEX = {
    "is_manifest_list": True,
    "size": None,
    "is_sparse": False,
    "child_manifests_presence": {digest("child"): True},
}
CONTENT: Mapping[str, Sequence[dict[str, Any]]] = {
    "org/app": (
        tag("latest", "two", start_ts=START + 60),
        tag("2.0", "two", expiration="Thu, 21 Sep 2028 14:13:20 -0000", end_ts=START + 63_072_000),
        tag("1.0", "one"),
        tag("multi", "index", **INDEX),
    ),
    "org/nested/tool": (tag("0.1", "tool", size=0, start_ts=None),),
    "org/secret": (tag("1", "secret"),),
}
PRIVATE = frozenset({"org/secret"})
TAGS = {name: tuple(each["name"] for each in tags) for name, tags in CONTENT.items()}


def tags_path(name: str) -> str:
    return f"{REPOSITORY}/{name}/tag/"


def tag_pages(name: str, tags: Sequence[Any], *, size: int = 100, **changes: Any) -> list[Entry]:
    parts = [tags[start : start + size] for start in range(0, len(tags), size)] or [[]]
    return [
        on(
            tags_path(name),
            document({"tags": list(part), "page": number, "has_additional": number < len(parts), **changes}),
            query={"page": str(number), "limit": "100", "onlyActiveTags": "true"},
        )
        for number, part in enumerate(parts, start=1)
    ]


def described(name: str, *, is_known_user: bool) -> dict[str, Any]:
    namespace, _, repository = name.partition("/")
    starred = {"is_starred": False} if is_known_user else {}
    return {
        "namespace": namespace,
        "name": repository,
        "description": None,
        "is_public": name not in PRIVATE,
        "kind": "image",
        "state": "NORMAL",
        **starred,
    }


def name_pages(names: Sequence[str], namespace: str | None, *, is_known_user: bool, size: int = 100) -> list[Entry]:
    """Pages whose next page is requested by an opaque token with characters that a query must encode."""
    parts = [names[start : start + size] for start in range(0, len(names), size)] or [[]]
    tokens = [opaque(part) for part in parts[:-1]]
    entries = []
    for part, before, after in zip(parts, [None, *tokens], [*tokens, None], strict=True):
        listed = [described(name, is_known_user=is_known_user) for name in part]
        body = {"repositories": listed, **({} if after is None else {"next_page": after})}
        next_page = None if before is None else before.replace("+", r"\+").replace("?", r"\?")
        query = {"namespace": namespace, "public": "true", "next_page": next_page}
        entries.append(on(REPOSITORY, document(body), query=query))
    return entries


def api(
    content: Mapping[str, Sequence[Any]] = CONTENT, *, namespace: str | None = "org", is_known_user: bool = False
) -> list[Entry]:
    """The API for anonymous clients, or for the user of the token, who sees private repositories, too."""
    seen = {name: tags for name, tags in content.items() if is_known_user or name not in PRIVATE}
    return [
        *name_pages(list(seen), namespace, is_known_user=is_known_user),
        *(entry for name, tags in seen.items() for entry in tag_pages(name, tags)),
        *(on(tags_path(name), INVALID_TOKEN) for name in content if name not in seen),
    ]


def with_token(token: str = TOKEN, content: Mapping[str, Sequence[Any]] = CONTENT) -> list[Entry]:
    """The API for a token, and for everybody else. Quay refuses no token that it does not know."""
    known = {"Authorization": f"Bearer {token}"}
    return [
        *(
            on(entry.match.path, entry.reply, query=entry.match.query, headers=known)
            for entry in api(content, is_known_user=True)
        ),
        *api(content),
    ]


def closed(reply: Reply) -> list[Entry]:
    return [on(entry.match.path, reply) for entry in api(is_known_user=True)]


def registry(tags: Mapping[str, Sequence[str]] = TAGS, user: str | None = BASIC) -> list[Entry]:
    """The registry with its token server, for a robot account, or for anonymous clients."""
    catalog = one_page("/v2/_catalog", names_of(list(tags)))
    return [
        on("/v2/", REFUSED),
        *guarded_by_token("", REFUSED, [catalog]),
        *(
            entry
            for name, names in tags.items()
            for entry in guarded_by_token(scope_of(name), REFUSED, [listing(name, names)])
        ),
        *token_server_entries(
            "/v2/auth", ["", *map(scope_of, tags)], service="quay.io", user=user, answer=token_response(None)
        ),
    ]
