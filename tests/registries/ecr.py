"""Amazon's private registry: Basic with a password of twelve hours, absolute links whose cursor is sealed."""

import re
from urllib.parse import quote

from support.scripted import Entry, Reply, document, on, refusal

from .distribution import ABOVE_1000
from .vocabulary import (
    Address,
    Scripted,
    basic,
    behind,
    behind_basic,
    in_state,
    listing,
    names_of,
    numbered,
    paged,
    sealed,
    tags_of,
    unauthorized,
)

HOLDS = {"app": ("1.0", "1.1"), "team/base": numbered("build-", 1100), "team/job": ("nightly",), "web": ("7", "8")}
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


def absolute(path: str, n: int) -> Address:
    return lambda cursor: f"{{origin}}{path}?last={quote(cursor, safe='')}&n={n}"


def content() -> list[Entry]:
    names = list(HOLDS)
    base = [
        on(BASE, TOO_MANY, query={"n": ABOVE_1000}),
        *paged(BASE, tags_of("team/base"), HOLDS["team/base"], size=1000, address=absolute(BASE, 1000), cursor=sealed),
    ]
    return [
        on(CATALOG, TOO_MANY, query={"n": ABOVE_1000}),
        *paged(CATALOG, names_of, names, size=2, address=absolute(CATALOG, 2), cursor=sealed, sizes="2"),
        *paged(CATALOG, names_of, names, size=100, address=absolute(CATALOG, 100), cursor=sealed),
        *base,
        *(listing(name, tags) for name, tags in HOLDS.items() if name != "team/base"),
    ]


def passwords(count: int) -> list[str]:
    """What the helper says for a password, one time after the other."""
    return [basic("AWS", f"session-{number}") for number in range(1, count + 1)]


def expiring_at(path: str, expired: Reply = EXPIRED, **query: str) -> tuple[Entry, ...]:
    """The first password is no good from that page on, and any later one always is."""
    first = {"Authorization": re.escape(passwords(1)[0])}
    paths = dict.fromkeys(entry.match.path for entry in content())
    return (
        on(path, expired, headers=first, query=query, then="expired"),
        *in_state("expired", [on(known, expired, headers=first) for known in paths]),
        *behind("Basic .+", unauthorized(CHALLENGE), [on("/v2/", document({})), *content()]),
    )


ASKED_FOR_TOO_MANY = Scripted(
    kind="ecr",
    script=behind_basic(CHALLENGE, content(), passwords(1)[0]),
    holds=HOLDS,
    config={"page_size": 5000, "auth": {"username": "AWS", "password": "session-1"}},
    shown_to=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in HOLDS)}),
    evidence="the catalog listed 4 names on 1 page: no next link",
    exchanges=2 + 2 + 4 + 1,
)

ECR = Scripted(
    kind="ecr",
    script=behind_basic(CHALLENGE, content(), passwords(1)[0]),
    holds=HOLDS,
    config={"page_size": 2, "auth": {"username": "AWS", "password": "session-1"}},
    shown_to=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in HOLDS)}),
    evidence="the catalog listed 4 names on 2 pages: no next link",
    exchanges=2 + 2 + 4 + 1,
)
