"""A table's columns, as the engines that load a snapshot write them. The types follow from DuckDB's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from crawler.tables.columns import Column, ColumnType, ListOf, Scalar, StructOf, quoted_name


class Dialect(StrEnum):
    """Who reads the schema: an engine, or a validator."""

    BIGQUERY = "bigquery"
    DUCKDB = "duckdb"
    SPARK = "spark"
    ATHENA = "athena"
    JSON_SCHEMA = "json-schema"


_TIMESTAMP: Final = "TIMESTAMP WITH TIME ZONE"
_BIGQUERY: Final = {
    "VARCHAR": "STRING",
    "BIGINT": "INTEGER",
    "DOUBLE": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    _TIMESTAMP: "TIMESTAMP",
}
_SPARK_SCALARS: Final = {
    "VARCHAR": "STRING",
    "BIGINT": "BIGINT",
    "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    _TIMESTAMP: "TIMESTAMP",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notation:
    """How an engine's statements write types. The texts are templates; a type without its own name keeps DuckDB's."""

    scalars: Mapping[str, str]
    list: str
    struct: str
    field: str
    separator: str = ", "


_DUCKDB: Final = _Notation(scalars={}, list="{}[]", struct="STRUCT({})", field='"{}" {}')
_SPARK: Final = _Notation(scalars=_SPARK_SCALARS, list="ARRAY<{}>", struct="STRUCT<{}>", field="`{}`: {}")
_ATHENA: Final = _Notation(
    scalars={name: type_.lower() for name, type_ in _SPARK_SCALARS.items()},
    list="array<{}>",
    struct="struct<{}>",
    field="{}:{}",
    separator=",",
)
_JSON: Final[dict[str, dict[str, Any]]] = {
    "VARCHAR": {"type": "string"},
    "BIGINT": {"type": "integer"},
    "DOUBLE": {"type": "number"},
    "BOOLEAN": {"type": "boolean"},
    _TIMESTAMP: {"type": "string", "format": "date-time"},
}


def render_schema(table: str, meaning: str, columns: Sequence[Column], dialect: Dialect) -> str:
    """The columns of a table in a dialect: a statement, a column list or a JSON document, without a newline."""
    typed = [(column.name, column.type) for column in columns]
    match dialect:
        case Dialect.DUCKDB:
            lines = [f"    {quoted_name(column.name)} {_write(column.type, _DUCKDB)}" for column in columns]
            return f"CREATE TABLE {table} (\n" + ",\n".join(lines) + "\n)"
        case Dialect.SPARK:
            return ",\n".join(f"`{name}` {_write(type_, _SPARK)}" for name, type_ in typed)
        case Dialect.ATHENA:
            return ",\n".join(f"`{name}` {_write(type_, _ATHENA)}" for name, type_ in typed)
        case Dialect.BIGQUERY:
            return json.dumps([_bigquery(name, type_) for name, type_ in typed], indent=2)
        case Dialect.JSON_SCHEMA:
            return json.dumps(_json_schema(table, meaning, typed), indent=2)


def _write(type_: ColumnType, notation: _Notation) -> str:
    match type_:
        case ListOf(item):
            return notation.list.format(_write(item, notation))
        case StructOf(fields):
            written = [notation.field.format(name, _write(inner, notation)) for name, inner in fields]
            return notation.struct.format(notation.separator.join(written))
        case Scalar(name):
            return notation.scalars.get(name, name)


def _bigquery(name: str, type_: ColumnType) -> dict[str, Any]:
    if isinstance(type_, ListOf):
        return {**_bigquery(name, type_.item), "mode": "REPEATED"}
    if isinstance(type_, StructOf):
        return {
            "name": name,
            "type": "RECORD",
            "mode": "NULLABLE",
            "fields": [_bigquery(inner, field) for inner, field in type_.fields],
        }
    return {"name": name, "type": _BIGQUERY[type_.name], "mode": "NULLABLE"}


def _json_schema(table: str, meaning: str, columns: Sequence[tuple[str, ColumnType]]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"registry-crawler {table}",
        "description": meaning,
        "type": "object",
        "properties": {name: _nullable(_json_type(type_)) for name, type_ in columns},
        "required": [name for name, _ in columns],
    }


def _json_type(type_: ColumnType) -> dict[str, Any]:
    match type_:
        case ListOf(item):
            return {"type": "array", "items": _nullable(_json_type(item))}
        case StructOf(fields):
            properties = {name: _nullable(_json_type(inner)) for name, inner in fields}
            return {"type": "object", "properties": properties, "required": list(properties)}
        case Scalar(name):
            return _JSON[name]


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Columns are only ever added, and every one may be null."""
    return {**schema, "type": [schema["type"], "null"]}
