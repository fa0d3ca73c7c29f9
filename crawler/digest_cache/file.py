"""The digest cache's file: opened, made where it is missing, and set aside where it is not usable.

The file is shared by processes that run at once. It is made, and set aside, under a lock on a file beside it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crawler.untrusted_text import quoted_path

LOCK_TIMEOUT_S: Final = 1.0
"""How long opening, closing and pruning wait for another process's lock."""

_APPLICATION_ID: Final = 0x72636463
"""SQLite's mark of whose file it is (sqlite.org/pragma.html#pragma_application_id): "rcdc"."""

_VERSION: Final = 1
"""Of the tables and of what is in them."""

_DAMAGED: Final = -1
"""A version that marks a file as damaged, so that the next run sets it aside."""

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")

# A content's row goes to the end of its table, which fills pages better than the random order of digests does. Each
# value is one zstd frame with a checksum, and names the dictionary that it was written with; see `digest_cache`.
_SCHEMA: Final = (
    "CREATE TABLE contents (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL)",
    "CREATE TABLE last_digests (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE images (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE dictionaries (number INTEGER NOT NULL UNIQUE, dictionary BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)
_ONE_ROW_OF_EACH: Final = (
    "SELECT digest, content FROM contents ORDER BY id DESC LIMIT 1",
    "SELECT key, value FROM last_digests LIMIT 1",
    "SELECT key, value FROM images LIMIT 1",
    "SELECT number, dictionary FROM dictionaries LIMIT 1",
)


@dataclass(frozen=True, slots=True)
class OpenedCache:
    """A database with the cache's tables.

    Attributes:
        database: in autocommit mode: a statement that returned is in the file.
        is_file: whether it is the file; else it is a private database.
        notes: what the operator should know about the file.
    """

    database: sqlite3.Connection
    is_file: bool
    notes: tuple[str, ...] = ()


class _NotReady(Exception):
    """The file is missing or empty."""


class Unfit(Exception):
    """The file is no cache that this version can use, or is damaged. The message is the reason."""


def open_cache(path: Path | None) -> OpenedCache:
    """Open or make the file, or a private database where there is no path or the file cannot be used."""
    if path is None:
        return OpenedCache(private_database(), is_file=False)
    try:
        return open_or_make(path)
    except (OSError, sqlite3.Error) as exc:
        return OpenedCache(private_database(), is_file=False, notes=(unusable_note(path, exc),))


def open_or_make(path: Path) -> OpenedCache:
    """Open the file, or make it where there is none or where one that is not usable is set aside.

    Raises OSError and sqlite3.Error.
    """
    real = Path(os.path.realpath(path))  # so that SQLite makes no file behind a dangling link
    real.parent.mkdir(parents=True, exist_ok=True)
    try:
        return OpenedCache(_open(real), is_file=True)
    except (_NotReady, Unfit):
        with _locked(real):
            return _open_or_make_alone(real)


def open_unchanged(path: Path | None) -> OpenedCache:
    """Open the file for reading alone: it is not made, not set aside and not written.

    Where there is no file, or it cannot be used, the database is a private one, and a note says why.
    """
    if path is None or not path.exists():
        return OpenedCache(private_database(), is_file=False)
    try:
        database = open_to_read(path)
    except Unfit as exc:
        note = f"digest cache {quoted_path(path)}: {exc}; every digest counts as unknown"
        return OpenedCache(private_database(), is_file=False, notes=(note,))
    if database is None:
        return OpenedCache(private_database(), is_file=False)
    return OpenedCache(database, is_file=True)


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """Open a file that is there for reading alone; None where it is empty. Raises Unfit."""
    try:
        with ExitStack() as opened:
            database = opened.enter_context(closing(_connect_existing(path)))
            database.execute("PRAGMA query_only = ON")
            _check(database)
            opened.pop_all()
            return database
    except _NotReady:
        return None
    except sqlite3.Error as exc:
        raise Unfit(str(exc)) from None


def open_copy(path: Path) -> OpenedCache:
    """Copy the file into a private database, which shows what a change would do. The file is not changed.

    Where it cannot be copied, or is no cache that this version can use, a note says why, and the database is empty, as
    it is where the file is empty.
    """
    database = _connect("")
    try:
        # opened for writing: a connection that may only read leaves SQLite's side files behind
        with closing(_connect(path.resolve(strict=True))) as file:
            file.execute("BEGIN")
            file.execute("SELECT count(*) FROM sqlite_master").fetchone()  # `backup` would wait for a lock for ever
            file.backup(database)
        _check(database)
    except _NotReady:
        database.close()
        return OpenedCache(private_database(), is_file=False)
    except (Unfit, OSError, sqlite3.Error) as exc:
        database.close()
        note = f"digest cache {quoted_path(path)}: {reason(exc)}; it cannot be copied"
        return OpenedCache(private_database(), is_file=False, notes=(note,))
    return OpenedCache(database, is_file=False)


def private_database() -> sqlite3.Connection:
    """A database for this connection alone. SQLite keeps it in memory, and what is too much in an unlinked file."""
    database = _connect("")
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = MEMORY")
    _make_tables(database)
    return database


def unusable_note(path: Path, error: Exception) -> str:
    return f"digest cache {quoted_path(path)}: {reason(error)}; this run uses a private cache from here on"


def reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the reason of an error is that the file's content is broken."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the reason of an error is that another process holds a lock."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def mark_damaged(database: sqlite3.Connection) -> None:
    """Let the next run set the file aside. Raises sqlite3.Error.

    The file keeps its name until then: other processes may use it, and SQLite forbids to rename a file in use
    (sqlite.org/howtocorrupt.html, section 2.4).
    """
    database.execute(f"PRAGMA user_version = {_DAMAGED}")


def set_lock_timeout(database: sqlite3.Connection, seconds: float) -> None:
    """How long a statement waits for another process's lock."""
    database.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _open_or_make_alone(path: Path) -> OpenedCache:
    """Look again, since the process that held the lock before may have made the file."""
    try:
        return OpenedCache(_open(path), is_file=True)
    except _NotReady:
        return OpenedCache(_make(path), is_file=True)
    except Unfit as unfit:
        aside = _set_aside(path)
        note = f"digest cache {quoted_path(path)}: {unfit}; set aside as {quoted_path(aside)}, a new cache begins"
        return OpenedCache(_make(path), is_file=True, notes=(note,))


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists() or path.stat().st_size == 0:
        raise _NotReady
    database = _connect(path)
    try:
        _check(database)
        _prepare(database)
    except sqlite3.DatabaseError as exc:
        database.close()
        if is_damage(exc):
            raise Unfit(str(exc)) from None
        raise
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    """Raises _NotReady, Unfit and sqlite3.Error. Reads a few pages, whatever the size of the file."""
    application = fetch_int(database, "PRAGMA application_id")
    version = fetch_int(database, "PRAGMA user_version")
    if application != _APPLICATION_ID:
        if application == version == fetch_int(database, "SELECT count(*) FROM sqlite_master") == 0:
            raise _NotReady  # another process makes it
        raise Unfit("the file belongs to another program")
    if version == _DAMAGED:
        raise Unfit("an earlier run found it damaged")
    if version != _VERSION:
        raise Unfit(f"it has version {version}, and this program reads version {_VERSION}")
    _read_one_row_of_each(database)


def _read_one_row_of_each(database: sqlite3.Connection) -> None:
    try:
        for query in _ONE_ROW_OF_EACH:
            database.execute(query).fetchone()
    except sqlite3.OperationalError as exc:
        if _code(exc) != sqlite3.SQLITE_ERROR:
            raise
        raise Unfit(str(exc)) from None  # a table or column is missing


def _connect(path: Path | str) -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time: a snapshot is finished in a worker thread."""
    return sqlite3.connect(path, isolation_level=None, timeout=LOCK_TIMEOUT_S, check_same_thread=False)


def _connect_existing(path: Path) -> sqlite3.Connection:
    """As `_connect`, but a file that is not there is an sqlite3.OperationalError, and is not made.

    Opened for writing: a connection that may only read leaves SQLite's side files behind.
    """
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCK_TIMEOUT_S, check_same_thread=False)


def _make(path: Path) -> sqlite3.Connection:
    """Make the file. The lock is held. SQLite gives its side files the mode of the file itself."""
    try:
        # Only a file that did not exist is opened here: closing a database file drops the locks that this process
        # holds on it (sqlite.org/howtocorrupt.html, section 2.2).
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        path.chmod(0o600)
    database = _connect(path)
    try:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        _make_tables(database)
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _make_tables(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        database.execute(statement)
    database.execute("COMMIT")


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    # A commit is in the kernel's hands when it returns, so a killed process loses nothing; only a checkpoint waits for
    # the disk, so a power cut loses the last commits and breaks nothing (sqlite.org/pragma.html#pragma_synchronous).
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: a wait for the disk every few thousand contents
    database.execute("PRAGMA journal_size_limit = 16777216")
    database.execute("PRAGMA cell_size_check = ON")  # damage is an error rather than a wrong answer
    database.execute("PRAGMA trusted_schema = OFF")


def _set_aside(path: Path) -> Path:
    """Rename the file and its side files. Raises OSError, and sqlite3.OperationalError where a process uses the file.

    A process that has the file open would remove the new file's log when it ends.
    """
    _require_unused(path)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = [f"{path.name}.set-aside-{stamp}", *(f"{path.name}.set-aside-{stamp}-{n}" for n in range(2, 100))]
    aside = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    for suffix in _SIDE_FILES:  # first: a log must never be found beside a database that it does not belong to
        side_file = path.with_name(path.name + suffix)
        if side_file.exists():
            side_file.rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside


def _require_unused(path: Path) -> None:
    """Raises sqlite3.OperationalError where another connection has the file open."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as database:
        try:
            # in this mode the first access locks the whole file (sqlite.org/wal.html, section 6)
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
        except sqlite3.DatabaseError as exc:
            if not is_damage(exc):
                raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of making and setting aside. It is held for milliseconds, and released when a process ends."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def fetch_int(database: sqlite3.Connection, query: str) -> int:
    """The number that a query with one row and one column returns. Raises sqlite3.Error."""
    (number,) = database.execute(query).fetchone()
    return int(number)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of Python's module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
