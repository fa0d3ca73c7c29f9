"""JSON bodies, and the habits that registries share in them: null for an empty list, numbers as strings."""

import re
from typing import Any, Final

import orjson

from crawler.errors import MalformedResponse
from crawler.untrusted_text import printable
from crawler.wire.error_message import error_message
from crawler.wire.web_page import parse_web_page

ONLY_STRINGS: Final = frozenset({str})
"""The set of the types of a list's entries, where each entry is a string. One comparison serves a whole list."""

NEXT_IN_BODY: Final = "the body names a next page, and no Link header does"
"""Why a list without a next link is not proved to be complete."""

_ONLY_OBJECTS: Final = frozenset({dict})

_NEXT_FIELDS: Final = frozenset({"next", "nextPageToken", "next_page", "nextPage", "continuationToken"})
_ERRORS_OR_NEXT: Final = _NEXT_FIELDS | {"errors"}

_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole surrogate pair
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # a lone surrogate
    rb"|\\.",
    re.DOTALL,
)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object. Raises MalformedResponse for anything else.

    The message never quotes the body, which may hold a token.
    """
    value = _parse(body)
    if type(value) is not dict:
        raise MalformedResponse(f"a JSON {_json_type(value)} where an object belongs")
    return value


def parse_object_list(body: bytes) -> list[dict[str, Any]]:
    """Parse a body as a JSON list of objects. Raises MalformedResponse for anything else."""
    value = _parse(body)
    if type(value) is not list:
        raise MalformedResponse(f"a JSON {_json_type(value)} where a list belongs")
    if not {*map(type, value)} <= _ONLY_OBJECTS:
        raise MalformedResponse("a list with entries that are not objects")
    return value


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        return _parse_with_lone_surrogates(body, exc)


def _parse_with_lone_surrogates(body: bytes, exc: orjson.JSONDecodeError) -> Any:
    r"""Parse a body that orjson refused, with U+FFFD in place of each lone surrogate (`\ud800`).

    One such escape in one tag must not cost a page of a thousand. In every other respect the JSON has to be strict.
    Raises MalformedResponse.
    """
    repaired = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["lone"] else escape[0], body)
    try:
        if repaired != body:
            return orjson.loads(repaired)
    except orjson.JSONDecodeError as exc_of_repaired:
        exc = exc_of_repaired
    raise MalformedResponse(_body_kind(body) or f"not JSON: {exc.msg} (line {exc.lineno}, column {exc.colno})")


def _body_kind(body: bytes) -> str:
    """What a body that is not JSON is: empty, an HTML page or XML. "" for anything else."""
    start = body[:1024].lstrip()
    if not start:
        return "an empty body came where JSON was due"
    page = parse_web_page(body)
    if page is not None:
        return str(page)
    return "an XML document came where JSON was due" if start.startswith((b"<?xml", b"<Error")) else ""


def parse_strings(value: Any, field: str) -> tuple[tuple[str, ...], int]:
    """The strings of a list, in order and without duplicates, and the number of entries that are not strings.

    null is an empty list, because a nil slice in Go becomes null (distribution/distribution#1186). Raises
    MalformedResponse for any other value that is not a list.
    """
    if value is None:
        return (), 0
    if type(value) is not list:
        raise MalformedResponse(f"{field!r} is a JSON {_json_type(value)}, not a list")
    if {*map(type, value)} <= ONLY_STRINGS:  # one check for all entries, because a listing can have many thousands
        return tuple(dict.fromkeys(value)), 0
    strings = [entry for entry in value if isinstance(entry, str)]
    return tuple(dict.fromkeys(strings)), len(value) - len(strings)


def names_next_page(document: dict[str, Any]) -> bool:
    """Whether a list's body names a next page in a field. By the specification, only the `Link` header does.

    Raises MalformedResponse for a body with errors in it, because the list beside them is not complete.
    """
    if _ERRORS_OR_NEXT.isdisjoint(document):
        return False
    errors = document.get("errors")
    if errors:
        first = errors[0] if type(errors) is list else errors
        code = first.get("code") if type(first) is dict else None
        message = ": ".join(part for part in (code, error_message(document)) if isinstance(part, str) and part)
        raise MalformedResponse(f"a list with errors beside it: {printable(message, 200) or 'no reason given'}")
    return any(document.get(field) for field in _NEXT_FIELDS)


def parse_text(value: Any) -> str | None:
    """A string that is not empty; None for any other value."""
    return value if isinstance(value, str) and value else None


def parse_count(value: Any) -> int | None:
    """A positive number of 64 bits, which may be written as a string of digits (Google). None for any other value.

    0 is None too, because Google writes "0" for what it does not know.
    """
    number = value
    if type(value) is str:
        try:
            number = int(value)
        except ValueError:
            return None
        # int() also accepts blanks, underscores, signs, and the digits of other scripts.
        if str(number) != value and not (value.isascii() and value.isdigit()):
            return None
    return number if type(number) is int and 0 < number < 2**63 else None


def _json_type(value: Any) -> str:
    """The JSON name of a value's type."""
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
