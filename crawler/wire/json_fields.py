"""A body's JSON, and the few shapes that registries put into it: null for empty, numbers as strings."""

import re
from typing import Any, Final

import orjson

from crawler.errors import MalformedResponse
from crawler.untrusted_text import printable
from crawler.wire.error_message import error_message
from crawler.wire.web_page import parse_web_page

ONLY_STRINGS: Final = frozenset({str})
"""The types of a list's entries, taken all at once, where each is a string."""

NEXT_IN_BODY: Final = "the body names a next page, and no Link header does"
"""Why a list without a next link is not at its end."""

_NEXT_PAGE: Final = frozenset({"next", "nextPageToken", "next_page", "nextPage", "continuationToken"})
_ERRORS_OR_NEXT: Final = _NEXT_PAGE | {"errors"}

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a character in two halves
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises MalformedReply where it is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        value = _repaired(body, fault)
    if type(value) is not dict:
        raise MalformedResponse(f"a JSON {_kind(value)} where an object belongs")
    return value


def _repaired(body: bytes, fault: orjson.JSONDecodeError) -> Any:
    """Strict JSON, but for halves of characters, of which one would spoil a whole page: they become U+FFFD."""
    mended = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], body)
    try:
        if mended != body:
            return orjson.loads(mended)
    except orjson.JSONDecodeError as other:
        fault = other
    raise MalformedResponse(_body_kind(body) or f"not JSON: {fault.msg} (line {fault.lineno}, column {fault.colno})")


def _body_kind(body: bytes) -> str:
    """What a body is that is no JSON, in words; "" where only the parser can say. Never its text: it may be a token."""
    beginning = body[:1024].lstrip()
    if not beginning:
        return "an empty body came where JSON was due"
    page = parse_web_page(body)
    if page is not None:
        return str(page)
    return "an XML document came where JSON was due" if beginning.startswith((b"<?xml", b"<Error")) else ""


def parse_strings(value: Any, field: str) -> tuple[tuple[str, ...], int]:
    """The strings of a list, without duplicates and in its order, and how many entries were no strings.

    null is an empty list: registries in Go write an empty one so. Raises MalformedReply for anything else.
    """
    if value is None:
        return (), 0
    if type(value) is not list:
        raise MalformedResponse(f"{field!r} is a JSON {_kind(value)}, not a list")
    if {*map(type, value)} <= ONLY_STRINGS:  # for all entries at once, as listings can have many
        return tuple(dict.fromkeys(value)), 0
    strings = [entry for entry in value if isinstance(entry, str)]
    return tuple(dict.fromkeys(strings)), len(value) - len(strings)


def names_next_page(document: dict[str, Any]) -> bool:
    """Whether a list's body names a next page, in a field of its own beside the specification's `Link` header.

    Raises MalformedReply for a body with errors in it, whatever else it holds: such a list is not whole.
    """
    if _ERRORS_OR_NEXT.isdisjoint(document):
        return False
    errors = document.get("errors")
    if errors:
        first = errors[0] if type(errors) is list else errors
        code = first.get("code") if type(first) is dict else None
        told = ": ".join(part for part in (code, error_message(document)) if isinstance(part, str) and part)
        raise MalformedResponse(f"a list with errors beside it: {printable(told, 200) or 'no reason given'}")
    return any(document.get(field) for field in _NEXT_PAGE)


def parse_text(value: Any) -> str | None:
    """A string that says something; None for the empty one and for what is none."""
    return value if isinstance(value, str) and value else None


def parse_count(value: Any) -> int | None:
    """A number that may be written as a string, as Google does; None for 0, which means unknown, and for nonsense."""
    number = value
    if type(value) is str:
        try:
            number = int(value)
        except ValueError:
            return None
        # int() takes blanks, underscores, signs and other scripts' digits as well
        if str(number) != value and not (value.isascii() and value.isdigit()):
            return None
    return number if type(number) is int and 0 < number < 2**63 else None


def _kind(value: Any) -> str:
    """What JSON calls a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"
