"""The columns of records and run manifests, as DuckDB reads them from JSON. The types are given, and never guessed.

A type that is guessed from the data changes from night to night: a column that holds only nulls has none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crawler.model.record_fields import RECORD, RecordField, RecordObject


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts, by DuckDB's name: VARCHAR, BIGINT, DOUBLE, BOOLEAN or TIMESTAMP WITH TIME ZONE."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "ColumnType"


@dataclass(frozen=True, slots=True)
class StructOf:
    fields: tuple[tuple[str, "ColumnType"], ...]


ColumnType = Scalar | ListOf | StructOf


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: ColumnType


_SCALARS: Final = {"string": "VARCHAR", "int": "BIGINT", "bool": "BOOLEAN", "map": "MAP(VARCHAR, VARCHAR)"}

RUN_COLUMNS: Final[Mapping[str, str]] = {
    "run_id": "VARCHAR",
    "target": "VARCHAR",
    "registry": "VARCHAR",
    "kind": "VARCHAR",
    "tool": "STRUCT(name VARCHAR, version VARCHAR)",
    "started_at": "VARCHAR",
    "finished_at": "VARCHAR",
    "resumed_at": "VARCHAR[]",
    "identity": "VARCHAR",
    "verdict": "VARCHAR",
    "reasons": "VARCHAR[]",
    "discovery": "STRUCT(method VARCHAR, pages BIGINT, repositories BIGINT, complete BOOLEAN, evidence VARCHAR)",
    "depth": "VARCHAR",
    "referrers": "VARCHAR",
    "counts": (
        "STRUCT(repositories BIGINT, ok BIGINT, missing BIGINT, denied BIGINT, failed BIGINT, invalid BIGINT, "
        "suspect BIGINT, tags BIGINT, images BIGINT, problems BIGINT, unread BIGINT)"
    ),
    "problems": "MAP(VARCHAR, BIGINT)",
    "requests": (
        "STRUCT(total BIGINT, token BIGINT, retries BIGINT, throttled BIGINT, bytes BIGINT, wait_s DOUBLE, "
        "by_kind MAP(VARCHAR, BIGINT))"
    ),
    "cache": "STRUCT(hits BIGINT, misses BIGINT)",
    "pace": "STRUCT(configured VARCHAR, median_per_s DOUBLE, lowest_concurrency BIGINT, set_by VARCHAR)",
    "files": "STRUCT(name VARCHAR, rows BIGINT, bytes BIGINT, sha256 VARCHAR, longest_line BIGINT)[]",
    "slowest": "STRUCT(repository VARCHAR, seconds DOUBLE)[]",
    "previous_run_id": "VARCHAR",
}
"""Of `_run.json`, without its configuration, which is another one for each version."""


def quoted_name(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


_OF_EVERY_ROW: Final = ("run_id", "registry", "target", "repository")


def record_columns(reads: Iterable[str] | None = None) -> dict[str, str]:
    """The columns of a record, with DuckDB's types, from the record's own table of fields.

    `reads` are the fields that are read, as `Table.reads` names them. None: all of them.
    """
    paths = None if reads is None else [tuple(path.split(".")) for path in (*_OF_EVERY_ROW, *reads)]
    return {field.name: _type(field, _below(field, paths)) for field in RECORD.fields if _is_read(field, paths)}


_Paths = list[tuple[str, ...]] | None
"""The fields of an object that are read, as paths; None where all are."""


def _is_read(field: RecordField, paths: _Paths) -> bool:
    return paths is None or any(path[0] == field.name for path in paths)


def _below(field: RecordField, paths: _Paths) -> _Paths:
    """The paths within a field; None where the whole field is read."""
    within = [path[1:] for path in paths or () if path[0] == field.name]
    return within if within and all(within) else None


def _type(field: RecordField, paths: _Paths) -> str:
    scalar = _struct(field.type, paths) if isinstance(field.type, RecordObject) else _SCALARS[field.type]
    return f"{scalar}[]" if field.is_list else scalar


def _struct(record_object: RecordObject, paths: _Paths) -> str:
    fields = [
        f"{quoted_name(field.name)} {_type(field, _below(field, paths))}"
        for field in record_object.fields
        if _is_read(field, paths)
    ]
    return f"STRUCT({', '.join(fields)})"
