"""Dropping what no kept snapshot mentions from the digest cache's file, while crawls may go on writing to it.

It goes in short transactions, so that a crawl waits for milliseconds, and the log stays small.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from crawler.digest_cache.file import fetch_int

_ROWS: Final = 5000
"""Of one transaction."""

_PAGES: Final = 2000

_CONTENTS_NOT_KEPT: Final = (
    "DELETE FROM contents WHERE id > ? AND id <= ? AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.key = digest)"
)


def prune(database: sqlite3.Connection, keys: Iterable[bytes], mentioned: Callable[[bytes], Iterable[bytes]]) -> int:
    """Drop the contents that have none of the keys, and the last digests and images that mention none of them.

    `mentioned` returns the keys that the value of last digests or of an image mentions. Returns the bytes by which the
    file shrinks. Raises sqlite3.Error, and what the iterables raise.
    """
    before = _bytes(database)
    try:
        last = _last_content(database)
        _store_keys(database, keys)
        _drop_contents(database, last)
        for table in ("last_digests", "images"):
            _drop_values(database, table, mentioned)
        _free_pages(database)
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
        database.execute("DROP TABLE IF EXISTS temp.kept")
    return max(0, before - _bytes(database))  # a crawl may have added more than was dropped


def _store_keys(database: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """Keep the keys in a temporary table, which SQLite moves to the disk where it is large."""
    database.execute("CREATE TEMP TABLE kept (key BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID")
    database.execute("BEGIN")
    database.executemany("INSERT OR IGNORE INTO kept (key) VALUES (?)", ((key,) for key in keys))
    database.execute("COMMIT")


def _last_content(database: sqlite3.Connection) -> int:
    """The number of the newest content. What a crawl adds from now on, while the keys are read, has higher numbers."""
    return fetch_int(database, "SELECT ifnull(max(id), 0) FROM contents")


def _drop_contents(database: sqlite3.Connection, last: int) -> None:
    for start in range(0, last, _ROWS):
        database.execute(_CONTENTS_NOT_KEPT, (start, min(start + _ROWS, last)))


def _drop_values(database: sqlite3.Connection, table: str, mentioned: Callable[[bytes], Iterable[bytes]]) -> None:
    after = b""
    page = f"SELECT key, value FROM {table} WHERE key > ? ORDER BY key LIMIT {_ROWS}"  # noqa: S608  (the table is ours)
    while rows := database.execute(page, (after,)).fetchall():
        after = rows[-1][0]
        dropped = [(key,) for key, value in rows if not _is_any_kept(database, mentioned(value))]
        database.execute("BEGIN IMMEDIATE")
        database.executemany(f"DELETE FROM {table} WHERE key = ?", dropped)  # noqa: S608  (the table is ours)
        database.execute("COMMIT")


def _is_any_kept(database: sqlite3.Connection, keys: Iterable[bytes]) -> bool:
    query = "SELECT 1 FROM kept WHERE key = ?"
    return any(database.execute(query, (key,)).fetchone() is not None for key in keys)


def _free_pages(database: sqlite3.Connection) -> None:
    """Give the free pages back to the file system, as far as no crawl reads them."""
    free = fetch_int(database, "PRAGMA freelist_count")
    while free:
        database.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        free, previous = fetch_int(database, "PRAGMA freelist_count"), free
        if free >= previous:
            break
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _bytes(database: sqlite3.Connection) -> int:
    return fetch_int(database, "PRAGMA page_count") * fetch_int(database, "PRAGMA page_size")
