"""The tables of a snapshot, written to files: Parquet or JSON lines, with the same columns for every snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

from crawler.errors import QueryError, SnapshotError
from crawler.tables.columns import quoted_name, record_columns
from crawler.tables.database import (
    Connection,
    OutOfMemoryError,
    close_to_the_world,
    connect,
    create_tables,
    json_source,
    memory_bytes,
    query_errors,
    sql_text,
)
from crawler.tables.definitions import Table, tables
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import quoted_path

_FRUGAL_MEMORY_BYTES: Final = 200 * 10**6
"""What writing a table may hold at first: most tables pass through. Grouping millions of tags needs more."""

_DEEP: Final = ("images.manifest", "images.config")
"""The fields of a record that take most of its room."""

_SHALLOW_RECORDS: Final = "shallow_records"

_ROW_GROUP_OF_RECORDS: Final = 2048

_SETTINGS: Final = """
    SET threads = 1;
    SET preserve_insertion_order = true;
    -- a column that happens to have no nulls would be written as one that cannot have any
    SET disabled_optimizers = 'statistics_propagation';
"""


class FileFormat(StrEnum):
    """How a table is written to a file, as the options of DuckDB's COPY.

    Readers split Parquet by its row groups. Twenty thousand rows of images are some megabytes.
    """

    PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000"
    JSON_LINES = "FORMAT json, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%gZ'"


class TableWriter:
    """Writes the tables of one snapshot to files. Made by `open_writer`."""

    def __init__(self, connection: Connection, snapshot: SelectedSnapshot) -> None:
        self._connection = connection
        self._snapshot = snapshot

    def write(self, table: str, file: Path, form: FileFormat) -> int:
        """Write a table to a file, in the snapshot's order; return its rows. A table without rows has a file, too.

        The columns and their types are those of every snapshot, and each may be null. Raises SnapshotError.
        """
        return self._copy(table, file, form)

    def prepare(self, folder: Path) -> None:
        """Parse what the shallow tables read once, and not for each of them: parsing is most of their cost."""
        file = folder / f"{_SHALLOW_RECORDS}.parquet"
        options = f"FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE {_ROW_GROUP_OF_RECORDS}"
        self._copy(_SHALLOW_RECORDS, file, options)
        records = f"SELECT * FROM read_parquet({sql_text(str(file))})"  # noqa: S608  (quoted)
        for table in _shallow_tables():
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {quoted_name(table.name)} AS WITH records AS ({records}) {table.sql}"
            )

    def _copy(self, source: str, file: Path, options: str) -> int:
        statement = f"COPY {quoted_name(source)} TO {sql_text(str(file))} ({options})"
        try:
            return self._execute_frugally(statement)
        except OutOfMemoryError:
            memory = f"{memory_bytes([self._snapshot]) / 1e6:,.0f} MB of memory"
            reason = f"{memory} are not enough, or the temporary folder is full: set TMPDIR to one with more room"
            raise SnapshotError(f"{quoted_path(self._snapshot.folder)}: {source} cannot be written: {reason}") from None
        except QueryError as exc:
            raise SnapshotError(f"{quoted_path(self._snapshot.folder)}: {source} cannot be written: {exc}") from None

    def _execute_frugally(self, statement: str) -> int:
        try:
            return self._execute(statement, _FRUGAL_MEMORY_BYTES)
        except OutOfMemoryError:
            return self._execute(statement, memory_bytes([self._snapshot]))

    def _execute(self, statement: str, memory: int) -> int:
        with query_errors():
            self._connection.execute(f"SET memory_limit = '{memory}B'")
            (rows,) = self._connection.execute(statement).fetchone() or (0,)
        return int(rows)


@contextmanager
def open_writer(snapshot: SelectedSnapshot, folder: Path) -> Iterator[TableWriter]:
    """A writer of a snapshot's tables, which reads the snapshot and writes into `folder` alone. Raises SnapshotError.

    One thread, which keeps the order: equal snapshots make equal files. More threads take more memory, and save little
    time where one file of JSON is read.
    """
    with connect(str(folder), memory_bytes([snapshot])) as connection:
        shallow = record_columns(sorted({field for table in _shallow_tables() for field in table.reads}))
        with query_errors():
            connection.execute(_SETTINGS)
            create_tables(connection, [snapshot], tuple(tables().values()))
            records = json_source(snapshot.data_files, shallow, snapshot.longest_line)
            connection.execute(f"CREATE VIEW {_SHALLOW_RECORDS} AS {records}")
            close_to_the_world(connection, snapshot.files, str(folder))
        writer = TableWriter(connection, snapshot)
        writer.prepare(folder)
        yield writer


def _shallow_tables() -> list[Table]:
    """The tables of records that read none of a record's long fields."""
    return [table for table in tables().values() if table.reads and not _reads_deep(table)]


def _reads_deep(table: Table) -> bool:
    return any(field.startswith(_DEEP) for field in table.reads)
