"""Nested tables, and the keys in them: `registry.auth.method` is the path ("registry", "auth", "method")."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def merged(below: Any, above: Any) -> Any:
    """Two trees as one, in which what is above wins. No key reaches into what should be a table, and is none."""
    if not isinstance(above, Mapping):
        return above
    if not isinstance(below, Mapping):
        return below
    return {**below, **{key: merged(below[key], value) if key in below else value for key, value in above.items()}}


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """The tree that holds one value."""
    first, *rest = path
    return {first: nested(rest, value) if rest else value}


def value_at(tree: Any, path: Sequence[str]) -> Any:
    """What a tree holds there, or None."""
    for part in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a key stands for, one or a list of it; None for a key that holds a value."""
    candidates = (field.annotation, *get_args(field.annotation))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def keys_of(table: type[BaseModel]) -> Iterator[str]:
    """Every key that holds a value, dotted."""
    for name, field in table.model_fields.items():
        inner = table_of(field)
        yield from [name] if inner is None else (f"{name}.{key}" for key in keys_of(inner))
