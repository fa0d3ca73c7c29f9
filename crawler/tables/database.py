"""The tables of some snapshots, asked by SQL or written to files. The one door to DuckDB.

The database is in memory and reads the snapshots' files alone: no other file and no network. A query writes nothing; a
`TableWriter` writes into the one folder that it was opened with.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from crawler.tables.definitions import Table, tables
from crawler.tables.selection import SelectedSnapshot

_MEMORY_LIMIT_BYTES: Final = 10**9
"""What a query may hold in memory. What needs more is spilled to a temporary folder."""

_MEMORY_PER_LINE_BYTE: Final = 10
"""A record is parsed whole: DuckDB 2.0 asks for up to eight times the bytes of one with 280,000 images."""

_FRUGAL_MEMORY_BYTES: Final = 200 * 10**6
"""What writing a table may hold at first: most tables pass through. Grouping millions of tags needs more."""

_ROWS_FETCHED: Final = 1000
_SMALLEST_OBJECT_BYTES: Final = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query, as they are read. Their values are Python's, and times have a time zone."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class ArrowTable:
    """Rows for everything that reads Arrow: `pyarrow.table(rows)`, `polars.DataFrame(rows)`, `pandas` and others.

    Nothing is read before it is asked for, and each asking reads the snapshot anew, in batches: a table need not fit
    into memory. Times are microseconds in UTC.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._parameters = parameters

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows by Arrow's PyCapsule interface. Raises QueryError and SnapshotError."""
        # a connection can give one result at a time
        with _query_errors():
            rows = self._connection.cursor().sql(self._sql, params=self._parameters)
            return rows.__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, slots=True)
class RecordsView:
    """A view over the records of one snapshot.

    Attributes:
        reads: the fields of a record that are read, as `Table.reads` names them.
    """

    name: str
    snapshot: SelectedSnapshot
    reads: tuple[str, ...]


class Database:
    """The tables of some snapshots. Made by `open_database` and `open_records`."""

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

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> ArrowTable:
        """The result of a query for other libraries, while the database is open."""
        return ArrowTable(self._connection, sql, parameters)

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


@contextmanager
def open_database(snapshots: Sequence[SelectedSnapshot], more: Sequence[Table] = ()) -> Iterator[Database]:
    """The tables of these snapshots, and `more` tables; of no snapshots they are empty. Raises SnapshotError."""

    def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
        _create_tables(connection, snapshots, (*tables().values(), *more))

    with _open(snapshots, create_tables) as database:
        yield database


