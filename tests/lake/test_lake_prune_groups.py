"""`registry-crawler runs prune --lake` and the shards that a lake holds: which groups go, and which are named."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from support.filled_lakes import files_of, publish_all
from support.run_folders import TARGET
from support.shard_groups import left_group

from crawler.lake.held_shards import HeldShards
from crawler.model.run_manifest import source_folder
from crawler.model.shard import Shard
from crawler.snapshot.decoding import read_run_manifest

NOW = datetime.now(UTC)
LAST_TWO = ("--keep-daily", "2", "--keep-weekly", "0", "--keep-monthly", "0")


@pytest.fixture
def lake(publish, tmp_path):
    """The folder of a lake with complete runs of four and of two days ago."""
    folders = [publish(f"{NOW - timedelta(days=days):%Y-%m-%d}", target=TARGET, records=[]) for days in (4, 2)]
    publish_all(f"file://{tmp_path}/lake", "parquet", folders, tmp_path / "scratch")
    return tmp_path / "lake"


def hold(lake, group, days, *, reported=2):
    """Upload shards of a group of three that began so many days ago. Returns the group."""
    began = NOW - timedelta(days=days)
    folder = left_group(lake.parent / "disk", group, began, shards=3, reported=reported)
    held = HeldShards.open(f"file://{lake}", os.environ).group(group, source_folder(TARGET))
    held.held.store.create(f"{held.folder}/terms.json", (folder / "terms.json").read_bytes())
    for index in range(reported):
        shard = Shard(index, 3)
        place = folder / shard.folder_name
        held.upload(place, read_run_manifest(place), shard)
    return held


def objects(lake, group):
    return [name for name in files_of(lake) if name.startswith(f"_shards/group={group}/")]


def prune(lake, *more):
    return ("runs", "prune", "--output", "none", "--lake", f"file://{lake}", *more)


def line_of(ended, group):
    (line,) = [line for line in ended.err.splitlines() if f"group {group} " in line]
    return line


async def test_lake_prune_removes_a_partial_group_once_a_complete_run_is_newer(command, lake):
    hold(lake, "old", 3)
    hold(lake, "newer", 1.5)
    hold(lake, "young", 0.5)
    before = files_of(lake)
    dry = await command(*prune(lake, "--dry-run"))
    assert files_of(lake) == before
    ended = await command(*prune(lake))
    assert (dry.code, ended.code) == (0, 0), ended.err
    assert ", 2 of 3 shards, " in line_of(ended, "old")
    assert line_of(dry, "old").replace("would be ", "") == line_of(ended, "old")
    assert objects(lake, "old") == []
    assert "is left: no complete snapshot of its target is newer; it is in file://" in line_of(ended, "newer")
    assert "group young " not in ended.err
    assert objects(lake, "newer")
    assert {name: content for name, content in before.items() if "/group=old/" not in name} == files_of(lake)


async def test_lake_prune_counts_no_run_from_the_future_as_newer_than_a_group(command, lake, publish, tmp_path):
    future = publish(f"{NOW + timedelta(days=800):%Y-%m-%d}", target=TARGET, records=[])
    publish_all(f"file://{lake}", "parquet", [future], tmp_path / "scratch")
    hold(lake, "newer", 1.5)
    assert "is left: no complete snapshot of its target is newer" in line_of(await command(*prune(lake)), "newer")
    assert objects(lake, "newer")


async def test_lake_prune_leaves_a_whole_group_to_merge_until_it_is_older_than_every_run(command, lake):
    hold(lake, "night", 3, reported=3)
    ended = await command(*prune(lake))
    assert f"`registry-crawler merge --group night --lake file://{lake}` makes the snapshot" in line_of(ended, "night")
    assert objects(lake, "night")
    gone = await command(*prune(lake, "--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0"))
    assert line_of(gone, "night").endswith(" dropped")
    assert not objects(lake, "night")


async def test_lake_prune_removes_what_says_that_a_group_was_merged_with_the_oldest_run(command, lake):
    for group, days in (("first", 9), ("second", 3)):
        held = hold(lake, group, days)
        held.remove(f"run-of-{group}")
        (merged,) = objects(lake, group)
        at = (NOW - timedelta(days=days)).isoformat()
        (lake / merged).write_text(json.dumps({"run_id": f"run-of-{group}", "merged_at": at}))
    ended = await command(*prune(lake, *LAST_TWO))
    assert ended.code == 0
    assert line_of(ended, "first").endswith(" dropped")
    assert "group second " not in ended.err
    assert (len(objects(lake, "first")), len(objects(lake, "second"))) == (0, 1)


async def test_lake_prune_keeps_a_group_that_it_cannot_read_and_says_so(command, lake):
    held = hold(lake, "damaged", 3)
    (lake / held.folder / "terms.json").write_text("{}")
    ended = await command(*prune(lake))
    assert ended.code == 0
    assert "(unreadable, " in line_of(ended, "damaged")
    assert len(objects(lake, "damaged")) > 3


async def test_lake_prune_of_one_target_leaves_the_groups_of_others(command, lake, publish, tmp_path):
    other = publish(f"{NOW:%Y-%m-%d}", records=[])
    publish_all(f"file://{lake}", "parquet", [other], tmp_path / "scratch")
    hold(lake, "old", 3)
    ended = await command(*prune(lake, "registry.example.com"))
    assert ended.code == 0
    assert "group old " not in ended.err
    assert objects(lake, "old")
