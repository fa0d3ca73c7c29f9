r"""Withholds the secrets of a request where its response quotes them, in whatever form.

Some servers repeat in an error what they refuse: the header, or the password in it. They repeat it as it was sent,
escaped for JSON (`\u00e4`), HTML (`&#228;`) or a URL (`%C3%A4`), broken over several lines, or cut short. So text and
secret are compared after all of that is undone, and the part of the text that held the secret is replaced.

How it works: a text is rewritten (escapes undone, blanks removed) and searched for the secret, rewritten in the same
way. Only where the search finds something, the rewriting is repeated with the position of each character in the
original, so that the right part of the original can be replaced.
"""

import html
import json
import re
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

WITHHELD: Final = "[withheld]"

_SHORTEST_PREFIX: Final = 8
"""So many of a secret's first characters are withheld even without the rest: servers cut short what they quote."""

_WHOLE: Final = sys.maxsize
"""In place of _SHORTEST_PREFIX where only the whole secret is withheld."""

_SHORTEST_SECRET: Final = 4
"""A shorter secret is part of ordinary words, and an error without those cannot be read."""

SECRET_FIELD: Final = "secret"  # noqa: S105  (a name, not a password)
"""The name under which a redactor takes the secret of a body that is no form."""

_SECRET_FIELDS: Final = frozenset({"refresh_token", SECRET_FIELD})
_SECRETS_OF_KEY: Final = ("private_key", "private_key_id")
"""The secret fields of a service account's key. Its beginning, `{"type":`, is that of many a JSON response."""

_ESCAPED: Final = re.compile(
    r"(?P<url>(?:%[0-9a-fA-F]{2})+)"
    r"|(?P<repr>(?:\\x[0-9a-fA-F]{2})+)"
    r"|(?P<json>(?:\\u[0-9a-fA-F]{4})+)"
    r"|\\(?P<short>.)"
    r"|(?P<number>&#(?:[0-9]{1,7}|[xX][0-9a-fA-F]{1,6});?)"
    r"|(?P<entity>&[A-Za-z][A-Za-z0-9]{1,31};?)"
    "|(?P<byte>[\udc80-\udcff])",
    re.DOTALL,
)
_SHORT_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LAYERS: Final = 8
"""How many layers of escapes are undone: a JSON text within JSON has two, and a secret may hold backslashes itself."""

_BLANKS: Final = re.compile(r"\s+")
"""Removed, because servers break long lines."""
_AMBIGUOUS: Final = re.compile(r"[\s+\\]+")
"""Removed as well: a plus sign is a blank in a form, and a backslash an escape together with the next character."""


class Redactor:
    """Withholds the secrets of one request: of its Authorization and Proxy-Authorization headers, and of its form.

    There are two rules. A text for people (an error) loses secrets, passwords included, and every prefix of one: a
    prefix that is there by chance costs only a word. A value that the crawler uses (a link with a cursor, a tag) loses
    whole credentials alone: a cursor that begins as the password does must still lead to the next page.
    """

    def __init__(self, headers: Iterable[str], form: Iterable[tuple[str, str]] = ()) -> None:
        headers = tuple(headers)
        self._secrets = _patterns(_secrets(headers, form), _SHORTEST_PREFIX)
        long = [credentials for credentials in map(_credentials, headers) if len(credentials) >= _SHORTEST_PREFIX]
        self._credentials = _patterns(long, _WHOLE)

    def text(self, text: str) -> str:
        """A text for people without secrets and their prefixes; the same object where there are none."""
        return _withhold(text, self._secrets)

    def header(self, text: str) -> str:
        """The value of a response header without whole credentials; the same object where there are none."""
        return _withhold(text, self._credentials)

    def body(self, body: bytes) -> bytes:
        """Like `text`, for the body of an error, in any encoding."""
        text = body.decode("utf-8", "surrogateescape")
        redacted = self.text(text)
        return body if redacted is text else redacted.encode("utf-8", "surrogateescape")


def credentials_in(header: str) -> bytes | None:
    """The credentials of an `Authorization` header, which are withheld from a body with data (tags, names).

    Not the password in them, and no prefix: a tag may equal a password by chance. None for credentials so short that
    data may equal them.
    """
    credentials = _credentials(header).encode()
    return credentials if len(credentials) >= _SHORTEST_PREFIX else None


def _credentials(header: str) -> str:
    return header.partition(" ")[2]


def _secrets(headers: Iterable[str], form: Iterable[tuple[str, str]]) -> Iterator[str]:
    for header in headers:
        credentials = _credentials(header)
        yield credentials
        if header.startswith("Basic "):
            yield from _secrets_of_password(b64decode(credentials).decode("utf-8", "surrogateescape").partition(":")[2])
    for key, value in form:
        if key in _SECRET_FIELDS:
            yield value


def _secrets_of_password(password: str) -> Iterable[str]:
    """The password itself, or the secret fields where it is a service account's key (the user `_json_key`)."""
    if not password.startswith("{"):
        return (password,)
    try:
        key = json.loads(password)
    except (ValueError, RecursionError):
        return (password,)
    secrets = [key[name] for name in _SECRETS_OF_KEY if isinstance(key.get(name), str)]
    return secrets or (password,)


