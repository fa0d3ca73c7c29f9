"""The message in the JSON of an error, in one line. Registries, gateways and clouds each have a form of their own."""

from typing import Any, Final

import orjson

from crawler.untrusted_text import printable

_MESSAGE_FIELDS: Final = (
    "message",  # distribution-spec, Google, and most others
    "error_description",  # OAuth2 (RFC 6749 §5.2)
    "Message",  # AWS
    "error_message",
    "errorMessage",
    "title",  # problem+json (RFC 9457 §3.1)
    "description",
    "msg",
)
_DETAIL_FIELDS: Final = ("detail", "details")
_MAX_DETAIL_CHARACTERS: Final = 150


def error_message(document: dict[str, Any]) -> str:
    """The message of the first error, escaped and capped, and the number of further errors. "" where there is none."""
    errors = document.get("errors")
    entries = errors if isinstance(errors, list) else [errors]
    first = next(iter(entries), None) or document
    message = printable(_message_of(first))
    return f"{message or 'no reason given'} (+{len(entries) - 1:,} more)" if len(entries) > 1 else message


def _message_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        return ""
    error = entry.get("error")
    if isinstance(error, dict):  # Google's APIs and others; details that are not text are for programs, and long
        short = {
            field: value for field, value in error.items() if field not in _DETAIL_FIELDS or isinstance(value, str)
        }
        return _with_detail(short) or _with_detail(entry)
    message = _with_detail(entry)
    if not message and isinstance(error, str) and not is_code(error):
        return error
    return message


def is_code(text: str) -> bool:
    """Whether an `error` that is a string is a code, such as OAuth2's `invalid_scope`, rather than a sentence."""
    return not any(character.isspace() for character in text)


def _with_detail(entry: dict[str, Any]) -> str:
    message = next((text for field in _MESSAGE_FIELDS if (text := _text(entry.get(field)))), "")
    error_type = _text(entry.get("__type")).rpartition("#")[2]  # AWS: `NAME`, or `com.amazonaws.SERVICE#NAME`
    if error_type:
        message = f"{error_type}: {message}" if message else error_type
    detail = next((text for field in _DETAIL_FIELDS if (text := _detail(entry.get(field)))), "")
    if not detail or detail in message:
        return message
    return f"{message.rstrip('.: ')}: {detail}" if message else detail


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _detail(value: Any) -> str:
    """A detail of any shape: text as it is, an object or a list as short JSON. "" for anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return printable(value.strip(), 2 * _MAX_DETAIL_CHARACTERS)
    if not value or not isinstance(value, dict | list):
        return ""
    try:
        return printable(orjson.dumps(value).decode(), _MAX_DETAIL_CHARACTERS)
    except TypeError:  # orjson parses deeper nesting than it writes
        return ""
