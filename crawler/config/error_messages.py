"""Error messages for operators, made from pydantic's errors.

pydantic's own messages speak of Python's types, differ from release to release, and may quote a secret.
"""

from collections.abc import Iterable, Mapping
from datetime import date, time
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from crawler.config import values
from crawler.config.keys import dotted_keys, table_model
from crawler.config.toml_file import Key
from crawler.config.values import Expected, one_of
from crawler.untrusted_text import printable

_MAY_HOLD_SECRETS: Final = frozenset({"auth", "realms", "url", "pushgateway"})
"""Keys whose values no message quotes."""


def dotted_key(key: Key, root: type[BaseModel]) -> str:
    """Return the dotted name of a key, without the parts that pydantic adds to a location for unions and validators."""
    names, table = [], root
    for name in (part for part in key if isinstance(part, str)):
        names.append(name)
        field = table.model_fields.get(name)
        inner = None if field is None else table_model(field)
        if inner is None:
            break
        table = inner
    return ".".join(names)


def error_message(error: ErrorDetails, root: type[BaseModel]) -> str:
    """Say what is wrong with a key. The value itself is not quoted: see `got_suffix`."""
    key = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key{_suggestion(dotted_key(key, root), root)}"
        case "too_short" if key == ("registry",):
            return "nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
        case "missing":
            return "missing"
        case "value_error":  # raised by a validator in `values` or `schema`
            return str(error["ctx"]["error"])
        case values.UNREADABLE_FILE:
            return error["msg"]
        case _:
            return f"must be {_expected_value(_field_at(dotted_key(key, root), root), error['input'])}"


def got_suffix(error: ErrorDetails) -> str:
    """Return ` (got VALUE)`, or "" where the value may hold a secret."""
    if error["type"] in {"missing", "extra_forbidden", "too_short", values.UNREADABLE_FILE}:
        return ""
    value = error["input"]
    if isinstance(value, Mapping | list | tuple):
        kind = "a table" if isinstance(value, Mapping) else "a list"
        return "" if error["type"] == "value_error" else f" (got {kind})"
    is_secret = not _MAY_HOLD_SECRETS.isdisjoint(error["loc"])
    quoted = "" if is_secret else quote_value(value)
    return f" (got {quoted})" if quoted else ""


def quote_value(value: Any) -> str:
    """Quote a value as TOML writes it; "" where it is empty, or holds an @ and so may be `user:password@host`."""
    match value:
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case str() | Path():
            text = str(value)
            return "" if "@" in text or not text else printable(repr(text), 80)
        case int() | float():
            return printable(_number_text(value), 80)
        case _:
            return ""


def _number_text(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # Python converts no integer of more than 4300 digits to text
        return ""


def _suggestion(name: str, root: type[BaseModel]) -> str:
    """Return `; did you mean KEY?`: a similar key of the same table, else a key of this name in another table."""
    table, _, last = name.rpartition(".")
    keys = {*dotted_keys(root), *_table_keys(root)}
    siblings = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == table]
    namesakes = sorted(key for key in keys if key.rpartition(".")[2] == last)
    close = get_close_matches(last, sorted(siblings), n=1) or namesakes
    return f"; did you mean {close[0]}?" if close else ""


def _table_keys(root: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in root.model_fields.items():
        if (inner := table_model(field)) is not None:
            yield f"{prefix}{name}"
            yield from _table_keys(inner, f"{prefix}{name}.")


def _field_at(name: str, root: type[BaseModel]) -> FieldInfo:
    *tables, last = name.split(".")
    table = root
    for part in tables:
        table = table_model(table.model_fields[part]) or table
    return table.model_fields[last]


def _expected_value(field: FieldInfo, value: Any) -> str:
    if table_model(field) is not None:
        return "a table of keys"
    return _expected_by_type(field.annotation, field.metadata, value)


def _expected_by_type(annotation: Any, metadata: Iterable[Any], value: Any) -> str:
    """Describe the values that a type takes, for `must be …`."""
    description = next((each.description for each in metadata if isinstance(each, Expected)), None)
    if description is not None:
        return description
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _expected_by_type(arguments[0], [*metadata, *arguments[1:]], value)
    if origin in {Union, UnionType}:
        return _expected_by_type(next(each for each in arguments if each is not NoneType), metadata, value)
    if origin is Literal:
        return one_of(arguments, value)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return one_of([str(choice.value) for choice in annotation], value)
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return f"a whole number{_bounds(metadata)}"
    return "a string"


def _bounds(metadata: Iterable[Any]) -> str:
    bounds = {name: getattr(each, name) for each in metadata for name in ("ge", "le") if hasattr(each, name)}
    return f" from {bounds['ge']} to {bounds['le']}"
