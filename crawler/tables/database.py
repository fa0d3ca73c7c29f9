"""The tables of some snapshots, asked by SQL. The one door to DuckDB.

The database is in memory and reads the snapshots' files alone: no other file and no network. What DuckDB may read it
may also write, so a query of the user's is checked before it is run: see `Database.check_query`.
"""

import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

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
from crawler.untrusted_text import printable

_MEMORY_LIMIT_BYTES: Final = 10**9
"""What a query may hold in memory. What needs more is spilled to a temporary folder."""

_MEMORY_PER_LINE_BYTE: Final = 10
"""A record is parsed whole: DuckDB 2.0 asks for up to eight times the bytes of one with 280,000 images."""

_ROWS_FETCHED: Final = 1000
_LONGEST_LINE: Final = 2000
"""Characters of a line of an error, which may hold several paths."""

_SMALLEST_OBJECT_BYTES: Final = 16 * 1024**2

_EXCEPTION_MESSAGE: Final = re.compile(r'"exception_message":("(?:[^"\\]|\\.)*")')

_QUERIES: Final = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
"""Kinds of statements that read; MULTI is a PIVOT whose columns come from the data. Each may have a COPY within."""

Connection = duckdb.DuckDBPyConnection
"""A connection to DuckDB, for the modules that have no door to it."""


