"""Delta tables, `URL/<table>/_delta_log`: a data file is put in its place first, and then added to its table. It is
removed from its table before it is deleted.

The one door to deltalake. No lock is needed. A Delta log knows a file by its path, and a run has one path in each
table: where two publishers add the same file, the later entry takes the place of the earlier one.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from crawler.lake.environment import allows_plain_http
from crawler.lake.layout import RunLayout
from crawler.lake.messages import lake_errors
from crawler.lake.objects import CONNECT_TIMEOUT_S, RETRIES, RETRY_TIMEOUT_S, TIMEOUT_S
from crawler.tables.columns import Column, ColumnType, ListOf, Scalar, StructOf
from crawler.untrusted_text import printable

_ATTEMPTS: Final = 3

_PARTITIONS: Final = ["date", "run"]
_TYPES: Final = {
    "VARCHAR": "string",
    "BIGINT": "long",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}


class DeltaLake:
    """The Delta tables below a lake's URL."""

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self._url = url
        self._environ = environ

    def add_file(self, table: str, columns: Sequence[Column], layout: RunLayout, *, size: int, rows: int) -> None:
        """Add the run's data file, which is there, to a table. The table is made where it is not there.

        A file that the table has already is not added again, unless it had another size. Raises LakeError.
        """
        added = AddAction(
            path=layout.file,
            size=size,
            partition_values={"date": layout.date, "run": layout.run_id},
            modification_time=time.time_ns() // 1_000_000,
            data_change=True,
            stats=json.dumps({"numRecords": rows}),
        )
        with self._lake_errors(table):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return self._add(table, _schema(columns), added)
                except DeltaError:  # perhaps another publisher has just made the table, or added columns to it
                    continue
            return self._add(table, _schema(columns), added)

    def files(self, table: str) -> dict[str, dict[str, int]]:
        """The bytes of the files that readers of a table see, by path, by the run's partition. Raises LakeError.

        A run may have other files than the one that was published: an optimisation of the table writes new ones.
        """
        with self._lake_errors(table):
            delta = self._open(table)
            return {} if delta is None else _files_by_partition(delta)

    def remove_runs(self, table: str, partitions: Collection[str]) -> None:
        """Remove the files of runs from a table's log, in one entry. The files themselves stay. Raises LakeError."""
        with self._lake_errors(table):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return self._remove(table, partitions)
                except DeltaError:  # perhaps another process has just removed one of them
                    continue
            return self._remove(table, partitions)

    def _remove(self, table: str, partitions: Collection[str]) -> None:
        delta = self._open(table)
        if delta is None:
            return
        files = _files_by_partition(delta)
        removed: list[AddAction | RemoveAction] = [
            RemoveAction(
                path=path,
                data_change=True,
                deletion_timestamp=time.time_ns() // 1_000_000,
                size=size,
                partition_values=_partition_values(partition),
            )
            for partition in partitions
            for path, size in files.get(partition, {}).items()
        ]
        if removed:
            delta.create_write_transaction(removed, "append", delta.schema(), _PARTITIONS)

    def _open(self, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(self._table_url(table), storage_options=self._options())
        except TableNotFoundError:
            return None

    def _add(self, table: str, schema: Schema, added: AddAction) -> None:
        delta = self._open_or_create(table, schema)
        if added.path in _files(delta, added.size):
            return
        _add_columns(delta, schema)
        delta.create_write_transaction([added], "append", delta.schema(), _PARTITIONS)

    def _open_or_create(self, table: str, schema: Schema) -> DeltaTable:
        url, options = self._table_url(table), self._options()
        try:
            return DeltaTable(url, storage_options=options)
        except DeltaError:
            # a second attempt of this commit would make the table again, where another publisher has just made it
            once = CommitProperties(max_commit_retries=0)
            return DeltaTable.create(
                url, schema, partition_by=_PARTITIONS, storage_options=options, commit_properties=once
            )

    def _table_url(self, table: str) -> str:
        parts = urlsplit(self._url)
        place = unquote(parts.path) if parts.scheme == "file" else self._url
        return f"{place.rstrip('/')}/{table}"

    def _options(self) -> dict[str, str]:
        """The options of deltalake's client, which reads the provider's environment variables as obstore does."""
        if self._url.startswith("file:"):
            return {}
        return {
            "allow_http": str(allows_plain_http(self._url, self._environ)).lower(),
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "timeout": f"{TIMEOUT_S}s",
            "max_retries": str(RETRIES),
            "retry_timeout": f"{RETRY_TIMEOUT_S}s",
        }

    def _lake_errors(self, table: str) -> AbstractContextManager[None]:
        asked = f"{printable(self._url)}: Delta table {table}"
        return lake_errors(asked, (DeltaError, OSError, ValueError), self._environ)


def _files(delta: DeltaTable, size: int) -> set[str]:
    """The paths of the table's files with this size."""
    actions = delta.get_add_actions(flatten=True)
    paths, sizes = actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist()
    return {path for path, bytes_ in zip(paths, sizes, strict=True) if bytes_ == size}


def _partition_values(partition: str) -> dict[str, str | None]:
    return {name: value for name, _, value in (part.partition("=") for part in partition.split("/"))}


def _files_by_partition(delta: DeltaTable) -> dict[str, dict[str, int]]:
    actions = delta.get_add_actions(flatten=True)
    columns = ("partition.date", "partition.run", "path", "size_bytes")
    found: dict[str, dict[str, int]] = {}
    for date, run, path, size in zip(*(actions.column(each).to_pylist() for each in columns), strict=True):
        found.setdefault(f"date={date}/run={run}", {})[path] = size
    return found


def _add_columns(delta: DeltaTable, schema: Schema) -> None:
    """Add the columns that a later version of the crawler has, and the table has not."""
    known = {field.name for field in delta.schema().fields}
    added = [field for field in schema.fields if field.name not in known]
    if added:
        delta.alter.add_columns(added)


def _schema(columns: Sequence[Column]) -> Schema:
    partitions = [Column("date", Scalar("DATE")), Column("run", Scalar("VARCHAR"))]
    return Schema.from_json(json.dumps(_struct([(each.name, each.type) for each in (*columns, *partitions)])))


def _struct(fields: Sequence[tuple[str, ColumnType]]) -> dict[str, Any]:
    described = [{"name": name, "type": _type(type_), "nullable": True, "metadata": {}} for name, type_ in fields]
    return {"type": "struct", "fields": described}


def _type(type_: ColumnType) -> Any:
    match type_:
        case ListOf(item):
            return {"type": "array", "elementType": _type(item), "containsNull": True}
        case StructOf(fields):
            return _struct(fields)
        case Scalar(name):
            return _TYPES[name]
