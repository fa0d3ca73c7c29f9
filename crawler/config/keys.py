"""Nested tables, and the keys in them: `registry.auth.method` is the path ("registry", "auth", "method")."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def merge(lower: Any, upper: Any) -> Any:
    """Merge two trees; where both have a key, `upper` wins.

    A value that is no table replaces a table and is replaced by one: validation reports it afterwards.
    """
    if not isinstance(upper, Mapping):
        return upper
    if not isinstance(lower, Mapping):
        return lower
    return {**lower, **{key: merge(lower[key], value) if key in lower else value for key, value in upper.items()}}


def nest(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return the tree that holds `value` at `path` and nothing else."""
    first, *rest = path
    return {first: nest(rest, value) if rest else value}


def value_at(tree: Any, path: Sequence[str]) -> Any:
    """Return the value at `path`, or None where there is none."""
    for part in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def table_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a key that holds a table or a list of tables; None for a key that holds a value."""
    candidates = (field.annotation, *get_args(field.annotation))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def dotted_keys(table: type[BaseModel]) -> Iterator[str]:
    """Yield every key that holds a value, dotted: `registry.auth.method`."""
    for name, field in table.model_fields.items():
        inner = table_model(field)
        yield from [name] if inner is None else (f"{name}.{key}" for key in dotted_keys(inner))