class OutOfMemoryError(QueryError):
    """A statement needs more memory than it may have."""


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

    def __init__(self, database: "Database", sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._database = database
        self._sql = sql
        self._parameters = parameters

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows by Arrow's PyCapsule interface. Raises QueryError and SnapshotError."""
        # a connection can give one result at a time
        with query_errors():
            rows = self._database.connection.cursor().sql(self._sql, params=self._parameters)
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


@dataclass(frozen=True, slots=True)
class GivenTable:
    """A table whose rows come from elsewhere than a snapshot. They are read once, as the database is opened.

    Attributes:
        columns: their names, with DuckDB's types. A row that lacks one has null there.
    """

    name: str
    columns: Mapping[str, str]
    rows: Iterable[Mapping[str, Any]]


class Database:
    """The tables of some snapshots. Made by `open_database` and `open_records`."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection

    @property
    def connection(self) -> Connection:
        """The connection, while the database is open. Raises QueryError."""
        if self._connection is None:
            raise QueryError("the snapshot is closed: its tables are read while its `with` block lasts")
        return self._connection

    def close(self) -> None:
        """Let go of the connection: a program may keep the database, and DuckDB complains at its end."""
        self._connection = None

    def check_query(self, sql: str) -> None:
        """Raise QueryError unless this is one statement, and one that writes no file: the snapshots are files, too."""
        with query_errors():
            kinds = [statement.type for statement in self.connection.extract_statements(sql)]
        if len(kinds) != 1:
            raise QueryError(f"one query is asked at a time, and here are {len(kinds)}")
        if kinds[0] not in _QUERIES:
            raise QueryError(f"a query begins with SELECT, FROM or WITH; this is {kinds[0].name}, which is not run")
        if _has_keyword(sql, "COPY"):
            raise QueryError('COPY writes files, and a query writes none; a column of this name is quoted: "copy"')

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Result:
        """The result of one query, in which `$NAME` stands for a parameter.

        Raises QueryError and SnapshotError, also while the rows are read.
        """
        with query_errors():
            self.connection.execute(sql, parameters)
            described = self.connection.description or []
        return Result(_distinct([name for name, *_ in described]), self._rows())

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> ArrowTable:
        """The result of a query for other libraries, while the database is open."""
        return ArrowTable(self, sql, parameters)

    def columns(self, table: str) -> tuple[Column, ...]:
        """The columns of a table."""
        relation = self.connection.sql(f"SELECT * FROM {quoted_name(table)} LIMIT 0")  # noqa: S608  (quoted)
        return tuple(
            Column(name, _column_type(type_)) for name, type_ in zip(relation.columns, relation.types, strict=True)
        )

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        while True:
            with query_errors():
                batch = self.connection.fetchmany(_ROWS_FETCHED)
            if not batch:
                return
            yield from batch


@contextmanager
def open_database(
    snapshots: Sequence[SelectedSnapshot], more: Sequence[Table] = (), given: Sequence[GivenTable] = ()
) -> Iterator[Database]:
    """The tables of these snapshots, and `more` tables; of no snapshots they are empty; and the given tables.

    Raises SnapshotError, and what the rows of a given table raise.
    """

    def create(connection: Connection, spill: str) -> None:
        create_tables(connection, snapshots, (*tables().values(), *more))
        for table in given:
            _fill_table(connection, table, Path(spill))

    with _open(snapshots, create) as database:
        yield database


@contextmanager
def open_records(views: Sequence[RecordsView]) -> Iterator[Database]:
    """The records of some snapshots, each under a name of its own, to compare them. Raises SnapshotError.

    They are read by one thread: each thread holds the records of two thousand repositories in memory.
    """

    def create_views(connection: Connection, _spill: str) -> None:
        connection.execute("SET threads = 1")
        # memory is given back after each statement, and not kept for the next one; more often costs a second
        connection.execute("SET allocator_bulk_deallocation_flush_threshold = '32MB'")
        for view in views:
            source = json_source(view.snapshot.data_files, record_columns(view.reads), view.snapshot.longest_line)
            connection.execute(f"CREATE VIEW {quoted_name(view.name)} AS {source}")

    with _open([view.snapshot for view in views], create_views) as database:
        yield database


@contextmanager
def _open(snapshots: Sequence[SelectedSnapshot], create: Callable[[Connection, str], None]) -> Iterator[Database]:
    """A database that reads these snapshots' files, and nothing else once `create` is done.

    `create` is also given the folder of what does not fit into memory.
    """
    with _spill_folder() as spill, connect(spill, memory_bytes(snapshots)) as connection:
        with query_errors():
            create(connection, spill)
            close_to_the_world(connection, [path for snapshot in snapshots for path in snapshot.files], spill)
            connection.execute("SET lock_configuration = true")
        database = Database(connection)
        try:
            yield database
        finally:
            database.close()


def memory_bytes(snapshots: Sequence[SelectedSnapshot]) -> int:
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


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns with a number where one came before, `digest` and `digest_1`: JSON has a name once."""
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        distinct[next(each for each in chain([name], numbered) if each not in distinct)] = None
    return tuple(distinct)


def _has_keyword(sql: str, keyword: str) -> bool:
    """Whether a statement has this keyword, beside quoted names, texts and comments."""
    statement = sql.encode()
    starts = [offset for offset, kind in duckdb.tokenize(sql) if kind == duckdb.token_type.keyword]
    return any(statement[offset : offset + len(keyword)].upper() == keyword.encode() for offset in starts)


def _column_type(type_: Any) -> ColumnType:
    match type_.id:
        case "list":
            return ListOf(_column_type(dict(type_.children)["child"]))
        case "struct":
            return StructOf(tuple((name, _column_type(inner)) for name, inner in type_.children))
        case _:
            return Scalar(str(type_))


@contextmanager
def connect(spill: str, memory: int) -> Iterator[Connection]:
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


def create_tables(connection: Connection, snapshots: Sequence[SelectedSnapshot], definitions: Sequence[Table]) -> None:
    """Create the tables, and the views `records` and `run_manifests` for those who ask for everything."""
    longest = _longest_line(snapshots)
    records = [path for snapshot in snapshots for path in snapshot.data_files]
    run_manifests = json_source([snapshot.run_manifest for snapshot in snapshots], RUN_COLUMNS, 0)
    connection.execute(f"CREATE VIEW run_manifests AS {run_manifests}")
    connection.execute(f"CREATE VIEW records AS {json_source(records, record_columns(), longest)}")
    for table in definitions:
        source = json_source(records, record_columns(table.reads), longest) if table.reads else run_manifests
        name = "records" if table.reads else "run_manifests"
        connection.execute(f"CREATE VIEW {table.name} AS WITH {name} AS ({source}) {table.sql}")


def _fill_table(connection: Connection, table: GivenTable, folder: Path) -> None:
    """Create a table with its rows, by way of a file: DuckDB takes single rows slowly. Raises SnapshotError."""
    file = folder / f"{table.name}.jsonl"
    try:
        with file.open("wb") as out:
            for row in table.rows:
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    except OSError as exc:
        message = f"the table {table.name} cannot be written to {folder}: {exc.strerror}"
        raise SnapshotError(f"{message}: set TMPDIR to a folder with more room") from None
    source = json_source([file], table.columns, 0)
    connection.execute(f"CREATE TABLE {quoted_name(table.name)} AS {source}")
    file.unlink()


def json_source(files: Sequence[Path], columns: Mapping[str, str], longest: int) -> str:
    """A query for the objects in files of JSON, one after the other; `longest` is the length of the longest."""
    if not files:
        nulls = [f"NULL::{type_} AS {quoted_name(name)}" for name, type_ in columns.items()]
        return f"SELECT {', '.join(nulls)} LIMIT 0"
    size = max(longest + 1024, _SMALLEST_OBJECT_BYTES)
    # the folders `source=`, `date=` and `run=` are no columns: a record has its target, its run and its times
    options = f"columns = {_struct(columns)}, maximum_object_size = {size}, hive_partitioning = false"
    return f"SELECT * FROM read_json({_list(files)}, {options})"  # noqa: S608  (quoted)


def close_to_the_world(connection: Connection, files: Sequence[Path], folder: str) -> None:
    """From here on a statement reads the snapshots' files, uses the folder, and does nothing else."""
    connection.execute(f"SET allowed_paths = {_list(files)}")
    connection.execute(f"SET allowed_directories = {_list([Path(folder)])}")
    connection.execute("SET enable_external_access = false")


@contextmanager
def query_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as exc:
        raise SnapshotError(_disk_message(exc)) from None
    except duckdb.OutOfMemoryException as exc:
        # its advice is about settings that are locked here
        reason = _message(exc).partition("\n")[0]
        raise OutOfMemoryError(f"{reason}: ask for fewer columns or rows at once, and sort less") from None
    except duckdb.Error as exc:
        raise QueryError(_message(exc)) from None


def _message(exc: duckdb.Error) -> str:
    """DuckDB's own words, which point at the place in the query. They may quote what a registry listed."""
    return "\n".join(printable(line, _LONGEST_LINE) for line in str(exc).split("\n") if line.strip())


def _disk_message(exc: duckdb.Error) -> str:
    """What the disk said. Of a write in the background, DuckDB says it within JSON."""
    message = _message(exc)
    if (within := _EXCEPTION_MESSAGE.search(message)) is not None:
        message = str(orjson.loads(within[1]))
    advice = ": set TMPDIR to a folder with more room" if os.strerror(errno.ENOSPC) in message else ""
    return f"{message}{advice}"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(sql_text(str(path)) for path in paths)}]"


def _struct(columns: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{sql_text(name)}: {sql_text(type_)}" for name, type_ in columns.items()) + "}"


def sql_text(value: str) -> str:
    """A value as a text of SQL."""
    return "'" + value.replace("'", "''") + "'"
