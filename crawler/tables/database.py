"""The tables of some snapshots, asked by SQL or written to files. The one door to DuckDB.

The database is in memory and reads the snapshots' files alone: no other file and no network. A query writes nothing; a
`TableWriter` writes into the one folder that it was opened with.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import duckdb

from crawler.errors import QueryError, SnapshotError
from crawler.tables.columns import (
    RUN_COLUMNS,
    Column,
    ColumnType,
    ListOf,
    Scalar,
    StructOf,
    quoted_name,
    record_columns,
)
from crawler.tables.definitions import tables
from crawler.tables.selection import SelectedSnapshot

MEMORY_LIMIT: Final = "1GB"
"""What a query may hold in memory. What needs more is spilled to a temporary folder."""

_FRUGAL_MEMORY_LIMIT: Final = "200MB"
"""What writing a table may hold at first: most tables pass through. Grouping millions of tags needs more."""

_ROWS_FETCHED: Final = 1000
_SMALLEST_OBJECT_BYTES: Final = 16 * 1024**2
_TOO_LONG: Final = "maximum_object_size"


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query, as they are read. Their values are Python's, and times have a time zone."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class Database:
    """The tables of some snapshots. Made by `open_database`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Result:
        """The result of one query, in which `$NAME` stands for a parameter.

        Raises QueryError and SnapshotError, also while the rows are read.
        """
        with _query_errors():
            self._connection.execute(sql, parameters)
            described = self._connection.description or []
        return Result(tuple(name for name, *_ in described), self._rows())

    def columns(self, table: str) -> tuple[Column, ...]:
        """The columns of a table."""
        relation = self._connection.sql(f"SELECT * FROM {quoted_name(table)} LIMIT 0")  # noqa: S608  (quoted)
        return tuple(
            Column(name, _column_type(type_)) for name, type_ in zip(relation.columns, relation.types, strict=True)
        )

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        while True:
            with _query_errors():
                batch = self._connection.fetchmany(_ROWS_FETCHED)
            if not batch:
                return
            yield from batch


class FileFormat(StrEnum):
    """How a table is written to a file, as the options of DuckDB's COPY.

    Readers split Parquet by its row groups. Twenty thousand rows of images are some megabytes.
    """

    PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000"
    JSON_LINES = "FORMAT json, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%gZ'"


class TableWriter:
    """Writes the tables of one snapshot to files. Made by `open_writer`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def write(self, table: str, file: Path, form: FileFormat) -> int:
        """Write a table to a file, in the snapshot's order; return its rows. A table without rows has a file, too.

        The columns and their types are those of every snapshot, and each may be null. Raises QueryError where the
        memory does not suffice, and SnapshotError.
        """
        statement = f"COPY {quoted_name(table)} TO {_text(str(file))} ({form})"
        with _query_errors():
            try:
                return self._copy(statement, _FRUGAL_MEMORY_LIMIT)
            except duckdb.OutOfMemoryException:
                return self._copy(statement, MEMORY_LIMIT)

    def _copy(self, statement: str, memory_limit: str) -> int:
        self._connection.execute(f"SET memory_limit = '{memory_limit}'")
        (rows,) = self._connection.execute(statement).fetchone() or (0,)
        return int(rows)


@contextmanager
def open_writer(snapshot: SelectedSnapshot, folder: Path) -> Iterator[TableWriter]:
    """A writer of a snapshot's tables, which reads the snapshot and writes into `folder` alone. Raises SnapshotError.

    One thread, which keeps the order: equal snapshots make equal files. More threads take more memory, and save little
    time where one file of JSON is read.
    """
    with _connect(str(folder)) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1; SET preserve_insertion_order = true")
        _create_tables(connection, [snapshot])
        _close_to_the_world(connection, snapshot.files, str(folder))
        yield TableWriter(connection)


@contextmanager
def open_database(snapshots: Sequence[SelectedSnapshot]) -> Iterator[Database]:
    """The tables of these snapshots; of none of them, the tables are empty. Raises SnapshotError."""
    with _spill_folder() as spill, _connect(spill) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _create_tables(connection, snapshots)
        _close_to_the_world(connection, [path for snapshot in snapshots for path in snapshot.files], spill)
        connection.execute("SET lock_configuration = true")
        yield Database(connection)


@contextmanager
def _spill_folder() -> Iterator[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="registry-crawler-")
    except OSError as exc:
        message = f"no temporary folder for what does not fit into memory: {exc.strerror}: set TMPDIR"
        raise SnapshotError(message) from None
    with folder as path:
        yield path


def table_columns(name: str) -> tuple[Column, ...]:
    """The columns of a table. They are the same for every snapshot."""
    with open_database(()) as database:
        return database.columns(name)


def _column_type(type_: Any) -> ColumnType:
    match type_.id:
        case "list":
            return ListOf(_column_type(dict(type_.children)["child"]))
        case "struct":
            return StructOf(tuple((name, _column_type(inner)) for name, inner in type_.children))
        case _:
            return Scalar(str(type_))


def _connect(spill: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
    )


def _create_tables(connection: duckdb.DuckDBPyConnection, snapshots: Sequence[SelectedSnapshot]) -> None:
    """Create the tables, and the views `records` and `run_manifests` for those who ask for everything."""
    records = [path for snapshot in snapshots for path in snapshot.data_files]
    longest = max((snapshot.longest_line for snapshot in snapshots), default=0)
    run_manifests = _source([snapshot.run_manifest for snapshot in snapshots], RUN_COLUMNS, 0)
    connection.execute(f"CREATE VIEW run_manifests AS {run_manifests}")
    connection.execute(f"CREATE VIEW records AS {_source(records, record_columns(), longest)}")
    for table in tables().values():
        source = _source(records, record_columns(table.reads), longest) if table.reads else run_manifests
        name = "records" if table.reads else "run_manifests"
        connection.execute(f"CREATE VIEW {table.name} AS WITH {name} AS ({source}) {table.sql}")


def _source(files: Sequence[Path], columns: Mapping[str, str], longest: int) -> str:
    """A query for the objects in files of JSON, one after the other; `longest` is the length of the longest."""
    if not files:
        nulls = [f"NULL::{type_} AS {quoted_name(name)}" for name, type_ in columns.items()]
        return f"SELECT {', '.join(nulls)} LIMIT 0"
    size = max(longest + 1024, _SMALLEST_OBJECT_BYTES)
    # the folders `source=`, `date=` and `run=` are no columns: a record has its target, its run and its times
    options = f"columns = {_struct(columns)}, maximum_object_size = {size}, hive_partitioning = false"
    return f"SELECT * FROM read_json({_list(files)}, {options})"  # noqa: S608  (quoted)


def _close_to_the_world(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], folder: str) -> None:
    """From here on a statement reads the snapshots' files, uses the folder, and does nothing else."""
    connection.execute(f"SET allowed_paths = {_list(files)}")
    connection.execute(f"SET allowed_directories = {_list([Path(folder)])}")
    connection.execute("SET enable_external_access = false")


@contextmanager
def _query_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as exc:
        raise SnapshotError(_message(exc)) from None
    except duckdb.Error as exc:
        raise QueryError(_message(exc)) from None


def _message(exc: duckdb.Error) -> str:
    """DuckDB's own words, which point at the place in the query."""
    return str(exc).strip()


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(_text(str(path)) for path in paths)}]"


def _struct(columns: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_text(name)}: {_text(type_)}" for name, type_ in columns.items()) + "}"


def _text(value: str) -> str:
    """A value as a text of SQL."""
    return "'" + value.replace("'", "''") + "'"
