"""Uniting digest caches: what the first has afterwards, which files are left out, and kills and crawls meanwhile."""

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.digest_caches import content, digest_of, entries, layer, sqlite_rows

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.union import count, unite
from crawler.digest_cache.values import Content, KnownImage

TESTS = Path(__file__).parents[1]
UNITE = """
import sys
from pathlib import Path
from crawler.digest_cache.union import unite
union = unite(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
print(union.is_whole, *union.notes, *union.left_out)
"""
KILLED_AT_SIZE = """
import os, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]),) * 2)
"""
REPOSITORY = ("registry.test", "app")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "digests.sqlite"


@pytest.fixture
def other(tmp_path) -> Path:
    return tmp_path / "other.sqlite"


def fill(path: Path, *numbers: int) -> None:
    with DigestCache.open(path) as cache:
        for number in numbers:
            cache.put(digest_of(content(number).body), content(number))


def held(path: Path, numbers: range) -> set[int]:
    with DigestCache.open(path) as cache:
        found = {number for number in numbers if cache.find(digest_of(content(number).body)) == content(number)}
        assert cache.notes == []
        return found


def image(name: str) -> KnownImage:
    return KnownImage(digest=digest_of(b"m"), config_digest=digest_of(b"c"), reference=f"registry.test/{name}:1")


def start(path: Path, *others: Path) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", UNITE, path, *others]
    environment = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)


bodies = st.lists(st.tuples(st.binary(max_size=300), st.none() | st.text(max_size=20)), max_size=12)


@settings(max_examples=20)  # each makes files
@given(caches=st.lists(bodies, min_size=1, max_size=4))
def test_digest_cache_union_has_the_contents_of_all(tmp_path_factory, caches):
    folder = tmp_path_factory.mktemp("caches")
    paths = [folder / f"{number}.sqlite" for number in range(len(caches))]
    first = {}
    for path, contents in zip(paths, caches, strict=True):
        of_this = {digest_of(body): Content(body, media_type) for body, media_type in contents}
        with DigestCache.open(path) as cache:
            for digest, kept in of_this.items():
                cache.put(digest, kept)
        first = of_this | first
    union = unite(paths[0], paths[1:])
    assert (union.is_whole, union.notes, union.left_out) == (True, (), ())
    assert union.found == sum(map(count, paths[1:]))
    assert count(paths[0]) == len(first)
    with DigestCache.open(paths[0]) as cache:
        assert {digest: cache.get(digest) for digest in first} == first


def test_digest_cache_union_reads_what_was_compressed_with_other_dictionaries(path, other, tmp_path):
    third = tmp_path / "third.sqlite"
    fill(path, *range(1100))
    fill(other, *range(1000, 2200))
    fill(third, *range(2000, 2400))  # too few for a dictionary
    assert [sqlite_rows(each, "SELECT count(*) FROM dictionaries") for each in (path, other, third)] == [
        [(1,)],
        [(1,)],
        [(0,)],
    ]
    union = unite(path, [other, third])
    assert (union.found, union.added) == (1600, 1300)
    assert held(path, range(2500)) == set(range(2400))
    fill(path, 2400)  # it goes on, with whichever dictionary
    assert held(path, range(2400, 2402)) == {2400}


def test_digest_cache_union_makes_the_file_for_its_owner_alone(path, other):
    fill(other, 1, 2)
    unite(path, [other])
    assert path.stat().st_mode & 0o777 == 0o600
    assert held(path, range(4)) == {1, 2}


def test_digest_cache_union_keeps_what_the_first_has_of_images_and_tags(path, other):
    for file, name in ((path, "first"), (other, "second")):
        with DigestCache.open(file) as cache:
            cache.add_image([layer(1)], image(name))
            cache.add_image([layer(2), layer(name == "first")], image(name))
            cache.keep_last_digests(*REPOSITORY, {"latest": f"sha256:{name}"})
            cache.keep_last_digests("registry.test", name, {"1": "sha256:1"})
    union = unite(path, [other])
    assert (union.found, union.added) == (2, 1)
    with DigestCache.open(path) as cache:
        assert cache.longest_base([layer(1), layer(9)]) == image("first")
        assert cache.longest_base([layer(2), layer(0), layer(9)]) == image("second")
        assert cache.longest_base([layer(2), layer(1), layer(9)]) == image("first")
        assert cache.last_digests(*REPOSITORY) == {"latest": "sha256:first"}
        assert cache.last_digests("registry.test", "second") == {"1": "sha256:1"}


def text(path: Path) -> str:
    path.write_text("<html>please log in</html>")
    return "file is not a database"


def foreign(path: Path) -> str:
    sqlite_rows(path, "CREATE TABLE bookmarks (url TEXT)")
    return "the file belongs to another program"


def newer(path: Path) -> str:
    fill(path, 7)
    sqlite_rows(path, "PRAGMA user_version = 9")
    return "it has version 9, and this program reads version 1"


