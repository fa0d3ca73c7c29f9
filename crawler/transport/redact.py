r"""Secrets that a server quotes back, withheld in whatever form it quotes them.

Some servers repeat in a refusal what they refuse: the header, or the password in it. They repeat it as it was, escaped
for JSON (`\u00e4`), HTML (`&#228;`) or a URL (`%C3%A4`), broken over several lines, or cut short. So text and secret
are compared with all of that undone, and whatever of the text held the secret is replaced.
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

_SHORTEST_BEGINNING: Final = 8
"""So many of a secret's first characters are withheld without the rest: servers cut short what they quote."""

_NEVER_SHORTER: Final = sys.maxsize

_SHORTEST_SECRET: Final = 4
"""Shorter ones are part of ordinary words, and a text without those cannot be read."""

_SECRET_FIELDS: Final = frozenset({"refresh_token"})
_SECRETS_OF_KEY: Final = ("private_key", "private_key_id")
"""What is secret in a service account's key; `{"type":` is not, and begins many an answer."""

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
"""How many layers of escapes are undone; a secret may be written in some itself, as backslashes are."""

_BLANKS: Final = re.compile(r"\s+")
"""Servers break long lines."""
_AMBIGUOUS: Final = re.compile(r"[\s+\\]+")
"""Plus signs, which are blanks in a form, and backslashes, which are an escape together with what stands behind."""


class Redactor:
    """Withholds the secrets of an exchange.

    `headers` are the values of its `Authorization` and `Proxy-Authorization`, `form` what it posted.
    """

    def __init__(self, headers: Iterable[str], form: Iterable[tuple[str, str]] = ()) -> None:
        headers = tuple(headers)
        self._secrets = _sought(_secrets(headers, form), _SHORTEST_BEGINNING)
        long = [credentials for credentials in map(_credentials, headers) if len(credentials) >= _SHORTEST_BEGINNING]
        self._credentials = _sought(long, _NEVER_SHORTER)

    def text(self, text: str) -> str:
        """The text with each secret withheld, and each beginning of one; the same object where there is none.

        For what people read, and nothing else: a beginning may be there by chance.
        """
        return _withheld(text, self._secrets)

    def header(self, text: str) -> str:
        """The text with all credentials withheld that stand there whole; the same object where there are none.

        For what is acted upon, as a cursor in a link is: it may well begin as a password does.
        """
        return _withheld(text, self._credentials)

    def body(self, body: bytes) -> bytes:
        """As `text`, for the body of a refusal, in whatever encoding."""
        text = body.decode("utf-8", "surrogateescape")
        shown = self.text(text)
        return body if shown is text else shown.encode("utf-8", "surrogateescape")


def credentials_in(header: str) -> bytes | None:
    """What a body that is no refusal must not hold: the credentials of an `Authorization` header, as they stand there.

    Not the password, and no part of either: such a body holds data, which may be like a password by chance. None where
    the credentials are so short that data may be like them.
    """
    credentials = _credentials(header).encode()
    return credentials if len(credentials) >= _SHORTEST_BEGINNING else None


def _credentials(header: str) -> str:
    return header.partition(" ")[2]


def _secrets(headers: Iterable[str], form: Iterable[tuple[str, str]]) -> Iterator[str]:
    for header in headers:
        credentials = _credentials(header)
        yield credentials
        if header.startswith("Basic "):
            yield from _of_password(b64decode(credentials).decode("utf-8", "surrogateescape").partition(":")[2])
    for key, value in form:
        if key in _SECRET_FIELDS:
            yield value


def _of_password(password: str) -> Iterable[str]:
    """A password, or where it is a service account's key (`_json_key`) what is secret of that."""
    if not password.startswith("{"):
        return (password,)
    try:
        key = json.loads(password)
    except (ValueError, RecursionError):
        return (password,)
    secrets = [key[name] for name in _SECRETS_OF_KEY if isinstance(key.get(name), str)]
    return secrets or (password,)


def _spellings(secret: str) -> set[str]:
    """As it is, and as servers spell it that take the bytes of a header for Latin-1."""
    return {secret, secret.encode("utf-8", "surrogateescape").decode("latin-1")}


_Pattern = re.Pattern[str]
_Written = Callable[[re.Match[str]], str]
_Text = TypeVar("_Text", "str", "_Traced")


class _View(Protocol):
    """A way to look at a text that is rewritten by a function."""

    def __call__(self, text: _Text, rewritten: Callable[[_Text, _Pattern, _Written], _Text]) -> _Text: ...


