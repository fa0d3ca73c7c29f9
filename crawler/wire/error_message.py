"""What the JSON of an error says, in one line for people: registries, gateways and clouds each write it in a form."""

from typing import Any, Final

import orjson

from crawler.untrusted_text import printable

_MESSAGE_FIELDS: Final = (
    "message",  # the distribution specification's, Google's, and most others'
    "error_description",  # OAuth2, RFC 6749 section 5.2
    "Message",  # AWS
    "error_message",
    "errorMessage",
    "title",  # problem+json, RFC 9457
    "description",
    "msg",
)
_DETAIL_FIELDS: Final = ("detail", "details")
_LONGEST_DETAIL: Final = 150


def error_message(document: dict[str, Any]) -> str:
    """The message of the first error in a document, escaped and capped, and how many more there are; "" for none."""
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
    if isinstance(error, dict):  # Google's REST form, and others': its details are for programs, and long
        told = {field: value for field, value in error.items() if field not in _DETAIL_FIELDS or isinstance(value, str)}
        return _with_detail(told) or _with_detail(entry)
    message = _with_detail(entry)
    if not message and isinstance(error, str) and not is_code(error):
        return error
    return message


def is_code(text: str) -> bool:
    """Whether an `error` that is a string is a code, as OAuth2's are, and not a sentence."""
    return not any(character.isspace() for character in text)


def _with_detail(entry: dict[str, Any]) -> str:
    message = next((told for field in _MESSAGE_FIELDS if (told := _text(entry.get(field)))), "")
    kind = _text(entry.get("__type")).rpartition("#")[2]  # AWS: the error's name, maybe behind that of its service
    if kind:
        message = f"{kind}: {message}" if message else kind
    detail = next((told for field in _DETAIL_FIELDS if (told := _detail(entry.get(field)))), "")
    if not detail or detail in message:
        return message
    return f"{message.rstrip('.: ')}: {detail}" if message else detail


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _detail(value: Any) -> str:
    """A detail of any shape: text as it is, anything else as short JSON; "" for one that says nothing."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return printable(value.strip(), 2 * _LONGEST_DETAIL)
    if not value or not isinstance(value, dict | list):
        return ""
    try:
        return printable(orjson.dumps(value).decode(), _LONGEST_DETAIL)
    except TypeError:  # orjson reads deeper nesting than it writes
        return ""
