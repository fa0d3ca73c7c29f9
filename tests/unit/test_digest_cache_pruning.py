"""The digest cache while it is pruned, and the copy that shows what pruning would do."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.digest_caches import content, digest_of, entries, sqlite_rows

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.file import open_copy
from crawler.digest_cache.storage import CacheStorage


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "digests.sqlite"


def fill(path: Path, count: int) -> list[str]:
    """Put contents into a cache. Returns their digests."""
    with DigestCache.open(path) as cache:
        for number in range(count):
            cache.put(digest_of(content(number).body), content(number))
    return [digest_of(content(number).body) for number in range(count)]


def copy_of(path: Path) -> DigestCache:
    return DigestCache(CacheStorage(None, open_copy(path)))


def test_digest_cache_pruning_keeps_what_a_crawl_adds_while_snapshots_are_read(path):
    digests = fill(path, 10)

    def read_slowly() -> Iterator[str]:
        yield digests[0]
        with DigestCache.open(path) as crawl:
            crawl.put(digest_of(content(10).body), content(10))
        yield digests[1]

    with DigestCache.open(path) as cache:
        cache.keep_only(read_slowly())
        assert entries(cache, range(12)) == {0, 1, 10}
        assert cache.notes == []


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_digest_cache_copy_frees_as_much_as_the_file_and_does_not_change_it(path):
    digests = fill(path, 2000)
    before = everything_in(path.parent)
    with copy_of(path) as copy:
        would_be_freed = copy.keep_only(digests[:100])
        assert entries(copy, range(2000)) == set(range(100))
        assert copy.notes == []
    assert everything_in(path.parent) == before
    with DigestCache.open(path) as cache:
        assert cache.keep_only(digests[:100]) == would_be_freed > 100_000


def test_digest_cache_copy_of_a_file_in_use(path):
    with DigestCache.open(path) as crawl:
        crawl.put(digest_of(content(1).body), content(1))
        with copy_of(path) as copy:
            crawl.put(digest_of(content(2).body), content(2))
            assert entries(copy, range(3)) == {1}
        assert entries(crawl, range(3)) == {1, 2}


def write_garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def write_other_database(path: Path) -> None:
    sqlite_rows(path, "CREATE TABLE cookies (name)")


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_garbage, "file is not a database"),
        (write_other_database, "the file belongs to another program"),
        (Path.mkdir, "unable to open database file"),
    ],
)
def test_digest_cache_copy_of_what_is_no_cache_is_empty_and_says_so(path, write, reason):
    write(path)
    with copy_of(path) as copy:
        assert copy.keep_only([]) == 0
        assert copy.notes == [f"digest cache {path}: {reason}; it cannot be copied"]
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_digest_cache_copy_of_an_empty_file_is_empty(path):
    path.touch()
    with copy_of(path) as copy:
        assert copy.keep_only([]) == 0
        assert copy.notes == []
    assert path.read_bytes() == b""


def test_digest_cache_copy_of_a_file_that_another_process_locks(path):
    fill(path, 1)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    with copy_of(path) as copy:
        assert copy.notes == [f"digest cache {path}: database is locked; it cannot be copied"]
    database.close()