def _as_it_is(text: _Text, rewritten: Callable[[_Text, _Pattern, _Written], _Text]) -> _Text:
    return rewritten(text, _BLANKS, _nothing)


def _undone(text: _Text, rewritten: Callable[[_Text, _Pattern, _Written], _Text]) -> _Text:
    text = rewritten(text, _BLANKS, _nothing)
    for _ in range(_LAYERS):
        further = rewritten(text, _ESCAPED, _unescaped)
        if further == text:
            break
        text = further
    return rewritten(text, _AMBIGUOUS, _nothing)


_VIEWS: Final[tuple[_View, ...]] = (_as_it_is, _undone)
"""Both, because what stands before a secret may seem to be an escape together with its first characters."""


class _Traced(NamedTuple):
    """A text rewritten, and for each of its characters from where to where it stood in the original.

    To make one takes many times as long as to rewrite the text alone, which is why that comes first.
    """

    text: str
    starts: list[int]
    ends: list[int]


def _substituted(text: str, pattern: _Pattern, written: _Written) -> str:
    return pattern.sub(written, text)


def _retraced(traced: _Traced, pattern: _Pattern, written: _Written) -> _Traced:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in pattern.finditer(traced.text):
        begin, end = match.span()
        piece = written(match)
        pieces += (traced.text[done:begin], piece)
        starts += traced.starts[done:begin] + [traced.starts[begin]] * len(piece)
        ends += traced.ends[done:begin] + [traced.ends[end - 1]] * len(piece)
        done = end
    text = "".join((*pieces, traced.text[done:]))
    return _Traced(text, starts + traced.starts[done:], ends + traced.ends[done:])


def _nothing(_: re.Match[str]) -> str:
    return ""


def _unescaped(match: re.Match[str]) -> str:
    written = match[0]
    match match.lastgroup:
        case "url":
            return unquote_to_bytes(written).decode("utf-8", "surrogateescape")
        case "repr":
            return bytes.fromhex(written.replace("\\x", "")).decode("utf-8", "surrogateescape")
        case "json":
            return bytes.fromhex(written.replace("\\u", "")).decode("utf-16-be", "replace")
        case "short":
            return _SHORT_ESCAPES.get(written[1], written[1])
        case "byte":
            return chr(ord(written) - 0xDC00)  # not UTF-8, so Latin-1
        case "number":
            return _numbered(written[2:].rstrip(";"))
        case _:
            return html.unescape(written)


def _numbered(digits: str) -> str:
    """The character of a number in HTML, with no regard to HTML's own readings of those from 128 to 159."""
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return chr(number) if number <= sys.maxunicode else ""


class _Sought(NamedTuple):
    """What is looked for in a text, by how the text is looked at; `shortest` is what must be there of the beginning."""

    spelt: Mapping[_View, Sequence[str]]
    shortest: int


def _sought(secrets: Iterable[str], shortest: int) -> _Sought:
    spelt = {spelling for secret in secrets for spelling in _spellings(secret)}
    by_view = {view: {view(spelling, _substituted) for spelling in spelt} for view in _VIEWS}
    long = {view: [seen for seen in all_seen if len(seen) >= _SHORTEST_SECRET] for view, all_seen in by_view.items()}
    return _Sought(long, shortest)


def _withheld(text: str, sought: _Sought) -> str:
    spans = [span for view in _VIEWS for span in _quotations(text, view, sought)]
    return _without(text, sorted(spans)) if spans else text


def _quotations(text: str, view: _View, sought: _Sought) -> Iterator[tuple[int, int]]:
    """From where to where something begins as a secret does, and goes on as long as it goes on."""
    secrets = sought.spelt[view]
    seen = view(text, _substituted) if secrets else ""
    if not any(secret[: sought.shortest] in seen for secret in secrets):
        return
    places = list(range(len(text)))
    traced = view(_Traced(text, places, [place + 1 for place in places]), _retraced)
    for secret in secrets:
        for start, end in _alike(traced.text, secret, sought.shortest):
            yield traced.starts[start], traced.ends[end - 1]


def _alike(text: str, secret: str, shortest: int) -> Iterator[tuple[int, int]]:
    beginning = secret[:shortest]
    found = text.find(beginning)
    while found >= 0:
        longest = min(len(secret), len(text) - found)
        alike = next((i for i in range(len(beginning), longest) if text[found + i] != secret[i]), longest)
        yield found, found + alike
        found = text.find(beginning, found + alike)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text without these spans, which are in order and may overlap."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        if start >= done:
            pieces += (text[done:start], WITHHELD)
        done = max(done, end)
    return "".join((*pieces, text[done:]))