def _spellings(secret: str) -> set[str]:
    """The secret, and as servers spell it that decode the bytes of a header as Latin-1."""
    return {secret, secret.encode("utf-8", "surrogateescape").decode("latin-1")}


_Pattern = re.Pattern[str]
_Replacement = Callable[[re.Match[str]], str]
_Text = TypeVar("_Text", "str", "_Traced")
_Substitute = Callable[[_Text, _Pattern, _Replacement], _Text]
"""`re.sub` for plain or traced texts."""


class _View(Protocol):
    """A rewriting under which text and secret are compared, by means of `substitute`."""

    def __call__(self, text: _Text, substitute: _Substitute[_Text]) -> _Text: ...


def _as_sent(text: _Text, substitute: _Substitute[_Text]) -> _Text:
    return substitute(text, _BLANKS, _nothing)


def _unescaped(text: _Text, substitute: _Substitute[_Text]) -> _Text:
    text = substitute(text, _BLANKS, _nothing)
    for _ in range(_LAYERS):
        further = substitute(text, _ESCAPED, _character)
        if further == text:
            break
        text = further
    return substitute(text, _AMBIGUOUS, _nothing)


_VIEWS: Final[tuple[_View, ...]] = (_as_sent, _unescaped)
"""Both, because the text before a secret may form an escape together with the secret's first characters."""


class _Traced(NamedTuple):
    """A rewritten text, and the start and end in the original of each of its characters.

    Making one takes many times as long as rewriting the text alone, which is why that comes first.
    """

    text: str
    starts: list[int]
    ends: list[int]


def _substitute(text: str, pattern: _Pattern, replacement: _Replacement) -> str:
    return pattern.sub(replacement, text)


def _substitute_traced(traced: _Traced, pattern: _Pattern, replacement: _Replacement) -> _Traced:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in pattern.finditer(traced.text):
        begin, end = match.span()
        piece = replacement(match)
        pieces += (traced.text[done:begin], piece)
        starts += traced.starts[done:begin] + [traced.starts[begin]] * len(piece)
        ends += traced.ends[done:begin] + [traced.ends[end - 1]] * len(piece)
        done = end
    text = "".join((*pieces, traced.text[done:]))
    return _Traced(text, starts + traced.starts[done:], ends + traced.ends[done:])


def _nothing(_: re.Match[str]) -> str:
    return ""


def _character(match: re.Match[str]) -> str:
    """The characters that a run of escapes encodes."""
    escaped = match[0]
    match match.lastgroup:
        case "url":
            return unquote_to_bytes(escaped).decode("utf-8", "surrogateescape")
        case "repr":
            return bytes.fromhex(escaped.replace("\\x", "")).decode("utf-8", "surrogateescape")
        case "json":
            return bytes.fromhex(escaped.replace("\\u", "")).decode("utf-16-be", "replace")
        case "short":
            return _SHORT_ESCAPES.get(escaped[1], escaped[1])
        case "byte":
            return chr(ord(escaped) - 0xDC00)  # a byte that is not UTF-8: taken for Latin-1
        case "number":
            return _numbered(escaped[2:].rstrip(";"))
        case _:
            return html.unescape(escaped)


def _numbered(digits: str) -> str:
    """The character with this number, without HTML's exceptions for 128 to 159 (it reads them as Windows-1252)."""
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return chr(number) if number <= sys.maxunicode else ""


class _Patterns(NamedTuple):
    """The secrets to look for, rewritten for each view; `shortest` is how much of a secret's beginning must match."""

    by_view: Mapping[_View, Sequence[str]]
    shortest: int


def _patterns(secrets: Iterable[str], shortest: int) -> _Patterns:
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    rewritten = {view: {view(spelling, _substitute) for spelling in spellings} for view in _VIEWS}
    long = {view: [secret for secret in found if len(secret) >= _SHORTEST_SECRET] for view, found in rewritten.items()}
    return _Patterns(long, shortest)


def _withhold(text: str, patterns: _Patterns) -> str:
    spans = [span for view in _VIEWS for span in _quotations(text, view, patterns)]
    return _replace(text, sorted(spans)) if spans else text


def _quotations(text: str, view: _View, patterns: _Patterns) -> Iterator[tuple[int, int]]:
    """The spans of the text that match a secret from its beginning, each as far as it matches."""
    secrets = patterns.by_view[view]
    rewritten = view(text, _substitute) if secrets else ""
    if not any(secret[: patterns.shortest] in rewritten for secret in secrets):
        return
    places = list(range(len(text)))
    traced = view(_Traced(text, places, [place + 1 for place in places]), _substitute_traced)
    for secret in secrets:
        for start, end in _matches(traced.text, secret, patterns.shortest):
            yield traced.starts[start], traced.ends[end - 1]


def _matches(text: str, secret: str, shortest: int) -> Iterator[tuple[int, int]]:
    prefix = secret[:shortest]
    found = text.find(prefix)
    while found >= 0:
        longest = min(len(secret), len(text) - found)
        length = next((i for i in range(len(prefix), longest) if text[found + i] != secret[i]), longest)
        yield found, found + length
        found = text.find(prefix, found + length)


def _replace(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with WITHHELD in place of these spans, which are in order and may overlap."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        if start >= done:
            pieces += (text[done:start], WITHHELD)
        done = max(done, end)
    return "".join((*pieces, text[done:]))
