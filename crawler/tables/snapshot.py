"""A snapshot for a program: its run manifest, its records, and its tables as Arrow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crawler.errors import QueryError
from crawler.model.record import Record
from crawler.model.run_manifest import RunManifest
from crawler.snapshot.decoding import parse_record, read_run_manifest
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.parts import read_lines
from crawler.tables.columns import quoted_name
from crawler.tables.database import ArrowTable, Database, open_database
from crawler.tables.definitions import tables
from crawler.tables.selection import SelectedSnapshot, select_folder


class Snapshot:
    """A snapshot that is open. Made by `open_snapshot`.

    Attributes:
        run_manifest: what the run did, and its verdict.
    """

    def __init__(self, files: SelectedSnapshot, run_manifest: RunManifest, database: Database) -> None:
        self.run_manifest = run_manifest
        self._files = files
        self._database = database

    def records(self) -> Iterator[Record]:
        """The records, one of each repository, as they are read. Raises SnapshotError."""
        for part in self._files.data_files:
            with wrap_os_errors(part):
                yield from map(parse_record, read_lines(part))

    def table(self, name: str) -> ArrowTable:
        """A table: runs, repositories, tags, images, platforms, layers, referrers or problems. Raises QueryError."""
        if name not in tables():
            raise QueryError(f"there is no table {name!r}; there are {', '.join(tables())}")
        return self._database.arrow(f"SELECT * FROM {quoted_name(name)}")  # noqa: S608  (quoted)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> ArrowTable:
        """The result of a query (DuckDB's SQL) over the tables, in which `$NAME` stands for a parameter.

        Raises QueryError for a statement that is no query. The query is run, and raises QueryError or SnapshotError,
        when the rows are read.
        """
        self._database.check_query(sql)
        return self._database.arrow(sql, parameters)


@contextmanager
def open_snapshot(path: str | Path) -> Iterator[Snapshot]:
    """Open the snapshot in a folder, `…/source=…/date=…/run=…`. Raises SnapshotError.

    `run_manifest.verdict` says whether it holds the whole target. What `records`, `table` and `query` return can be
    read while the block lasts.
    """
    files = select_folder(Path(path))
    run_manifest = read_run_manifest(files.folder)
    with open_database([files]) as database:
        yield Snapshot(files, run_manifest, database)
