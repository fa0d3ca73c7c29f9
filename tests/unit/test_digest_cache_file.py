"""The digest cache's file: its mode, a file that is not usable, damage, full disks, and tampered rows."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from support.digest_caches import content, digest_of, entries, layer, sqlite_rows

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import Content, KnownImage

BODY = Content(b"body", "text/plain")
DIGEST = digest_of(b"body")
IMAGE = KnownImage(digest=DIGEST, config_digest=DIGEST, reference="registry.test/app:1")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "digests.sqlite"


def filled(path: Path, count: int = 1) -> None:
    with DigestCache.open(path) as cache:
        cache.put(DIGEST, BODY)
        for number in range(count):
            cache.put(digest_of(content(number).body), content(number))


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("digests.sqlite.set-aside-*"))


def works_in_the_file(path: Path) -> bool:
    """Whether what one run puts into the file is there in the next one."""
    with DigestCache.open(path) as cache:
        cache.put(DIGEST, BODY)
    with DigestCache.open(path) as cache:
        return cache.get(DIGEST) == BODY and cache.notes == []


def works_in_the_file_after_a_note(path: Path) -> bool:
    with DigestCache.open(path) as cache:
        return len(cache.notes) == 1 and works_in_the_file(path)


def test_digest_cache_files_are_for_their_owner_alone(path):
    with DigestCache.open(path) as cache:
        cache.put(DIGEST, BODY)
        names = {file.name for file in path.parent.iterdir()}
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert {"digests.sqlite", "digests.sqlite-wal", "digests.sqlite-shm"} <= names
    assert modes == {0o600}


def test_digest_cache_fills_an_empty_file_and_makes_it_private(path):
    path.touch(mode=0o644)
    assert works_in_the_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_digest_cache_behind_a_dangling_link_is_private(path):
    real = path.parent / "elsewhere" / "real.sqlite"
    path.symlink_to(real)
    assert works_in_the_file(path)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


def foreign_database(path: Path) -> None:
    sqlite_rows(path, "CREATE TABLE bookmarks (url TEXT)")


def other_application(path: Path) -> None:
    filled(path)
    sqlite_rows(path, "PRAGMA application_id = 7")


def newer_version(path: Path) -> None:
    filled(path)
    sqlite_rows(path, "PRAGMA user_version = 99")


def missing_table(path: Path) -> None:
    filled(path)
    sqlite_rows(path, "DROP TABLE images")


def truncated(path: Path) -> None:
    filled(path, 2000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def garbage_at_the_beginning(path: Path) -> None:
    filled(path, 100)
    with path.open("r+b") as file:
        file.write(b"\xa5" * 5000)


UNUSABLE = {
    "belongs to another program": foreign_database,
    "another program": other_application,
    "it has version 99, and this program reads version 1": newer_version,
    "no such table: images": missing_table,
    "malformed": truncated,
    "file is not a database": lambda path: path.write_text("This is no database.\n" * 1000),
    "not a database": garbage_at_the_beginning,
    "file is not a data": lambda path: path.write_bytes(b"tiny"),
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_digest_cache_sets_an_unusable_file_aside(path, reason):
    UNUSABLE[reason](path)
    before = path.read_bytes()
    with DigestCache.open(path) as cache:
        (note,) = cache.notes
        assert cache.get(DIGEST) is None
        cache.put(DIGEST, BODY)
    (aside,) = set_aside(path)
    assert aside.read_bytes() == before
    assert f"{path}:" in note
    assert str(aside) in note
    assert reason in note
    assert works_in_the_file(path)


def test_digest_cache_sets_files_aside_more_than_once(path):
    for text in ("one", "two"):
        path.write_text(text)
        DigestCache.open(path).close()
    assert {file.read_text() for file in set_aside(path)} == {"one", "two"}


def test_digest_cache_moves_the_journal_of_a_foreign_database_with_it(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = PERSIST")
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    assert works_in_the_file_after_a_note(path)
    aside, journal = set_aside(path)
    assert journal.name == f"{aside.name}-journal"
    assert not path.with_name("digests.sqlite-journal").exists()


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_digest_cache_is_not_spoiled_by_a_side_file_of_an_unusable_file(path, suffix):
    path.write_text("This is no database.\n" * 1000)
    path.with_name(path.name + suffix).write_text("nor is this a log\n" * 1000)
    assert works_in_the_file_after_a_note(path)


def test_digest_cache_leaves_a_database_in_use_where_it_is(path):
    foreign_database(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM bookmarks").fetchall()
        with DigestCache.open(path) as cache:
            (note,) = cache.notes
            cache.put(DIGEST, BODY)
            assert cache.get(DIGEST) == BODY
        other.execute("COMMIT")
        assert "private cache" in note
    assert set_aside(path) == []
    assert sqlite_rows(path, "SELECT * FROM bookmarks") == []


@pytest.mark.parametrize("kind", ["below a file", "a folder", "a name that is too long"])
def test_digest_cache_without_a_usable_place_is_private(tmp_path, kind):
    (tmp_path / "file").touch()
    places = {"below a file": "file/digests.sqlite", "a folder": ".", "a name that is too long": "x" * 300}
    with DigestCache.open(tmp_path / places[kind]) as cache:
        cache.put(DIGEST, BODY)
        cache.add_image([layer(1)], IMAGE)
        assert cache.get(DIGEST) == BODY
        assert cache.longest_base([layer(1), layer(2)]) == IMAGE
    (note,) = cache.notes
    assert "private cache" in note
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def damage(path: Path) -> None:
    """Overwrite pages of contents. The file's head, tail and dictionary, which are read at first, stay well."""
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek(pages * 7 // 10 * 4096)
        file.write(b"\xa5" * (pages * 2 // 10 * 4096))


def test_digest_cache_damaged_in_the_middle_serves_the_run_and_is_set_aside_by_the_next(path):
    filled(path, 3000)
    damage(path)
    with DigestCache.open(path) as cache:
        for number in range(3000):
            assert cache.get(digest_of(content(number).body)) in {content(number), None}
        for number in range(3000):
            cache.put(digest_of(content(number).body), content(number))
        assert entries(cache, range(3000)) == set(range(3000))
        (note,) = cache.notes
        assert str(path) in note
        assert "malformed" in note
    with DigestCache.open(path) as cache:
        (note,) = cache.notes
        assert "an earlier run found it damaged" in note
        assert str(*set_aside(path)) in note
    assert works_in_the_file(path)


def test_digest_cache_damaged_while_it_writes_goes_on(path):
    filled(path, 3000)
    damage(path)
    with DigestCache.open(path) as cache:
        for number in range(5000, 6000):
            cache.put(digest_of(content(number).body), content(number))
        assert entries(cache, range(5000, 6000)) == set(range(5000, 6000))
        assert len(cache.notes) == 1


@pytest.mark.parametrize("value", [b"", b"\x28\xb5\x2f\xfd", b"x" * 400, "text", 7], ids=repr)
def test_digest_cache_row_that_was_tampered_with_is_a_miss_and_dropped(path, value):
    filled(path)
    sqlite_rows(path, "UPDATE contents SET content = ?", value)
    with DigestCache.open(path) as cache:
        assert cache.get(DIGEST) is None
        assert not cache.has(DIGEST)
        assert (cache.hits, cache.misses) == (0, 1)
        cache.put(DIGEST, BODY)
        assert cache.get(DIGEST) == BODY
        assert cache.notes == []


def test_digest_cache_content_under_another_digest_is_a_miss_and_dropped(path):
    filled(path)
    with DigestCache.open(path) as cache:
        other = digest_of(b"other")
        cache.put(other, BODY)  # which nobody may do
        assert cache.get(other) is None
        assert not cache.has(other)
        assert cache.get(DIGEST) == BODY


def test_digest_cache_last_digests_and_images_that_were_tampered_with_are_unknown(path):
    with DigestCache.open(path) as cache:
        cache.keep_last_digests("registry.test", "app", {"1": DIGEST})
        cache.add_image([layer(1)], IMAGE)
        cache.add_image([layer(1), layer(2)], IMAGE)
    sqlite_rows(path, "UPDATE last_digests SET value = substr(value, 1, 20)")
    sqlite_rows(path, "UPDATE images SET value = zeroblob(40)")
    with DigestCache.open(path) as cache:
        assert cache.last_digests("registry.test", "app") == {}
        assert cache.longest_base([layer(1), layer(2), layer(3)]) is None
        cache.add_image([layer(1)], IMAGE)
        assert cache.longest_base([layer(1), layer(2), layer(3)]) == IMAGE
        assert cache.notes == []


def test_digest_cache_prunes_last_digests_and_images_that_were_tampered_with(path):
    with DigestCache.open(path) as cache:
        cache.keep_last_digests("registry.test", "app", {"1": DIGEST})
        cache.add_image([layer(1)], IMAGE)
    sqlite_rows(path, "UPDATE last_digests SET value = 'text'")
    sqlite_rows(path, "UPDATE images SET value = 7")
    with DigestCache.open(path) as cache:
        cache.keep_only([DIGEST])
    assert sqlite_rows(path, "SELECT key FROM last_digests UNION SELECT key FROM images") == []


def test_digest_cache_frame_that_claims_gigabytes_is_a_miss(path):
    filled(path)
    claim = bytes.fromhex("28b52ffd") + b"\xe0" + (2**40).to_bytes(8, "little") + b"\x01\x00\x00"
    sqlite_rows(path, "UPDATE contents SET content = ?", claim)
    with DigestCache.open(path) as cache:
        assert cache.get(DIGEST) is None


def test_digest_cache_whose_dictionary_has_another_number_does_not_use_it(path):
    filled(path, 2000)
    sqlite_rows(path, "UPDATE dictionaries SET number = number + 1")
    with DigestCache.open(path) as cache:
        cache.put(digest_of(content(5000).body), content(5000))
    with DigestCache.open(path) as cache:
        assert cache.get(digest_of(content(5000).body)) == content(5000)


def test_digest_cache_whose_dictionary_is_damaged_begins_to_learn_anew(path):
    filled(path, 2000)
    sqlite_rows(path, "UPDATE dictionaries SET dictionary = zeroblob(1000)")
    with DigestCache.open(path) as cache:
        for number in range(2000):
            assert cache.get(digest_of(content(number).body)) in {content(number), None}
            cache.put(digest_of(content(number).body), content(number))
            assert cache.get(digest_of(content(number).body)) == content(number)
    with DigestCache.open(path) as cache:
        assert all(cache.get(digest_of(content(number).body)) == content(number) for number in range(2000))
        assert cache.notes == []


def test_digest_cache_reads_the_file_and_writes_privately_where_the_disk_is_full(path):
    filled(path, 100)
    with DigestCache.open(path) as cache:
        sqlite3_limit(cache, path)
        for number in range(100, 600):
            cache.put(digest_of(content(number).body), content(number))
        assert entries(cache, range(600)) == set(range(600))
        assert cache.get(DIGEST) == BODY
        cache.add_image([layer(1)], IMAGE)
        assert cache.longest_base([layer(1), layer(2)]) == IMAGE
        (note,) = cache.notes
        assert "full" in note


def sqlite3_limit(cache: DigestCache, path: Path) -> None:
    """Let SQLite find the disk full: the database may not grow."""
    (database,) = cache._storage._read
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
