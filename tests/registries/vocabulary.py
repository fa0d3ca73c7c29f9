"""The words that the scripts are written in: lists in pages, and entries that need a password or a token."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from support.scripted import Entry, Reply, document, on, refusal

USER = "robot"
PASSWORD = "correct-horse-battery"

LinkUrl = Callable[[str], str]
"""Makes the URL in a `Link` from the cursor of the next page."""

CATALOG_SCOPE = "registry:catalog:*"


def basic(user: str = USER, password: str = PASSWORD) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


BASIC = basic()
WITH_PASSWORD = {"auth": {"method": "basic", "username": USER, "password": PASSWORD}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """A registry's script, and what a crawl of it must find.

    Attributes:
        kind: the kind in `crawler.profiles`.
        repositories: every repository with its tags.
        missing: repositories that the catalog lists and that do not exist.
        prefix: of the target.
        listed: the names, where the crawl gets them from a file.
        config: further settings of the `[[registry]]` table. `{origin}` becomes the server's origin.
        password_paths: the paths that may receive the password.
        evidence: a part of the evidence of discovery.
        partial_reason: a part of the reason why the snapshot is partial, or "" where it is complete.
        exchanges: the number of requests, with those for tokens.
        tokens: the number of requests for tokens.
    """

    kind: str
    script: tuple[Entry, ...]
    repositories: Mapping[str, Sequence[str]]
    evidence: str
    exchanges: int
    tokens: int = 0
    missing: frozenset[str] = frozenset()
    prefix: str = ""
    listed: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    password_paths: frozenset[str] = frozenset()
    partial_reason: str = ""


def scope_of(repository: str) -> str:
    return f"repository:{repository}:pull"


def cursor_of(page: Sequence[str]) -> str:
    """The specification's cursor: the last entry."""
    return page[-1]


def opaque(page: Sequence[str]) -> str:
    """An opaque cursor, with characters that a query must encode."""
    return b64encode(f"opaque:{page[-1]}>?".encode()).decode() + "=="


def paged(
    path: str,
    body_of: Callable[[list[str]], Any],
    entries: Sequence[str],
    *,
    size: int,
    link_url: LinkUrl,
    by: str = "last",
    make_cursor: Callable[[Sequence[str]], str] = cursor_of,
    sizes: str | None = None,
    empty_last: bool = False,
) -> list[Entry]:
    """A list in pages of `size`. Each page links to the next page by a cursor in the query's parameter `by`.

    `sizes` is a pattern: only requests with such an `n` get these pages. None: all requests do. With `empty_last`, the
    last page with entries links to an empty page.
    """
    pages = [list(entries[start : start + size]) for start in range(0, len(entries), size)] or [[]]
    if empty_last:
        pages.append([])
    size_query = {} if sizes is None else {"n": sizes}
    cursors = [None, *map(make_cursor, pages[:-1])]
    links = [(("Link", f'<{link_url(cursor)}>; rel="next"'),) for cursor in cursors[1:] if cursor is not None]
    return [
        on(
            path,
            document(body_of(page), *link),
            query={by: None if cursor is None else re.escape(cursor), **size_query},
        )
        for page, cursor, link in zip(pages, cursors, [*links, ()], strict=True)
    ]


def relative(path: str, n: int | str, by: str = "last", more: str = "") -> LinkUrl:
    return lambda cursor: f"{path}?{by}={quote(cursor, safe='')}&n={n}{more}"


def one_page(path: str, value: Any) -> Entry:
    """A list on one page, whatever is requested."""
    return on(path, document(value))


def names_of(page: list[str]) -> dict[str, Any]:
    return {"repositories": page}


def tags_of(repository: str) -> Callable[[list[str]], dict[str, Any]]:
    return lambda page: {"name": repository, "tags": page}


def listing(repository: str, tags: Sequence[str | None] | None, base: str = "/v2/") -> Entry:
    """All tags on one page, whatever is requested."""
    return one_page(f"{base}{repository}/tags/list", {"name": repository, "tags": tags})


def on_host(host: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for requests to this host alone."""
    return tuple(_with_headers(entry, {"Host": re.escape(host)}) for entry in entries)


def in_state(state: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(replace(entry, match=replace(entry.match, state=state)) for entry in entries)


def guarded(authorization: str, refused: Reply, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for requests whose Authorization matches the pattern. Others are refused at the same paths."""
    entries = list(entries)
    paths = dict.fromkeys(entry.match.path for entry in entries)
    others = f"(?!(?:{authorization})$).*"
    return (
        *(_with_headers(entry, {"Authorization": authorization}) for entry in entries),
        *(on(path, refused, headers={"Authorization": None}) for path in paths),
        *(on(path, refused, headers={"Authorization": others}) for path in paths),
    )


def _with_headers(entry: Entry, headers: Mapping[str, str | None]) -> Entry:
    return replace(entry, match=replace(entry.match, headers={**entry.match.headers, **headers}))


def unauthorized(challenge: str) -> Reply:
    return refusal(401, "UNAUTHORIZED", "authentication required", ("WWW-Authenticate", challenge))


def guarded_by_basic(
    challenge: str, entries: Iterable[Entry], user: str = BASIC, base: str = "/v2/"
) -> tuple[Entry, ...]:
    return guarded(re.escape(user), unauthorized(challenge), [on(base, document({})), *entries])


def token_for(scope: str) -> str:
    return f"minted-for-{scope}"


def guarded_by_token(scope: str, refused: Reply, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for requests with any token that was granted for the scope."""
    return guarded(rf"Bearer {re.escape(token_for(scope))}-\d+", refused, entries)


def token_response(seconds: int | None, field_name: str = "token") -> Callable[[str], Reply]:
    """A token server's response. Without seconds it leaves the lifetime out."""
    life = {} if seconds is None else {"expires_in": seconds}
    return lambda scope: document({field_name: f"{token_for(scope)}-{{count}}", **life})


FIVE_MINUTES = token_response(300)


def token_server_entries(
    path: str,
    scopes: Iterable[str],
    *,
    service: str | None,
    user: str | None = None,
    answer: Callable[[str], Reply] = FIVE_MINUTES,
) -> list[Entry]:
    """A token server that grants each scope to `user`, or to anonymous requests. "" is a request without a scope."""
    wanted = {"Authorization": None if user is None else re.escape(user)}
    return [
        on(
            path,
            answer(scope),
            query={"scope": re.escape(scope) if scope else None, "service": service and re.escape(service)},
            headers=wanted,
        )
        for scope in scopes
    ]


def numbered(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}{number:04}" for number in range(count))