def missing(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "unable to open database file"


def truncated(path: Path) -> str:
    fill(path, *range(100))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return "database disk image is malformed"


@pytest.mark.parametrize("unfit", [text, foreign, newer, missing, truncated])
def test_digest_cache_union_names_a_file_that_is_no_cache_and_goes_on(path, other, tmp_path, unfit):
    third = tmp_path / "third.sqlite"
    fill(path, 1)
    fill(third, 3)
    reason = unfit(other)
    before = other.read_bytes() if other.exists() else None
    union = unite(path, [other, third])
    assert list(map(str, union.left_out)) == [f"digest cache {other}: {reason}; it is left out"]
    assert (union.is_whole, union.notes) == (True, ())
    assert held(path, range(8)) == {1, 3}
    assert (other.read_bytes() if other.exists() else None) == before


def test_digest_cache_union_takes_nothing_from_an_empty_file(path, other):
    other.touch()
    union = unite(path, [other])
    assert (union.is_whole, union.found, union.left_out) == (True, 0, ())
    assert other.stat().st_size == 0


def test_digest_cache_union_has_what_came_before_the_damage_of_a_file(path, other):
    fill(other, *range(3000))
    pages = sqlite_rows(other, "PRAGMA page_count")[0][0]
    with other.open("r+b") as file:  # pages of contents that are neither the first nor the last rows
        file.seek(pages * 3 // 4 * 4096)
        file.write(b"\xff" * 4096 * 20)
    union = unite(path, [other])
    assert [left_out.reason for left_out in union.left_out] == ["database disk image is malformed"]
    assert union.is_whole
    assert 0 < union.added < 3000
    assert len(held(path, range(3000))) == union.added


def test_digest_cache_union_sets_a_first_file_that_is_no_cache_aside(path, other):
    path.write_text("my shopping list")
    fill(other, 1)
    union = unite(path, [other])
    assert union.is_whole
    assert "set aside as" in "".join(union.notes)
    assert held(path, range(2)) == {1}


def test_digest_cache_union_into_a_folder_is_named(path, other):
    path.mkdir()
    fill(other, 1)
    union = unite(path, [other])
    assert not union.is_whole
    assert union.notes == (f"digest cache {path}: unable to open database file; nothing was added to it",)


def test_digest_cache_union_that_cannot_write_is_named(path, other):
    fill(path, 1)
    fill(other, *range(50))
    # as a full disk would: images come after the contents
    sqlite_rows(path, "CREATE TRIGGER full BEFORE INSERT ON images BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    with DigestCache.open(other) as cache:
        cache.add_image([layer(1)], image("app"))
    union = unite(path, [other])
    assert (union.is_whole, union.notes) == (False, (f"digest cache {path}: disk is full; not all was added to it",))
    assert held(path, range(50)) == set(range(50))


def test_digest_cache_union_reads_a_cache_that_a_crawl_works_on(path, other):
    with DigestCache.open(other) as crawl:
        for number in range(20):
            crawl.put(digest_of(content(number).body), content(number))
        with closing(sqlite3.connect(other, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert unite(path, [other]).left_out == ()
            writer.execute("ROLLBACK")
        crawl.put(digest_of(content(20).body), content(20))
        assert unite(path, [other]).added == 1
        assert crawl.notes == []
    assert held(path, range(30)) == set(range(21))


def test_digest_cache_union_waits_for_a_crawl_that_holds_the_lock(path, other):
    fill(path, 1)
    fill(other, 2)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as crawl:
        crawl.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, crawl.execute, ["ROLLBACK"])
        release.start()
        union = unite(path, [other])
        release.join()
    assert (union.is_whole, union.added, union.notes) == (True, 1, ())


def test_digest_cache_union_leaves_the_first_to_a_crawl_that_works_on_it(path, other):
    fill(other, *range(2500))
    with DigestCache.open(path) as crawl:
        process = start(path, other)
        for number in range(3000, 3400):
            crawl.put(digest_of(content(number).body), content(number))
        assert process.communicate()[0] == "True\n"
        assert crawl.notes == []
        assert entries(crawl, range(2500)) == set(range(2500))
    assert held(path, range(3000, 3400)) == set(range(3000, 3400))


def test_digest_caches_united_by_processes_at_once_have_all(path, tmp_path):
    others = [tmp_path / f"{number}.sqlite" for number in range(3)]
    for number, other in enumerate(others):
        fill(other, *range(number * 1000, number * 1000 + 1300))
    processes = [start(path, other) for other in others]  # they also make the file at once
    assert [process.communicate()[0] for process in processes] == ["True\n"] * 3
    assert held(path, range(3300)) == set(range(3300))


def test_digest_cache_union_that_is_killed_leaves_a_cache(path, other):
    """Killed by the kernel, at the same byte each time: no file may grow above four fifths of what is added."""
    fill(path, 9000)
    fill(other, *range(4000))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_SIZE + UNITE, path, other],
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "LIMIT": str(other.stat().st_size * 4 // 5)},
        check=False,
    )
    assert killed.returncode == -signal.SIGXFSZ
    assert sqlite_rows(path, "PRAGMA integrity_check") == [("ok",)]
    there = held(path, range(4000))
    assert 999 <= len(there) < 4000
    assert unite(path, [other]).added == 4000 - len(there)
    assert held(path, range(9001)) == {*range(4000), 9000}
