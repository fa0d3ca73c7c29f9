"""A body's JSON, and the few shapes that registries put into it: null for empty, numbers as strings."""

import re
from typing import Any

import orjson

from crawler.errors import MalformedReply

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a character in two halves
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises MalformedReply where it is none."""
    try:
        value = _loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedReply(f"not JSON: {fault.msg} (line {fault.lineno}, column {fault.colno})") from None
    if not isinstance(value, dict):
        raise MalformedReply(f"a JSON {_kind(value)} where an object belongs")
    return value


def _loads(body: bytes) -> Any:
    """Strict JSON, but for halves of characters, of which one would spoil a whole page: they become U+FFFD."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        mended = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], body)
        if mended == body:
            raise
        return orjson.loads(mended)


def read_strings(value: Any, field: str) -> tuple[tuple[str, ...], int]:
    """The strings of a list, without duplicates and in its order, and how many entries were no strings.

    null is an empty list: registries in Go write an empty one so. Raises MalformedReply for anything else.
    """
    if value is None:
        return (), 0
    if not isinstance(value, list):
        raise MalformedReply(f"{field!r} is a JSON {_kind(value)}, not a list")
    strings = [entry for entry in value if isinstance(entry, str)]
    return tuple(dict.fromkeys(strings)), len(value) - len(strings)


def read_count(value: Any) -> int | None:
    """A number that may be written as a string, as Google does; None for 0, which means unknown, and for nonsense."""
    if isinstance(value, str):
        # int() would take blanks, underscores, signs and other scripts' digits, and as many of them as there are
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(2**63))):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 2**63 else None


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
