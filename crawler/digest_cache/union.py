"""Which contents do other caches have that one has not? They are added to it, whatever works on any of them meanwhile.

A content is copied as it is, compressed, after the dictionary that its frame names: to compress it anew would take more
than twice as long. It goes in short transactions, so that a crawl waits for milliseconds, and a kill
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
class LeftOut:
    """A file that was left out of a union, or the rest of it, and the reason."""

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"digest cache {quoted_path(self.file)}: {self.reason}; it is left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """What a union brought.

    Attributes:
        is_whole: whether the cache has all that was found in the others; else it could not be opened or written.
        found: contents and images of the others.
        added: those that the cache had not.
        notes: what the operator should know of the cache itself, a line each: why it is not whole, or was set aside.
        left_out: the others that are no caches, or damaged.
    """

    is_whole: bool
    found: int = 0
    added: int = 0
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def unite(into: Path, others: Sequence[Path]) -> Union:
    """Add to a cache's file what the files of others have and it has not. The others are only read.

    The file is made where there is none. Nothing here fails: what cannot be read or written is named in the result.
    """
    name = f"digest cache {quoted_path(into)}"
    try:
        opened = open_or_make(into)
    except (OSError, sqlite3.Error) as exc:
        return Union(is_whole=False, notes=(f"{name}: {reason(exc)}; nothing was added to it",))
    with closing(opened.database) as database:
        union = _Union(database)
        failure: tuple[str, ...] = ()
        try:
            union.add_all(others)
        except sqlite3.Error as exc:
            why = "another process holds its lock" if is_locked(exc) else str(exc)
            failure = (f"{name}: {why}; not all was added to it",)
        return Union(
            is_whole=not failure,
            found=union.found,
            added=union.added,
            notes=(*opened.notes, *failure),
            left_out=tuple(union.left_out),
        )


def count(path: Path) -> int:
    """How many contents and images a cache's file has; 0 where there is no file. Raises Unfit."""
    database = open_to_read(path) if path.exists() else None
    if database is None:
        return 0
    with closing(database):
        try:
            return fetch_int(database, _COUNT)
        except sqlite3.Error as exc:
            raise Unfit(str(exc)) from None


class _Union:
    """One union, on an open database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.added = 0
        self.found = 0
        self.left_out: list[LeftOut] = []

    def add_all(self, others: Sequence[Path]) -> None:
        """Raises sqlite3.Error where the database cannot be written."""
        set_lock_timeout(self._database, _LOCK_TIMEOUT_S)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for other in others:
            try:
                self._add(other)
            except Unfit as exc:
                self.left_out.append(LeftOut(other, str(exc)))

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
            for row_mark, *row in _read(source, table.page, mark):
                self._database.execute(table.keep, row)
                last = row_mark
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
