"""The digest cache's file with several processes: writes at once, a kill, and a lock that is held for long."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.digest_caches import content, digest_of, entries, layer

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import Content, KnownImage

TESTS = Path(__file__).parents[1]
WRITER = """
import sys
from pathlib import Path
from crawler.digest_cache.cache import DigestCache
from support.digest_caches import content, digest_of
cache = DigestCache.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    cache.put(digest_of(content(number).body), content(number))
print("written", flush=True)
sys.stdin.readline()
cache.close()
print("".join(cache.notes), flush=True)
"""
BODY = Content(b"body", "text/plain")
DIGEST = digest_of(b"body")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "digests.sqlite"


class Writer:
    """A process that writes a range of contents when it gets a line."""

    def __init__(self, path: Path, first: int, end: int) -> None:
        arguments = [sys.executable, "-c", WRITER, str(path), str(first), str(end)]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS.parent, env=environment()
        )

    def go_on(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def line(self) -> str:
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        self._process.communicate()


def environment() -> dict[str, str]:
    return {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}


def test_digest_cache_takes_the_writes_of_processes_at_once(path):
    writers = [Writer(path, first, first + 500) for first in (0, 400, 800)]  # they also make the file at once
    assert [writer.line() for writer in writers] == ["open"] * 3
    for writer in writers:
        writer.go_on()
    assert [writer.line() for writer in writers] == ["written"] * 3
    for writer in writers:
        writer.go_on()
    assert [writer.line() for writer in writers] == [""] * 3
    for writer in writers:
        writer.wait()
    with DigestCache.open(path) as cache:
        assert all(cache.get(digest_of(content(number).body)) == content(number) for number in range(1300))
        assert cache.notes == []


def test_digest_cache_has_what_a_killed_process_put(path):
    writer = Writer(path, 0, 300)
    writer.line()
    writer.go_on()
    assert writer.line() == "written"
    writer.kill()
    with DigestCache.open(path) as cache:
        assert entries(cache, range(300)) == set(range(300))
        assert cache.notes == []


def test_digest_cache_set_aside_by_processes_at_once_is_set_aside_once(path):
    path.write_text("no database")
    writers = [Writer(path, first, first + 10) for first in (0, 10, 20)]
    for writer in writers:
        writer.line()
        writer.go_on()
        assert writer.line() == "written"
    for writer in writers:
        writer.go_on()
    notes = [writer.line() for writer in writers]
    for writer in writers:
        writer.wait()
    assert len([note for note in notes if note]) == 1
    with DigestCache.open(path) as cache:
        assert entries(cache, range(30)) == set(range(30))
    assert len(list(path.parent.glob("*.set-aside-*"))) == 1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of writers, as another process does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def test_digest_cache_that_is_locked_finds_what_was_put_and_writes_it_later(path):
    image = KnownImage(digest=DIGEST, config_digest=DIGEST, reference="registry.test/app:1")
    with DigestCache.open(path) as cache:
        with locked(path):
            cache.put(DIGEST, BODY)
            cache.keep_last_digests("registry.test", "app", {"1": DIGEST})
            cache.add_image([layer(1)], image)
            cache.add_image([layer(1)], KnownImage(digest=DIGEST, config_digest=DIGEST, reference="registry.test/b:1"))
            assert cache.has(DIGEST)
            assert cache.get(DIGEST) == BODY
            assert cache.last_digests("registry.test", "app") == {"1": DIGEST}
            assert cache.longest_base([layer(1), layer(2)]) == image
            with DigestCache.open(path) as other:
                assert not other.has(DIGEST)
        cache.put(digest_of(b"next"), Content(b"next", None))
        with DigestCache.open(path) as other:
            assert other.get(DIGEST) == BODY
            assert other.last_digests("registry.test", "app") == {"1": DIGEST}
            assert other.longest_base([layer(1), layer(2)]) == image
            assert other.has(digest_of(b"next"))
    assert cache.notes == []


def test_digest_cache_that_is_locked_writes_when_it_is_closed(path):
    with DigestCache.open(path) as cache, locked(path):
        cache.put(DIGEST, BODY)
    with DigestCache.open(path) as cache:
        pass
    cache = DigestCache.open(path)
    with locked(path):
        cache.put(digest_of(b"next"), Content(b"next", None))
    cache.close()
    with DigestCache.open(path) as other:
        assert other.has(digest_of(b"next"))
    assert cache.notes == []


def test_digest_cache_that_stays_locked_notes_what_was_not_kept(path):
    cache = DigestCache.open(path)
    with locked(path):
        for number in range(30):
            cache.put(digest_of(content(number).body), content(number))
        cache.close()
    (note,) = cache.notes
    assert str(path) in note
    assert "30 entries were not kept" in note


def test_digest_cache_that_stays_locked_keeps_the_newest_in_bounded_memory(path):
    noise = [random.Random(number).randbytes(2**20) for number in range(40)]  # which no compression makes smaller
    with DigestCache.open(path) as cache:
        with locked(path):
            for body in noise:
                cache.put(digest_of(body), Content(body, None))
            assert not cache.has(digest_of(noise[0]))
            assert cache.get(digest_of(noise[-1])) is not None
        cache.put(DIGEST, BODY)
    with DigestCache.open(path) as other:
        assert not other.has(digest_of(noise[0]))
        assert other.get(digest_of(noise[-1])) is not None
    (note,) = cache.notes
    assert "entries were not kept" in note


def test_digest_cache_keep_only_that_finds_the_lock_held_says_so(path):
    with DigestCache.open(path) as cache:
        cache.put(DIGEST, BODY)
        with locked(path):
            assert cache.keep_only([]) == 0
        assert cache.has(DIGEST)
        (note,) = cache.notes
        assert "lock" in note
        cache.keep_only([])
        assert not cache.has(DIGEST)
