"""What is wrong with a value, in words of our own: what pydantic says is meant for programmers, and changes."""

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
from crawler.config.keys import keys_of, table_of
from crawler.config.values import Takes, one_of
from crawler.untrusted_text import printable

Key = tuple[str | int, ...]

_MAY_HOLD_SECRETS: Final = frozenset({"auth", "realms"})
"""Keys whose values no mistake shows."""


def dotted(key: Key, root: type[BaseModel]) -> str:
    """The name of a key, without what pydantic adds for the parts of a type."""
    names, table = [], root
    for part in (part for part in key if isinstance(part, str)):
        names.append(part)
        field = table.model_fields.get(part)
        inner = None if field is None else table_of(field)
        if inner is None:
            break
        table = inner
    return ".".join(names)


def words(mistake: ErrorDetails, root: type[BaseModel]) -> str:
    """What is wrong, without what was given."""
    key = mistake["loc"]
    match mistake["type"]:
        case "extra_forbidden":
            return f"unknown key{_near(dotted(key, root), root)}"
        case "too_short" if key == ("registry",):
            return "nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
        case "missing":
            return "missing"
        case "value_error":  # raised by a validator of ours
            return str(mistake["ctx"]["error"])
        case values.UNREADABLE:
            return mistake["msg"]
        case _:
            return f"must be {_taken(_field(dotted(key, root), root), mistake['input'])}"


def given(mistake: ErrorDetails) -> str:
    """` (got …)`, where that can hold no secret; else nothing."""
    if mistake["type"] in {"missing", "extra_forbidden", "too_short", values.UNREADABLE}:
        return ""
    value = mistake["input"]
    if isinstance(value, Mapping | list | tuple):
        kind = "a table" if isinstance(value, Mapping) else "a list"
        return "" if mistake["type"] == "value_error" else f" (got {kind})"
    is_secret = not _MAY_HOLD_SECRETS.isdisjoint(mistake["loc"])
    shown = "" if is_secret else quoted(value)
    return f" (got {shown})" if shown else ""


def quoted(value: Any) -> str:
    """A value as TOML has it, unless it is empty or may hold a user's password."""
    match value:
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case str() | Path():
            text = str(value)
            return "" if "@" in text or not text else printable(repr(text), 80)
        case int() | float():
            return printable(_number(value), 80)
        case _:
            return ""


def _number(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return ""


def _near(name: str, root: type[BaseModel]) -> str:
    """`; did you mean KEY?`: a key of the same table, or one with this very name in another."""
    table, _, last = name.rpartition(".")
    keys = {*keys_of(root), *_tables_of(root)}
    here = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == table]
    elsewhere = sorted(key for key in keys if key.rpartition(".")[2] == last)
    near = get_close_matches(last, sorted(here), n=1) or elsewhere
    return f"; did you mean {near[0]}?" if near else ""


def _tables_of(root: type[BaseModel], above: str = "") -> Iterable[str]:
    for name, field in root.model_fields.items():
        if (inner := table_of(field)) is not None:
            yield f"{above}{name}"
            yield from _tables_of(inner, f"{above}{name}.")


def _field(name: str, root: type[BaseModel]) -> FieldInfo:
    *above, last = name.split(".")
    table = root
    for part in above:
        table = table_of(table.model_fields[part]) or table
    return table.model_fields[last]


def _taken(field: FieldInfo, value: Any) -> str:
    if table_of(field) is not None:
        return "a table of keys"
    return _taken_by(field.annotation, field.metadata, value)


def _taken_by(annotation: Any, metadata: Iterable[Any], value: Any) -> str:
    """What a key of that type takes, in words."""
    stated = next((each.words for each in metadata if isinstance(each, Takes)), None)
    if stated is not None:
        return stated
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _taken_by(arguments[0], [*metadata, *arguments[1:]], value)
    if origin in {Union, UnionType}:
        return _taken_by(next(each for each in arguments if each is not NoneType), metadata, value)
    if origin is Literal:
        return one_of(arguments, value)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return one_of([str(choice.value) for choice in annotation], value)
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return f"a whole number{_bounds(metadata)}"
    return "a text"


def _bounds(metadata: Iterable[Any]) -> str:
    bounds = {name: getattr(each, name) for each in metadata for name in ("ge", "le") if hasattr(each, name)}
    return f" from {bounds['ge']} to {bounds['le']}"
