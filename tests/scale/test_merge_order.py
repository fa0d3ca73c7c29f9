"""`merge` again and again: which snapshot of a group is the newest, and when it began."""

import json
import shutil

import pytest
from support.prometheus import samples
from support.shard_crawls import GROUP, shard_config
from support.snapshots import folders, read_snapshot

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.fixture
async def three_shards(world, tmp_path):
    """The output folder with three shards of thirty repositories, which were crawled one after another."""
    for index in range(3):
        await crawler.crawl(shard_config(world, f"{index}/3", tmp_path / "snapshots"))
    return tmp_path / "snapshots"


def shard_path(output, index):
    (path,) = output.glob(f".shards/{GROUP}/source=*/shard={index:05d}-*")
    return path


async def listed(command):
    """Verdict and begin of each snapshot, the newest first."""
    asked = await command("runs", "list", "--format", "json")
    return [(run["state"], run["started_at"]) for run in json.loads(asked.out)]


async def test_merges_of_one_group_have_the_begin_of_the_group(command, three_shards, tmp_path):
    """The shard that comes late is the one that began first: the group began with it all the same."""
    (terms,) = three_shards.glob(f".shards/{GROUP}/source=*/terms.json")
    begun = json.loads(terms.read_bytes())["started_at"]
    place = shard_path(three_shards, 0)
    shutil.move(place, tmp_path / "late")
    assert (await command("merge", "--group", GROUP)).code == 3
    shutil.move(tmp_path / "late", place)
    assert (await command("merge", "--group", GROUP, "--metrics", "registry.prom")).code == 0
    assert await listed(command) == [("complete", begun), ("partial", begun)]
    measured = samples((command.folder / "registry.prom").read_text())
    counted = [value for name, value in measured.items() if name.startswith("registry_crawler_repositories{")]
    assert sum(counted) == 30, "the metrics are those of the complete snapshot"
    assert (await command("runs", "prune", "--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0")).code == 0
    assert await listed(command) == [("complete", begun)]


async def test_merge_is_newer_than_one_of_the_same_group_before_a_shard_was_crawled_again(command, world, three_shards):
    ids: list[str] = []
    for odd in (0, 1, 2, 0):
        assert (await command("merge", "--group", GROUP, "--expect", "31")).code == 3
        (new,) = {folder.name for folder in folders(three_shards)} - set(ids)
        ids.append(new)
        shutil.rmtree(shard_path(three_shards, odd))
        await crawler.crawl(shard_config(world, f"{odd}/3", three_shards))
    assert ids == sorted(ids)
    asked = await command("runs", "list", "--format", "json")
    assert [f"run={run['run_id']}" for run in json.loads(asked.out)] == ids[::-1]


async def test_merge_begins_before_every_record_was_observed(command, three_shards):
    for index in (1, 2):  # their processes were slow to find their credentials
        path = shard_path(three_shards, index) / "_run.json"
        run_manifest = json.loads(path.read_bytes())
        path.write_text(json.dumps(run_manifest | {"started_at": run_manifest["finished_at"]}))
    assert (await command("merge", "--group", GROUP)).code == 0
    snapshot = read_snapshot(three_shards)
    assert snapshot.manifest["started_at"] <= min(record["observed_at"] for record in snapshot.records)


async def test_merge_does_not_end_before_it_begins(command, shards):
    """The machines of the shards have other clocks than the one that set the terms."""
    for index in range(2):
        path = shard_path(shards, index) / "_run.json"
        times = {"started_at": "2026-11-27T02:00:00.000Z", "finished_at": "2026-11-27T02:10:00.000Z"}
        path.write_text(json.dumps(json.loads(path.read_bytes()) | times))
    assert (await command("merge", "--group", GROUP)).code == 0
    run_manifest = read_snapshot(shards).manifest
    assert run_manifest["started_at"] == run_manifest["finished_at"]


async def test_merge_says_that_an_earlier_merge_counts_as_newer(command, world, tmp_path):
    """Shards from several disks have agreed on no beginning, and the one that began first is copied last."""
    for index in range(2):
        await crawler.crawl(shard_config(world, f"{index}/2", tmp_path / f"disk-{index}"))
    shutil.copytree(tmp_path / "disk-1", tmp_path / "snapshots")
    assert (await command("merge", "--group", GROUP)).code == 3
    (partial,) = folders(tmp_path / "snapshots")
    shutil.copytree(tmp_path / "disk-0", tmp_path / "snapshots", dirs_exist_ok=True)
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 0
    assert f"{partial.name.removeprefix('run=')}, merged from fewer shards of this group, counts as newer" in ended.err
    assert f"remove {partial.relative_to(command.folder)}" in ended.err
