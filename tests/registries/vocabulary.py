"""What the scripts of registries are written with: lists over pages, doors that want a password or a token."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from support.scripted import Entry, Reply, document, on, refusal

USER = "robot"
PASSWORD = "correct-horse-battery"

Address = Callable[[str], str]
"""The next page's address in a `Link`, made of the cursor that the query of that page holds."""

CATALOG_SCOPE = "registry:catalog:*"


def basic(user: str = USER, password: str = PASSWORD) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


BASIC = basic()
WITH_PASSWORD = {"auth": {"method": "basic", "username": USER, "password": PASSWORD}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """A registry's script, and what a crawl of it brings.

    kind: as `crawler.profiles` names it.
    holds: every repository with its tags; `missing` are those that it names and does not have.
    prefix: the target's; `listed`: the names are given; `config`: what else its table says, `{origin}` in it filled.
    shown_to: the paths where the password may be seen.
    evidence: words of the evidence; `doubt` of the reason why the snapshot is partial, "" where it is complete.
    exchanges, tokens: how many a crawl takes.
    """

    kind: str
    script: tuple[Entry, ...]
    holds: Mapping[str, Sequence[str]]
    evidence: str
    exchanges: int
    tokens: int = 0
    missing: frozenset[str] = frozenset()
    prefix: str = ""
    listed: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    shown_to: frozenset[str] = frozenset()
    doubt: str = ""


def scope_of(repository: str) -> str:
    return f"repository:{repository}:pull"


def cursor_of(page: Sequence[str]) -> str:
    """The specification's: the last entry."""
    return page[-1]


def sealed(page: Sequence[str]) -> str:
    """An opaque cursor, of characters that a query has to encode."""
    return b64encode(f"sealed:{page[-1]}>?".encode()).decode() + "=="


def paged(
    path: str,
    told: Callable[[list[str]], Any],
    entries: Sequence[str],
    *,
    size: int,
    address: Address,
    by: str = "last",
    cursor: Callable[[Sequence[str]], str] = cursor_of,
    sizes: str | None = None,
    empty_last: bool = False,
) -> list[Entry]:
    """A list in pages of `size`: each links to the next by its cursor, which the query's `by` brings back.

    `sizes` is the pattern of an `n` that gets such pages, None for any or none. `empty_last`: the last page with
    entries links on as well, to one without.
    """
    pages = [list(entries[start : start + size]) for start in range(0, len(entries), size)] or [[]]
    if empty_last:
        pages.append([])
    asked = {} if sizes is None else {"n": sizes}
    marks = [None, *map(cursor, pages[:-1])]
    links = [(("Link", f'<{address(mark)}>; rel="next"'),) for mark in marks[1:] if mark is not None]
    return [
        on(path, document(told(page), *link), query={by: None if mark is None else re.escape(mark), **asked})
        for page, mark, link in zip(pages, marks, [*links, ()], strict=True)
    ]


def relative(path: str, n: int | str, by: str = "last", more: str = "") -> Address:
    return lambda cursor: f"{path}?{by}={quote(cursor, safe='')}&n={n}{more}"


def whole(path: str, value: Any) -> Entry:
    """A list on one page, whatever page is asked for."""
    return on(path, document(value))


def names_of(page: list[str]) -> dict[str, Any]:
    return {"repositories": page}


def tags_of(repository: str) -> Callable[[list[str]], dict[str, Any]]:
    return lambda page: {"name": repository, "tags": page}


def listing(repository: str, tags: Sequence[str | None] | None, base: str = "/v2/") -> Entry:
    """All tags at once, whatever is asked for."""
    return whole(f"{base}{repository}/tags/list", {"name": repository, "tags": tags})


def at(host: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries of one host of several."""
    return tuple(_with_headers(entry, {"Host": re.escape(host)}) for entry in entries)


def in_state(state: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(replace(entry, match=replace(entry.match, state=state)) for entry in entries)


def behind(authorization: str, refused: Reply, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for whoever sends a header of that pattern; all others are refused at the same paths."""
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


def behind_basic(challenge: str, entries: Iterable[Entry], user: str = BASIC, base: str = "/v2/") -> tuple[Entry, ...]:
    return behind(re.escape(user), unauthorized(challenge), [on(base, document({})), *entries])


def token_for(scope: str) -> str:
    return f"minted-for-{scope}"


def with_token(scope: str, refused: Reply, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries for whoever brings a token for the scope: the first that was minted, or a later one."""
    return behind(rf"Bearer {re.escape(token_for(scope))}-\d+", refused, entries)


def lives(seconds: int | None, field_name: str = "token") -> Callable[[str], Reply]:
    """A token server's answer; without seconds it does not tell how long the token lives."""
    life = {} if seconds is None else {"expires_in": seconds}
    return lambda scope: document({field_name: f"{token_for(scope)}-{{count}}", **life})


FIVE_MINUTES = lives(300)


def mint(
    path: str,
    scopes: Iterable[str],
    *,
    service: str | None,
    user: str | None = None,
    answer: Callable[[str], Reply] = FIVE_MINUTES,
) -> list[Entry]:
    """A token server that grants each scope to `user`, or to nobody in particular; "" is no scope at all."""
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
