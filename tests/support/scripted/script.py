"""The script's vocabulary: a match, the reply to it, and the change of state behind it.

The first entry that matches answers. So a case puts what is different before the entries of a registry in good health.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

Headers = tuple[tuple[str, str], ...]


class Framing(Enum):
    """How a reply says where its body ends."""

    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    """By closing the connection, as HTTP/1.0 does."""


class Ending(Enum):
    """What becomes of the connection after the reply."""

    OPEN = auto()
    CLOSED = auto()
    RESET = auto()
    SILENT = auto()
    """Nothing more is sent, and the connection stays until the client goes."""
    ENDLESS = auto()
    """The reply's last piece comes again and again, `delay_s` between, until the client goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a request must be.

    `query`, `form` and `headers` hold patterns of the whole value, None for what must be absent.
    """

    path: str | None = None
    method: str = "GET"
    query: Mapping[str, str | None] = field(default_factory=dict)
    form: Mapping[str, str | None] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    state: str | None = None

    def fits(
        self,
        method: str,
        path: str,
        query: Mapping[str, list[str]],
        headers: Mapping[str, str],
        *,
        form: Mapping[str, list[str]],
        state: str,
    ) -> bool:
        return (
            method == self.method
            and self.path in {None, path}
            and self.state in {None, state}
            and all(_fits(pattern, query.get(name, [])) for name, pattern in self.query.items())
            and all(_fits(pattern, form.get(name, [])) for name, pattern in self.form.items())
            and all(_fits(pattern, _held(headers, name)) for name, pattern in self.headers.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent: status, headers and body in their framing, or `raw` bytes in place of all of it.

    In headers, body and raw bytes `{origin}` stands for the server's own `http://HOST:PORT`, `{host}` for its
    `HOST:PORT`, `{count}` for how often the entry has been used, from 1 on, `{authorization}` for what the request had
    in that header, and any other word for what the server was told by `say`.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    framing: Framing = Framing.LENGTH
    ending: Ending = Ending.OPEN
    raw: bytes | None = None
    withheld: int = 0
    """How many bytes of the body are promised and never sent."""
    piece: int = 0
    """The body, or what is raw, goes out in pieces of so many bytes, each in a write of its own; 0: in one."""
    delay_s: float = 0
    """Between two pieces."""

    def but(self, **changes: Any) -> "Reply":
        return replace(self, **changes)

    def with_headers(self, *headers: tuple[str, str]) -> "Reply":
        return replace(self, headers=(*self.headers, *headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`times` is how often it answers before it is spent, None for ever; `then` the script's state after it."""

    match: Match
    reply: Reply
    times: int | None = None
    then: str | None = None


def on(
    path: str | None,
    reply: Reply,
    *,
    method: str = "GET",
    query: Mapping[str, str | None] | None = None,
    form: Mapping[str, str | None] | None = None,
    headers: Mapping[str, str | None] | None = None,
    state: str | None = None,
    times: int | None = None,
    then: str | None = None,
) -> Entry:
    match = Match(path=path, method=method, query=query or {}, form=form or {}, headers=headers or {}, state=state)
    return Entry(match=match, reply=reply, times=times, then=then)


def document(value: Any, *headers: tuple[str, str], status: int = 200) -> Reply:
    """A JSON body; bytes and text stand as they are."""
    body = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else _json(value)
    return Reply(status=status, headers=(("Content-Type", "application/json"), *headers), body=body)


def refusal(status: int, code: str, message: str, *headers: tuple[str, str]) -> Reply:
    """The distribution-spec's form of an error."""
    return document({"errors": [{"code": code, "message": message}]}, *headers, status=status)


def html(status: int = 200, text: str = "Down for maintenance") -> Reply:
    page = f"<html><head><style>b {{}}</style></head><body>\n<b>{text}</b>\n</body></html>"
    return Reply(status=status, headers=(("Content-Type", "text/html"),), body=page.encode())


def gzipped(reply: Reply) -> Reply:
    return reply.but(body=gzip.compress(reply.body, mtime=0)).with_headers(("Content-Encoding", "gzip"))


def redirect(location: str, *, status: int = 307) -> Reply:
    return Reply(status=status, headers=(("Location", location),))


def raw(sent: bytes, ending: Ending = Ending.CLOSED) -> Reply:
    return Reply(raw=sent, ending=ending)


def dropped() -> Reply:
    return raw(b"", Ending.CLOSED)


def reset() -> Reply:
    return raw(b"", Ending.RESET)


def silent() -> Reply:
    return raw(b"", Ending.SILENT)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _fits(pattern: str | None, values: Iterable[str]) -> bool:
    values = list(values)
    if pattern is None:
        return not values
    return any(re.fullmatch(pattern, value) for value in values)


def _held(headers: Mapping[str, str], name: str) -> list[str]:
    value = headers.get(name.lower())
    return [] if value is None else [value]
