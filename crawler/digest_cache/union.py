"""Which contents do other caches have that one has not? They are added to it, whatever works on any of them meanwhile.

A content is copied as it is, compressed, and the dictionary that its frame names is copied before it: to compress it
anew would take ten times as long. It goes in short transactions, so that a crawl waits for milliseconds, and a kill
leaves a cache that has a part of the others.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crawler.digest_cache.file import Unfit, fetch_int, is_locked, open_or_make, open_to_read, reason, set_lock_timeout
from crawler.digest_cache.values import MAX_VALUE_BYTES
from crawler.untrusted_text import quoted_path

_ROWS: Final = 1000
"""Of one transaction."""

_LOCK_TIMEOUT_S: Final = 30.0
"""How long a transaction waits for the others that write to the same file; they are short."""

_CACHE_KIB: Final = 16 * 1024
"""Of SQLite's pages in memory: the digests come in random order, and their index is larger than SQLite's default."""

_COUNT: Final = "SELECT (SELECT count(*) FROM contents) + (SELECT count(*) FROM images)"


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table, a page at a time, and how each is kept: what is there already stays.

    Attributes:
        page: takes the last row's mark; its first column is the mark of each row.
        first: a mark below all.
        counts: whether these rows are what a union is for.
    """

    page: str
    keep: str
    first: int | bytes
    counts: bool


def _rows(table: str, mark: str, columns: tuple[str, str], first: int | bytes, *, counts: bool) -> _Rows:
    key, value = columns
    fits = f"typeof({value}) = 'blob' AND length({value}) <= {MAX_VALUE_BYTES}"
    return _Rows(
        page=f"SELECT {mark}, {key}, {value} FROM {table} WHERE {mark} > ? AND {fits} ORDER BY {mark} LIMIT {_ROWS}",  # noqa: S608  (names of ours alone)
        keep=f"INSERT OR IGNORE INTO {table} ({key}, {value}) VALUES (?, ?)",  # noqa: S608
        first=first,
        counts=counts,
    )


_TABLES: Final = (
    _rows("dictionaries", "rowid", ("number", "dictionary"), 0, counts=False),
    _rows("contents", "id", ("digest", "content"), 0, counts=True),
    _rows("images", "key", ("key", "value"), b"", counts=True),
    _rows("last_digests", "rowid", ("key", "value"), 0, counts=False),
)


@dataclass(frozen=True, slots=True)
class Union:
    """What a union brought.

    Attributes:
        added: contents and images of the others that the cache had not.
        found: contents and images of the others.
        total: contents and images that the cache has now.
        notes: why the cache could not be opened or written, or was set aside; a line each.
        left_out: why others, or the rest of them, were left out; a line each.
    """

    added: int
    found: int
    total: int
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def unite(into: Path, others: Sequence[Path]) -> Union:
    """Add to a cache's file what the files of others have and it has not. The others are only read.

    The file is made where there is none. Nothing here fails: what cannot be read or written is named in the result.
    """
    name = f"digest cache {quoted_path(into)}"
    try:
        opened = open_or_make(into)
    except (OSError, sqlite3.Error) as exc:
        return Union(0, 0, 0, (f"{name}: {reason(exc)}; nothing was added to it",), ())
    with closing(opened.database) as database:
        union = _Union(database)
        notes = list(opened.notes)
        try:
            union.add_all(others)
            total = count(database)
        except sqlite3.Error as exc:
            why = "another process holds its lock" if is_locked(exc) else str(exc)
            notes.append(f"{name}: {why}; it has a part of the others only")
            total = 0
        return Union(union.added, union.found, total, tuple(notes), tuple(union.left_out))


def count(database: sqlite3.Connection) -> int:
    """How many contents and images a cache has. Raises sqlite3.Error."""
    return fetch_int(database, _COUNT)


class _Union:
    """One union, on an open database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.added = 0
        self.found = 0
        self.left_out: list[str] = []

    def add_all(self, others: Sequence[Path]) -> None:
        """Raises sqlite3.Error where the database cannot be written."""
        set_lock_timeout(self._database, _LOCK_TIMEOUT_S)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for other in others:
            try:
                self._add(other)
            except Unfit as exc:
                self.left_out.append(f"digest cache {quoted_path(other)}: {exc}; it is left out")

    def _add(self, other: Path) -> None:
        source = open_to_read(other)
        if source is None:
            return
        with closing(source):
            for table in _TABLES:
                self._add_table(source, table)

    def _add_table(self, source: sqlite3.Connection, table: _Rows) -> None:
        mark: int | bytes | None = table.first
        while mark is not None:
            mark = self._add_page(source, table, mark)

    def _add_page(self, source: sqlite3.Connection, table: _Rows, mark: int | bytes) -> int | bytes | None:
        """Add a page of rows in one transaction. Returns the mark of its last row; None where there was no row."""
        last, before, rows = None, self._database.total_changes, 0
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for last, *row in _read(source, table.page, mark):
                self._database.execute(table.keep, row)
                rows += 1
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        if table.counts:
            self.found += rows
            self.added += self._database.total_changes - before
        return last


def _read(source: sqlite3.Connection, query: str, mark: int | bytes) -> Iterator[tuple[Any, ...]]:
    """The rows of a query. Raises Unfit where the file is damaged."""
    try:
        yield from source.execute(query, (mark,))
    except sqlite3.Error as exc:
        raise Unfit(str(exc)) from None
