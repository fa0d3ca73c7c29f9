"""A digest cache that is only read: what it has, what becomes of what is put, and what is left on the disk."""

import pytest
from support.digest_caches import content, digest_of, entries, sqlite_rows

from crawler.digest_cache.cache import DigestCache

REPOSITORY = ("registry.test", "app")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "digests.sqlite"


def filled(path):
    with DigestCache.open(path) as cache:
        cache.put(digest_of(content(1).body), content(1))
        cache.keep_last_digests(*REPOSITORY, {"latest": "sha256:1"})


def on_disk(path):
    """Every file beside the cache, with its content."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def test_digest_cache_that_is_only_read_has_what_the_file_has(path):
    filled(path)
    with DigestCache.open_unchanged(path) as cache:
        assert entries(cache, range(3)) == {1}
        assert cache.get(digest_of(content(1).body)) == content(1)
        assert cache.last_digests(*REPOSITORY) == {"latest": "sha256:1"}
        assert cache.notes == []


def test_digest_cache_that_is_only_read_keeps_what_is_put_to_itself(path):
    filled(path)
    before = on_disk(path)
    with DigestCache.open_unchanged(path) as cache:
        cache.put(digest_of(content(2).body), content(2))
        cache.keep_last_digests(*REPOSITORY, {"latest": "sha256:2"})
        assert entries(cache, range(3)) == {1, 2}
        assert cache.last_digests(*REPOSITORY) == {"latest": "sha256:2"}
        assert cache.notes == []
    assert on_disk(path) == before


@pytest.mark.parametrize("make", ["nothing", "empty"])
def test_digest_cache_that_is_only_read_makes_no_file(path, make):
    if make == "empty":
        path.touch()
    with DigestCache.open_unchanged(path) as cache:
        cache.put(digest_of(content(1).body), content(1))
        assert entries(cache, range(3)) == {1}
        assert cache.notes == []
    assert path.exists() == (make == "empty")
    assert not path.exists() or path.stat().st_size == 0


@pytest.mark.parametrize("damage", ["text", "version"])
def test_digest_cache_that_is_only_read_says_why_a_file_is_of_no_use(path, damage):
    filled(path)
    if damage == "text":
        path.write_bytes(b"this is no database, and never was" * 100)
    else:
        sqlite_rows(path, "PRAGMA user_version = 99")
    before = on_disk(path)
    with DigestCache.open_unchanged(path) as cache:
        (note,) = cache.notes
        assert entries(cache, range(3)) == set()
    assert note.endswith("; every digest counts as unknown")
    assert on_disk(path) == before


def test_digest_cache_without_a_file_is_private():
    with DigestCache.open_unchanged(None) as cache:
        cache.put(digest_of(content(1).body), content(1))
        assert entries(cache, range(3)) == {1}