@contextmanager
def open_records(views: Sequence[RecordsView]) -> Iterator[Database]:
    """The records of some snapshots, each under a name of its own, to compare them. Raises SnapshotError.

    They are read by one thread: each thread holds the records of two thousand repositories in memory.
    """

    def create_views(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SET threads = 1")
        # memory is given back after each statement, and not kept for the next one; more often costs a second
        connection.execute("SET allocator_bulk_deallocation_flush_threshold = '32MB'")
        for view in views:
            source = _source(view.snapshot.data_files, record_columns(view.reads), view.snapshot.longest_line)
            connection.execute(f"CREATE VIEW {quoted_name(view.name)} AS {source}")

    with _open([view.snapshot for view in views], create_views) as database:
        yield database


_DEEP: Final = ("images.manifest", "images.config")
"""The fields of a record that take most of its room."""

_SHALLOW_RECORDS: Final = "shallow_records"


class TableWriter:
    """Writes the tables of one snapshot to files. Made by `open_writer`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory: int) -> None:
        self._connection = connection
        self._memory = memory

    def write(self, table: str, file: Path, form: FileFormat) -> int:
        """Write a table to a file, in the snapshot's order; return its rows. A table without rows has a file, too.

        The columns and their types are those of every snapshot, and each may be null. Raises QueryError where the
        memory does not suffice, and SnapshotError.
        """
        return self._copy(quoted_name(table), file, form)

    def _copy(self, source: str, file: Path, options: str) -> int:
        statement = f"COPY {source} TO {_text(str(file))} ({options})"
        with _query_errors():
            try:
                return self._execute(statement, _FRUGAL_MEMORY_BYTES)
            except duckdb.OutOfMemoryException:
                return self._execute(statement, self._memory)

    def _execute(self, statement: str, memory: int) -> int:
        self._connection.execute(f"SET memory_limit = '{memory}B'")
        (rows,) = self._connection.execute(statement).fetchone() or (0,)
        return int(rows)

    def prepare(self, folder: Path) -> None:
        """Parse what the shallow tables read once, and not for each of them: parsing is most of their cost."""
        shallow = [table for table in tables().values() if table.reads and not _reads_deep(table)]
        file = folder / f"{_SHALLOW_RECORDS}.parquet"
        self._copy(_SHALLOW_RECORDS, file, "FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 2048")
        for table in shallow:
            records = f"SELECT * FROM read_parquet({_text(str(file))})"  # noqa: S608  (quoted)
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {quoted_name(table.name)} AS WITH records AS ({records}) {table.sql}"
            )


def _reads_deep(table: Table) -> bool:
    return any(field.startswith(_DEEP) for field in table.reads)


@contextmanager
def open_writer(snapshot: SelectedSnapshot, folder: Path) -> Iterator[TableWriter]:
    """A writer of a snapshot's tables, which reads the snapshot and writes into `folder` alone. Raises SnapshotError.

    One thread, which keeps the order: equal snapshots make equal files. More threads take more memory, and save little
    time where one file of JSON is read.
    """
    memory = _memory_bytes([snapshot])
    shallow = sorted({field for table in tables().values() if not _reads_deep(table) for field in table.reads})
    with _connect(str(folder), memory) as connection:
        with _query_errors():
            connection.execute("SET threads = 1; SET preserve_insertion_order = true")
            _create_tables(connection, [snapshot], tuple(tables().values()))
            source = _source(snapshot.data_files, record_columns(shallow), snapshot.longest_line)
            connection.execute(f"CREATE VIEW {_SHALLOW_RECORDS} AS {source}")
            _close_to_the_world(connection, snapshot.files, str(folder))
        writer = TableWriter(connection, memory)
        writer.prepare(folder)
        yield writer


@contextmanager
def _open(
    snapshots: Sequence[SelectedSnapshot], create: Callable[[duckdb.DuckDBPyConnection], None]
) -> Iterator[Database]:
    """A database that reads these snapshots' files, and nothing else once `create` is done."""
    with _spill_folder() as spill, _connect(spill, _memory_bytes(snapshots)) as connection:
        with _query_errors():
            create(connection)
            _close_to_the_world(connection, [path for snapshot in snapshots for path in snapshot.files], spill)
            connection.execute("SET lock_configuration = true")
        yield Database(connection)


def _memory_bytes(snapshots: Sequence[SelectedSnapshot]) -> int:
    return max(_MEMORY_LIMIT_BYTES, _MEMORY_PER_LINE_BYTE * _longest_line(snapshots))


def _longest_line(snapshots: Sequence[SelectedSnapshot]) -> int:
    return max((snapshot.longest_line for snapshot in snapshots), default=0)


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


@contextmanager
def _connect(spill: str, memory: int) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(
        config={
            "memory_limit": f"{memory}B",
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
    ) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # it is drawn for a program that has no file
        yield connection


def _create_tables(
    connection: duckdb.DuckDBPyConnection, snapshots: Sequence[SelectedSnapshot], definitions: Sequence[Table]
) -> None:
    """Create the tables, and the views `records` and `run_manifests` for those who ask for everything."""
    longest = _longest_line(snapshots)
    records = [path for snapshot in snapshots for path in snapshot.data_files]
    run_manifests = _source([snapshot.run_manifest for snapshot in snapshots], RUN_COLUMNS, 0)
    connection.execute(f"CREATE VIEW run_manifests AS {run_manifests}")
    connection.execute(f"CREATE VIEW records AS {_source(records, record_columns(), longest)}")
    for table in definitions:
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
    except duckdb.OutOfMemoryException as exc:
        # its advice is about settings that are locked here
        reason = _message(exc).partition("\n")[0]
        raise QueryError(f"{reason}: ask for fewer columns or rows at once, and sort less") from None
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
