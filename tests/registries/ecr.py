"""Amazon ECR: Basic with a password that is good for twelve hours, absolute links, opaque cursors."""

import re
from urllib.parse import quote

from support.scripted import Entry, Reply, document, on, refusal

from .distribution import ABOVE_1000
from .vocabulary import (
    LinkUrl,
    Scripted,
    basic,
    guarded,
    guarded_by_basic,
    in_state,
    listing,
    names_of,
    numbered,
    opaque,
    paged,
    tags_of,
    unauthorized,
)

REPOSITORIES = {
    "app": ("1.0", "1.1"),
    "team/base": numbered("build-", 1100),
    "team/job": ("nightly",),
    "web": ("7", "8"),
}
CATALOG = "/v2/_catalog"
BASE = "/v2/team/base/tags/list"

CHALLENGE = 'Basic realm="{origin}/",service="ecr.amazonaws.com"'
EXPIRED = Reply(
    status=403,
    headers=(("Content-Type", "text/plain"),),
    body=b"Your authorization token has expired. Reauthenticate and try again.",
)
DENIED_AS_EXPIRED = refusal(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
TOO_MANY = refusal(400, "INVALID_PARAMETER", "maxResults must be at most 1000")


def absolute(path: str, n: int) -> LinkUrl:
    return lambda cursor: f"{{origin}}{path}?last={quote(cursor, safe='')}&n={n}"


def content() -> list[Entry]:
    names = list(REPOSITORIES)
    base = [
        on(BASE, TOO_MANY, query={"n": ABOVE_1000}),
        *paged(
            BASE,
            tags_of("team/base"),
            REPOSITORIES["team/base"],
            size=1000,
            link_url=absolute(BASE, 1000),
            make_cursor=opaque,
        ),
    ]
    return [
        on(CATALOG, TOO_MANY, query={"n": ABOVE_1000}),
        *paged(CATALOG, names_of, names, size=2, link_url=absolute(CATALOG, 2), make_cursor=opaque, sizes="2"),
        *paged(CATALOG, names_of, names, size=100, link_url=absolute(CATALOG, 100), make_cursor=opaque),
        *base,
        *(listing(name, tags) for name, tags in REPOSITORIES.items() if name != "team/base"),
    ]


def passwords(count: int) -> list[str]:
    """The Authorization headers for the passwords that the credential helper returns, one after the other."""
    return [basic("AWS", f"session-{number}") for number in range(1, count + 1)]


def expiring_at(path: str, expired: Reply = EXPIRED, **query: str) -> tuple[Entry, ...]:
    """The first password expires at this page. Any later password is good."""
    first = {"Authorization": re.escape(passwords(1)[0])}
    paths = dict.fromkeys(entry.match.path for entry in content())
    return (
        on(path, expired, headers=first, query=query, then="expired"),
        *in_state("expired", [on(known, expired, headers=first) for known in paths]),
        *guarded("Basic .+", unauthorized(CHALLENGE), [on("/v2/", document({})), *content()]),
    )


PAGE_SIZE_TOO_LARGE = Scripted(
    kind="ecr",
    script=guarded_by_basic(CHALLENGE, content(), passwords(1)[0]),
    repositories=REPOSITORIES,
    config={"page_size": 5000, "auth": {"username": "AWS", "password": "session-1"}},
    password_paths=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in REPOSITORIES)}),
    evidence="the catalog listed 4 names on 1 page: no next link",
    exchanges=2 + 2 + 4 + 1,
)

ECR = Scripted(
    kind="ecr",
    script=guarded_by_basic(CHALLENGE, content(), passwords(1)[0]),
    repositories=REPOSITORIES,
    config={"page_size": 2, "auth": {"username": "AWS", "password": "session-1"}},
    password_paths=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in REPOSITORIES)}),
    evidence="the catalog listed 4 names on 2 pages: no next link",
    exchanges=2 + 2 + 4 + 1,
)
