"""The file that holds a group's list of names, read and written by shards that end, fail and come late."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import Config
from crawler.discovery.group_names import GroupNamesDiscovery
from crawler.errors import GaveUp, SnapshotError
from crawler.model.group_names import ListedPage, NamesBegun, NamesEnd, NamesFailed
from crawler.model.run_manifest import Evidence
from crawler.run.parameters import build_run_parameters
from crawler.snapshot.group_names import GroupNamesFile
from crawler.snapshot.locks import FileLocks

PAGES = [["a", "b"], ["c/ü", "d\ud800"], ["e"]]
NAMES = [name for page in PAGES for name in page]
NOW = datetime(2026, 11, 28, 2, tzinfo=UTC)
PROOF = Evidence(complete=True, text="read to its end")


class Source:
    """Yields pages, and then fails where an error is given."""

    method = "catalog"

    def __init__(self, pages=PAGES, error=None):
        self._pages = pages
        self._error = error
        self.pages_read = 0
        self.evidence = PROOF

    async def pages(self):
        for page in self._pages:
            self.pages_read += 1
            yield dict.fromkeys(page)
        if self._error is not None:
            raise self._error


def parameters_of(shard, **changes):
    scale = {"shard": shard, "group": "night"}
    config = Config(registry=[{"target": "localhost:5000"}], scale=scale)
    built = build_run_parameters(config.registry[0], config.images, NOW, config.scale)
    return replace(built, **changes)


def list_of(folder, shard="0/2", **changes):
    return GroupNamesFile(folder / "names", parameters_of(shard, **changes), FileLocks())


def discovery_of(folder, shard="0/2", source=None, methods=("catalog",), **changes):
    return GroupNamesDiscovery(source or Source(), methods, list_of(folder, shard, **changes))


async def names_of(discovery):
    return [name async for page in discovery.pages() for name in page]


def written(folder):
    return folder / "names" / "list.jsonl"


async def test_group_names_list_is_read_as_it_was_written(tmp_path):
    """Also names that are no UTF-8, which registries can send."""
    first, second = discovery_of(tmp_path), discovery_of(tmp_path, "1/2", Source([]))
    assert await names_of(first) == await names_of(second) == NAMES
    assert (first.method, first.pages_read, first.evidence) == ("catalog", 3, PROOF)
    assert (second.method, second.pages_read) == ("catalog", 0), "it has asked for no page"
    assert second.evidence == Evidence(complete=True, text="read to its end (read by shard 0/2 for the group)")


@given(st.data())
def test_group_names_list_that_ends_anywhere_is_completed(tmp_path_factory, data):
    """A kill leaves any part of the file. The next shard reads everything, and yields each name once."""
    folder = tmp_path_factory.mktemp("group")
    asyncio.run(names_of(discovery_of(folder)))
    content = written(folder).read_bytes()
    kept = data.draw(st.integers(0, len(content) - 1))
    written(folder).write_bytes(content[:kept])
    for shard in ("1/2", "0/2"):
        assert sorted(asyncio.run(names_of(discovery_of(folder, shard)))) == sorted(NAMES)
    lines = written(folder).read_bytes().splitlines()
    assert len([line for line in lines if b"evidence" in line]) == 1
    assert all(json.loads(line) for line in lines)


async def test_group_names_list_of_a_shard_that_gave_up_is_read_anew_by_a_later_one(tmp_path):
    failing = discovery_of(tmp_path, source=Source(PAGES[:1], GaveUp("no response")))
    with pytest.raises(GaveUp):
        await names_of(failing)
    later = discovery_of(tmp_path, "1/2")
    assert await names_of(later) == NAMES
    assert later.evidence == PROOF
    assert await names_of(discovery_of(tmp_path, source=Source([]))) == NAMES


class WatchedList(GroupNamesFile):
    """A list whose writer fails as soon as this reader has found nothing new."""

    writer = None

    def next_entry(self):
        entry = super().next_entry()
        if entry is None and self.writer is not None:
            self.writer.append(NamesFailed("no response"))
            self.writer = None
        return entry


async def test_group_names_list_of_a_shard_that_gives_up_is_left_by_those_that_follow(tmp_path):
    """They do not wait for one another, each for as long as the registry is out."""
    names = WatchedList(tmp_path / "names", parameters_of("1/2"), FileLocks())
    names.writer = list_of(tmp_path)
    assert names.writer.try_to_write()
    names.writer.append(NamesBegun(("catalog",)))
    names.writer.append(ListedPage("catalog", PAGES[0]))
    still_locked = names.writer
    follower = GroupNamesDiscovery(Source(), ("catalog",), names)
    assert await names_of(follower) == NAMES
    assert follower.evidence == PROOF
    assert b'"page":2' not in written(tmp_path).read_bytes()
    still_locked.release()


@pytest.mark.parametrize(
    ("damage", "notice"),
    [
        (lambda lines: [lines[0], b"\0\0\0", *lines[2:]], "line 2 is damaged"),
        (lambda lines: [lines[0], *lines[2:]], "line 2 is damaged"),
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":9', 1), *lines[1:]], "another version"),
        (lambda lines: [lines[0].replace(b'"exclude":[]', b'"exclude":["a"]'), *lines[1:]], "with other options"),
        (lambda lines: [lines[0].replace(b'["catalog"]', b'["api"]'), *lines[1:]], "shard 0/2 looks for names by api"),
    ],
    ids=["no JSON", "a page too few", "version", "options", "sources"],
)
async def test_group_names_list_that_cannot_be_used_is_left(tmp_path, caplog, damage, notice):
    await names_of(discovery_of(tmp_path))
    lines = written(tmp_path).read_bytes().splitlines()
    written(tmp_path).write_bytes(b"\n".join(damage(lines)) + b"\n")
    source = Source()
    own = discovery_of(tmp_path, "1/2", source)
    assert await names_of(own) == NAMES
    assert own.evidence == PROOF
    assert source.pages_read == 3
    assert notice in caplog.text


async def test_group_names_list_takes_no_lines_of_a_shard_that_lost_its_lock(tmp_path):
    lost, current = list_of(tmp_path, run_id="lost"), list_of(tmp_path, "1/2", run_id="current")
    assert lost.try_to_write()
    lost.append(NamesBegun(("catalog",)))
    lost.release()
    assert current.try_to_write()
    assert current.next_entry() == NamesBegun(("catalog",), "0/2")
    current.append(NamesBegun(("catalog",)))
    with pytest.raises(SnapshotError, match="another shard writes to it, too"):
        lost.append(ListedPage("catalog", ["stale"]))
    with written(tmp_path).open("ab") as file:  # as if both had written at the same moment
        for run_id in ("lost", "current"):
            page = {"run_id": run_id, "page": 1, "method": "catalog", "names": [run_id]}
            file.write(json.dumps(page).encode() + b"\n")
    reader = list_of(tmp_path)
    assert [reader.next_entry() for _ in range(4)] == [
        NamesBegun(("catalog",), "0/2"),
        NamesBegun(("catalog",), "1/2"),
        ListedPage("catalog", ["current"]),
        None,
    ]


async def test_group_names_list_that_cannot_be_written_does_not_end_the_run(tmp_path, caplog):
    (tmp_path / "names").write_text("a file where the folder belongs")
    own = discovery_of(tmp_path)
    assert await names_of(own) == NAMES
    assert "the group's list of names is not used: " in caplog.text
    assert "this shard reads the names itself" in caplog.text


async def test_group_names_list_that_does_not_grow_is_told_of(tmp_path, caplog):
    """The shard that reads hangs. It is stopped after six minutes."""
    hanging = list_of(tmp_path)
    assert hanging.try_to_write()
    hanging.append(NamesBegun(("catalog",)))
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        if sum(slept) == 360:
            hanging.release()

    follower = GroupNamesDiscovery(Source(), ("catalog",), list_of(tmp_path, "1/2"), sleep)
    assert await names_of(follower) == NAMES
    assert 360 <= sum(slept) <= 362
    assert [record.getMessage() for record in caplog.records] == [
        "no new names for 5 minutes: shard 0/2 reads them for the group; if it hangs, stop it: another one takes over"
    ]


async def test_group_names_list_is_written_by_one_shard_at_a_time(tmp_path):
    first, second = list_of(tmp_path), list_of(tmp_path, "1/2")
    assert first.try_to_write()
    assert not second.try_to_write()
    first.append(NamesBegun(("catalog",)))
    first.append(NamesEnd("catalog", PROOF))
    first.release()
    assert second.try_to_write()
    second.release()


@pytest.mark.parametrize("is_gone", [True, False], ids=["removed", "unreadable"])
async def test_group_names_list_that_is_lost_while_it_is_followed_ends_the_run(tmp_path, is_gone):
    """Names that the shard has taken are in no list any more: to read the source now would record them twice."""
    writer = list_of(tmp_path)
    assert writer.try_to_write()
    writer.append(NamesBegun(("catalog",)))
    writer.append(ListedPage("catalog", PAGES[0]))

    async def lose_list(_):
        writer.release()
        written(tmp_path).unlink(missing_ok=True)
        if not is_gone:
            written(tmp_path).mkdir()

    source = Source()
    follower = GroupNamesDiscovery(source, ("catalog",), list_of(tmp_path, "1/2"), lose_list)
    pages = follower.pages()
    assert list(await anext(pages)) == PAGES[0]
    with pytest.raises(SnapshotError, match="which is lost: start the shard again"):
        await anext(pages)
    assert source.pages_read == 0


async def test_group_names_list_that_nobody_has_begun_is_told_of(tmp_path, caplog):
    """The shard that holds the lock hangs before its first line, so nothing says which one it is."""
    hanging = list_of(tmp_path)
    assert hanging.try_to_write()
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        if sum(slept) == 360:
            hanging.release()

    assert await names_of(GroupNamesDiscovery(Source(), ("catalog",), list_of(tmp_path, "1/2"), sleep)) == NAMES
    (record,) = caplog.records
    assert record.getMessage().startswith("no new names for 5 minutes: another shard reads them for the group; ")
