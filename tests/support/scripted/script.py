"""The elements of a script: a request to match, the reply, and the state after it.

The first entry that matches is used, so a test puts its own entries before those of a well-behaved registry.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Any

Headers = tuple[tuple[str, str], ...]


class Framing(Enum):
    """How a reply marks the end of its body."""

    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    """By closing the connection, as HTTP/1.0 does."""


class Ending(Enum):
    """What happens to the connection after the reply."""

    OPEN = auto()
    CLOSED = auto()
    RESET = auto()
    SILENT = auto()
    """Nothing more is sent; the connection stays open until the client closes it."""
    ENDLESS = auto()
    """The last piece of the reply is repeated, every `delay_s` seconds, until the client closes the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The request that an entry matches.

    `query`, `form` and `headers` map names to regular expressions for the whole value; None if the name must be absent.
    `json` does so for the fields of a JSON body; a value that is no string counts as its JSON text.
    """

    path: str | None = None
    method: str = "GET"
    query: Mapping[str, str | None] = field(default_factory=dict)
    form: Mapping[str, str | None] = field(default_factory=dict)
    json: Mapping[str, str | None] = field(default_factory=dict)
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
        body: bytes = b"",
        state: str,
    ) -> bool:
        return (
            method == self.method
            and self.path in {None, path}
            and self.state in {None, state}
            and all(_fits(pattern, query.get(name, [])) for name, pattern in self.query.items())
            and all(_fits(pattern, form.get(name, [])) for name, pattern in self.form.items())
            and (not self.json or self._fits_json(body))
            and all(_fits(pattern, _values_of(headers, name)) for name, pattern in self.headers.items())
        )

    def _fits_json(self, body: bytes) -> bool:
        fields = _json_fields(body)
        return all(_fits(pattern, fields.get(name, [])) for name, pattern in self.json.items())


@lru_cache(maxsize=16)
def _json_fields(body: bytes) -> Mapping[str, list[str]]:
    """The fields of a JSON object, each with its text; none for any other body."""
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    items = fields.items() if isinstance(fields, dict) else ()
    return {name: [value if isinstance(value, str) else json.dumps(value)] for name, value in items}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The bytes to send: status, headers and body with their framing, or `raw` bytes instead.

    Headers, body and raw bytes may have placeholders: `{origin}` is the server's own `http://HOST:PORT`, `{host}` its
    `HOST:PORT`, `{count}` the number of times that the entry was used, from 1 on, `{authorization}` that header of the
    request. `ScriptedServer.say` defines more.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    framing: Framing = Framing.LENGTH
    ending: Ending = Ending.OPEN
    raw: bytes | None = None
    withheld: int = 0
    """The number of bytes at the end of the body that are announced and never sent."""
    piece: int = 0
    """The size of the pieces in which the body or `raw` is sent, each with a write of its own; 0 sends one piece."""
    delay_s: float = 0
    """Seconds between two pieces."""

    def but(self, **changes: Any) -> "Reply":
        return replace(self, **changes)

    def with_headers(self, *headers: tuple[str, str]) -> "Reply":
        return replace(self, headers=(*self.headers, *headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A match and its reply. `times` limits how often it is used; `then` is the state of the script afterwards."""

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
    json: Mapping[str, str | None] | None = None,
    headers: Mapping[str, str | None] | None = None,
    state: str | None = None,
    times: int | None = None,
    then: str | None = None,
) -> Entry:
    match = Match(
        path=path,
        method=method,
        query=query or {},
        form=form or {},
        json=json or {},
        headers=headers or {},
        state=state,
    )
    return Entry(match=match, reply=reply, times=times, then=then)


def document(value: Any, *headers: tuple[str, str], status: int = 200) -> Reply:
    """A reply with a JSON body; bytes and strings are sent unchanged."""
    body = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else _json(value)
    return Reply(status=status, headers=(("Content-Type", "application/json"), *headers), body=body)


def refusal(status: int, code: str, message: str, *headers: tuple[str, str]) -> Reply:
    """An error reply in the format of the distribution specification."""
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


def _values_of(headers: Mapping[str, str], name: str) -> list[str]:
    value = headers.get(name.lower())
    return [] if value is None else [value]
