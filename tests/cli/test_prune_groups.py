"""`registry-crawler runs prune` and groups of shards: which are removed, which are named, and which are left alone."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from support.run_folders import TARGET, journaled, published
from support.shard_groups import left_group

from crawler.model.run_manifest import Verdict
from crawler.snapshot.locks import FileLocks

NOW = datetime.now(UTC)
LAST_WEEK = ("--keep-daily", "7", "--keep-weekly", "0", "--keep-monthly", "0")


@pytest.fixture
def output(tmp_path):
    """The output folder, with a complete snapshot of two days ago, and one of ten days ago."""
    folder = tmp_path / "snapshots"
    for days in (10, 2):
        publish(folder, days)
    return folder


def publish(folder, days, **changes):
    began = NOW - timedelta(days=days)
    published(folder, f"{began:%Y%m%dT%H%M%SZ}-0001", f"{began:%Y-%m-%dT%H:%M:%S}.000Z", **changes)


def left(output, group, days, **changes):
    """A group that was begun so many days ago; of three shards, two are there."""
    return left_group(output, group, NOW - timedelta(days=days), **{"shards": 3, "reported": 2, **changes})


def line_of(ended, group):
    (line,) = [line for line in ended.err.splitlines() if f"group {group} " in line]
    return line


async def test_prune_removes_a_partial_group_once_a_complete_snapshot_is_newer(command, output):
    old, newer = left(output, "monday", 3), left(output, "today", 1)
    dry = await command("runs", "prune", "--dry-run")
    assert (dry.code, old.exists()) == (0, True)
    ended = await command("runs", "prune")
    assert ended.code == 0
    assert "3 shards" in line_of(ended, "monday")
    assert line_of(ended, "monday").endswith(" dropped")
    assert line_of(dry, "monday").endswith(" would be dropped")
    assert not old.parent.exists()
    assert "is left: no complete snapshot of its target is newer; it is in snapshots/.shards/today/source=" in (
        line_of(ended, "today")
    )
    assert newer.exists()


async def test_prune_counts_no_snapshot_from_the_future_as_newer_than_a_group(command, output):
    """One night the clock was wrong. What began since then has nothing that is newer."""
    publish(output, -800)
    superseded, newest = left(output, "monday", 3), left(output, "today", 1)
    ended = await command("runs", "prune")
    assert "is left: no complete snapshot of its target is newer" in line_of(ended, "today")
    assert (superseded.exists(), newest.exists()) == (False, True)


async def test_prune_leaves_copies_and_links_of_groups_that_somebody_made(command, output, tmp_path):
    copied, linked = left(output, "monday", 3), left(output, "tuesday", 3)
    kept = copied.parent.rename(output / ".shards" / "monday.keep") / copied.name
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    ended = await command("runs", "prune")
    assert ended.code == 0
    assert "is left: it is a copy of group monday of localhost:5000/team;" in line_of(ended, "monday.keep")
    assert "is left: it is a symbolic link;" in line_of(ended, "tuesday")
    assert (kept / "terms.json").exists()
    assert (linked / "terms.json").exists()


async def test_prune_leaves_a_whole_group_to_merge_until_it_is_older_than_every_snapshot(command, output):
    folder = left(output, "night", 5, reported=3)
    ended = await command("runs", "prune")
    assert "is left: all its shards are there: `registry-crawler merge --group night` makes the snapshot" in ended.err
    assert folder.exists()
    publish(output, 4)
    assert line_of(await command("runs", "prune", *LAST_WEEK, "--keep-daily", "2"), "night").endswith(" dropped")
    assert not folder.exists()


async def test_prune_removes_a_whole_group_that_was_merged_into_a_partial_snapshot(command, output):
    folder = left(output, "night", 5, reported=3)
    merged = await command("merge", "--group", "night", "--expect", "4")
    assert merged.code == 3, merged.err
    assert line_of(await command("runs", "prune"), "night").endswith(" dropped")
    assert not folder.exists()


async def test_prune_does_not_touch_a_group_that_can_be_joined_or_is_in_use(command, output):
    publish(output, 0)
    young = left(output, "young", 0.5)
    resumed = left(output, "resumed", 3)
    merging, listing = left(output, "merging", 3), left(output, "listing", 3)
    (listing / "names").mkdir()
    journal = journaled(
        output, run_id="late", started_at=f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z", group="resumed", shards=3, shard=2
    )
    locks = [FileLocks().take(folder) for folder in (merging, listing / "names")]
    ended = await command("runs", "prune")
    for lock in locks:
        lock.release()
    journal.close()
    assert ended.code == 0
    assert all(folder.exists() for folder in (young, resumed, merging, listing))
    assert "group young " not in ended.err
    assert "group resumed " not in ended.err
    assert "is left: a process works on it" in line_of(ended, "merging")
    assert "is left: a process works on it" in line_of(ended, "listing")


async def test_prune_keeps_what_it_cannot_read_of_a_group_and_says_so(command, output):
    damaged, empty = left(output, "damaged", 3), left(output, "empty", 3, reported=0)
    (damaged / "shard=00001-of-00003" / "_shard.json").write_text("{}")
    (empty / "terms.json").unlink()
    ended = await command("runs", "prune")
    assert ended.code == 0
    assert "(unreadable) is left: " in line_of(ended, "damaged")
    assert "it has neither terms.json nor a shard" in line_of(ended, "empty")
    assert damaged.exists()


async def test_prune_removes_what_a_kill_has_left_of_a_group(command, output):
    kept, old = (output / ".shards" / group / ".source=localhost.dropped" for group in ("new", "old"))
    for folder in (kept, old):
        folder.mkdir(parents=True)
        (folder / "part-00000.jsonl").touch()
    two_days_ago = (NOW - timedelta(days=2)).timestamp()
    os.utime(old.parent, (two_days_ago, two_days_ago))
    assert (await command("runs", "prune", "--dry-run")).code == 0
    assert old.exists()
    assert (await command("runs", "prune")).code == 0
    assert kept.exists(), "its process may be at work"
    assert not old.parent.exists()


async def test_prune_removes_a_group_whose_name_an_earlier_prune_was_killed_at(command, output):
    folder = left(output, "monday", 3)
    hidden = folder.with_name(f".{folder.name}.dropped")
    hidden.mkdir()
    (hidden / "part-00000.jsonl").touch()
    ended = await command("runs", "prune")
    assert ended.code == 0, ended.err
    assert line_of(ended, "monday").endswith(" dropped")
    assert not folder.parent.exists()


async def test_prune_of_one_target_leaves_the_groups_of_others(command, output):
    own, other = left(output, "monday", 3), left(output, "tuesday", 3, target="localhost:5000/other")
    ended = await command("runs", "prune", TARGET)
    assert ended.code == 0
    assert (own.exists(), other.exists()) == (False, True)
    assert "tuesday" not in ended.err


async def test_prune_of_shards_without_terms_goes_by_when_they_began(command, output):
    """They were fetched from a lake, or copied from other disks."""
    folder = left(output, "copied", 3)
    (folder / "terms.json").unlink()
    assert line_of(await command("runs", "prune"), "copied").endswith(" dropped")
    assert not folder.exists()


async def test_prune_keeps_groups_of_a_target_that_was_never_complete(command, tmp_path):
    publish(tmp_path / "snapshots", 1, verdict=Verdict.PARTIAL)
    folder = left(tmp_path / "snapshots", "first", 3)
    ended = await command("runs", "prune")
    assert "no complete snapshot of its target is newer" in line_of(ended, "first")
    assert folder.exists()
