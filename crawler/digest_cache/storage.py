"""The digest cache's statements, and what becomes of one that fails.

A statement that finds the file locked is kept in memory and tried again with the next one. Where the file is damaged
or cannot be written, a private database takes its place.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from crawler.digest_cache.file import (
    LOCK_TIMEOUT_S,
    OpenedCache,
    is_damage,
    is_locked,
    mark_damaged,
    private_database,
    set_lock_timeout,
    unusable_note,
)
from crawler.untrusted_text import quoted_path

_SHORT_LOCK_TIMEOUT_S: Final = 0.05
"""How long a write waits for another process's lock: the event loop waits too."""

_MAX_PENDING_BYTES: Final = 16 * 1024 * 1024

_Values: TypeAlias = tuple[bytes, ...]


class PendingWrites:
    """Statements that wait for the file's lock, the oldest first. The oldest are dropped where they grow too many."""

    def __init__(self) -> None:
        self._writes: dict[tuple[str, bytes], _Values] = {}
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, statement: str, values: _Values) -> None:
        """Add a statement. It replaces an earlier one with the same key, which is the first of the values."""
        self._remove((statement, values[0]))
        self._writes[statement, values[0]] = values
        self._bytes += _size(values)
        while self._bytes > _MAX_PENDING_BYTES:
            self._remove(next(iter(self._writes)))
            self.dropped += 1

    def find(self, statement: str, key: bytes) -> _Values | None:
        return self._writes.get((statement, key))

    def execute(self, database: sqlite3.Connection) -> None:
        """Execute all of them in one transaction, and forget them. Raises sqlite3.Error, and then forgets nothing."""
        database.execute("BEGIN IMMEDIATE")
        try:
            for (statement, _), values in self._writes.items():
                database.execute(statement, values)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # SQLite ends the transaction itself after some errors
                database.execute("ROLLBACK")
            raise
        self._writes.clear()
        self._bytes = 0

    def _remove(self, name: tuple[str, bytes]) -> None:
        if (values := self._writes.pop(name, None)) is not None:
            self._bytes -= _size(values)


class CacheStorage:
    """The databases that are read, and the one that is written. Raises nothing but sqlite3.ProgrammingError.

    Attributes:
        notes: what the operator should know, a line each.
    """

    def __init__(self, path: Path | None, opened: OpenedCache) -> None:
        self.notes = list(opened.notes)
        self._path = path
        self._file = opened.database if opened.is_file else None
        self._read: tuple[sqlite3.Connection, ...] = (opened.database,)
        self._written: sqlite3.Connection | None = opened.database
        self._pending = PendingWrites()
        set_lock_timeout(opened.database, _SHORT_LOCK_TIMEOUT_S)

    def write_privately(self) -> None:
        """From here on only read the file. What is written goes to a private database, which comes first."""
        if self._file is not None and self._written is self._file:
            self._written = private_database()
            self._read = (self._written, *self._read)

    def rows(self, query: str, *values: bytes | int) -> list[tuple[Any, ...]]:
        """The rows of a query. There are none where the file is damaged or locked."""
        rows: list[tuple[Any, ...]] = []
        for database in self._read:
            try:
                rows += database.execute(query, values).fetchall()
            except sqlite3.DatabaseError as exc:
                self._on_read_error(database, exc)
        return rows

    def write(self, statement: str, *values: bytes) -> None:
        """Execute a statement, whose first value is the key of its row. It is in the file when this returns.

        Where another process holds the lock for longer than a moment, it is in memory only.
        """
        if self._written is None:
            return
        if self._pending:
            self._pending.add(statement, values)
            self._write_pending()
            return
        try:
            self._written.execute(statement, values)
        except sqlite3.DatabaseError as exc:
            self._pending.add(statement, values)
            self._on_write_error(self._written, exc)

    def write_if_unlocked(self, statement: str, *values: bytes | int) -> None:
        """Execute a statement that the cache can do without."""
        if (database := self._written) is None:
            return
        try:
            database.execute(statement, values)
        except sqlite3.DatabaseError as exc:
            self._on_write_error(database, exc)

    def pending(self, statement: str, key: bytes) -> _Values | None:
        """The values of a statement that waits for the lock."""
        return self._pending.find(statement, key) if self._pending else None

    def run(self, work: Callable[[sqlite3.Connection], int]) -> int:
        """Work that may take long on the database that is written. Returns 0 where it fails, and notes why."""
        if self._pending:
            self._write_pending()
        if (database := self._written) is None:
            return 0
        set_lock_timeout(database, LOCK_TIMEOUT_S)
        try:
            return work(database)
        except sqlite3.DatabaseError as exc:
            if is_locked(exc):
                self.notes.append(f"{self._name}: another process holds its lock; it was not pruned to the end")
            self._on_write_error(database, exc)
            return 0
        finally:
            if self._written is database:
                set_lock_timeout(database, _SHORT_LOCK_TIMEOUT_S)

    def close(self) -> None:
        if self._pending and self._written is not None:
            set_lock_timeout(self._written, LOCK_TIMEOUT_S)
            self._write_pending()
        if lost := len(self._pending) + self._pending.dropped:
            self.notes.append(f"{self._name}: another process held its lock; {lost} entries were not kept")
        for database in self._read:
            database.close()
        self._read, self._written = (), None

    @property
    def _name(self) -> str:
        return f"digest cache {quoted_path(self._path)}" if self._path else "private digest cache"

    def _write_pending(self) -> None:
        if (database := self._written) is None:
            return
        try:
            self._pending.execute(database)
        except sqlite3.DatabaseError as exc:
            self._on_write_error(database, exc)
        else:
            set_lock_timeout(database, _SHORT_LOCK_TIMEOUT_S)

    def _on_read_error(self, database: sqlite3.Connection, error: sqlite3.DatabaseError) -> None:
        if isinstance(error, sqlite3.ProgrammingError):
            raise error
        if not is_locked(error):
            self._stop_using(database, error)

    def _on_write_error(self, database: sqlite3.Connection, error: sqlite3.DatabaseError) -> None:
        if isinstance(error, sqlite3.ProgrammingError):
            raise error
        if is_locked(error):
            set_lock_timeout(database, 0)  # a long lock would slow down the run, so the next write does not wait
        elif database is self._file and not is_damage(error):
            self._write_privately(error)  # a full or read-only disk: what is in the file can be read all the same
        else:
            self._stop_using(database, error)

    def _stop_using(self, database: sqlite3.Connection, error: sqlite3.DatabaseError) -> None:
        self._read = tuple(other for other in self._read if other is not database)
        if database is self._file:
            if is_damage(error):
                with suppress(sqlite3.Error):  # it is damaged
                    mark_damaged(database)
            if self._written is database:
                self._write_privately(error)
        elif database is self._written:
            self._written = None
            self.notes.append(f"private digest cache: {error}; the rest of the run has no cache")
        database.close()

    def _write_privately(self, error: sqlite3.DatabaseError) -> None:
        assert self._path is not None
        self.notes.append(unusable_note(self._path, error))
        self._written = private_database()
        self._read = (self._written, *self._read)
        self._write_pending()


def _size(values: _Values) -> int:
    return sum(map(len, values)) + 500  # of Python's objects
