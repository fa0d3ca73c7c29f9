"""Shards whose disks are their own, merged from a lake: what is fetched, what is missed, and what is left of them."""

import asyncio
import json
import re
import shutil

import pytest
from support.lake_views import latest
from support.shard_crawls import GROUP, crawl_whole, records_in, shard_folders
from support.shard_lakes import (
    crawl_shard,
    held_group,
    merge_of,
    shard_command,
    upload,
    upload_shard,
    upload_shards,
)
from support.snapshots import folders, read_snapshot

from crawler.errors import LakeError

pytestmark = pytest.mark.usefixtures("few_authorities")


def objects_in(tmp_path):
    """The objects of a lake in a folder that are of shards."""
    return sorted(path.name for path in (tmp_path / "lake" / "_shards").rglob("*") if path.is_file())


def marker(tmp_path, index):
    (path,) = (tmp_path / "lake").glob(f"_shards/*/*/shard={index:05d}-*/uploaded.json")
    return path


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("crawl", "Publish the snapshot there too, or upload the shard for merge: s3://"),
        ("merge", "Take shards that were uploaded there, and publish the snapshot there too: s3://"),
    ],
)
async def test_lake_of_shards_is_explained_by_the_help(command, name, meaning):
    assert meaning in " ".join((await command(name, "--help")).out.split())


@pytest.mark.parametrize("kind", ["file", "s3"])
async def test_merge_from_a_lake_equals_one_run(command, google, moto, tmp_path, kind):
    world = await google(repositories=60, listings="plain", giants=0, empty=0.06)
    cloud = moto.s3()
    url, environment = (f"file://{tmp_path}/lake", {}) if kind == "file" else (cloud.url, cloud.environment)
    await crawl_whole(world, tmp_path / "whole")
    commands = [shard_command(world, f"{index}/3", f"disk-{index}", url) for index in range(3)]
    ended = await asyncio.gather(*(command(*each, environment=environment) for each in commands))
    assert [each.code for each in ended] == [0, 0, 0], ended
    assert [f"{url}: uploaded shard {index}/3: 4 files" in each.err for index, each in enumerate(ended)] == [True] * 3

    merged = await merge_of(command, url, "merged", environment=environment)
    assert merged.code == 0, merged.err
    assert "3 shards fetched" in merged.err
    assert records_in(tmp_path / "merged") == records_in(tmp_path / "whole")
    assert read_snapshot(tmp_path / "merged").manifest["verdict"] == "complete"
    assert not (tmp_path / "merged" / ".shards").exists()

    copy = tmp_path / "lake" if kind == "file" else cloud.download(tmp_path / "copy")
    left = [str(path.relative_to(copy / "_shards")) for path in (copy / "_shards").rglob("*") if path.is_file()]
    assert [path.rpartition("/")[2] for path in left] == ["merged.json"]
    names = sorted((name,) for name in records_in(tmp_path / "whole"))
    assert latest(copy, "repository", "repositories") == names

    again = await merge_of(command, url, "another-disk", environment=environment)
    assert again.code == 0
    assert f"group {GROUP} was merged already, " in again.complaint
    assert read_snapshot(tmp_path / "merged").manifest["run_id"] in again.complaint


@pytest.mark.slow
async def test_merge_from_a_lake_finds_the_bases_that_other_shards_have_read(command, google, lake, tmp_path):
    """Shards on disks of their own have their cache in a lake, too."""
    world = await google(repositories=20, listings="plain", giants=0)
    deep = {"images": {"depth": "configs"}}
    await crawl_whole(world, tmp_path / "first", **deep)  # tags that vanish while they are read are gone after it
    await crawl_whole(world, tmp_path / "whole", **deep)
    whole = records_in(tmp_path / "whole")
    configs = [image["config"] for each in whole.values() for image in each["images"] or () if image["config"]]
    assert "layers" in {config["base_from"] for config in configs}

    cache = ("--cache", f"file://{tmp_path}/caches/digests.sqlite")
    for index in range(3):
        more = ("--depth", "configs", *cache)
        assert (await command(*shard_command(world, f"{index}/3", f"disk-{index}", lake, *more))).code == 0
    ended = await merge_of(command, lake, "merged", *cache)
    assert ended.code == 0, ended.err
    assert "base images that another shard has read are not found" not in ended.err
    assert records_in(tmp_path / "merged") == whole


async def test_merge_without_one_shard_is_partial_and_completed_from_the_lake(command, world, lake, tmp_path):
    group = held_group(world, lake)
    await upload_shards(world, 3, tmp_path, group, but=2)
    ended = await merge_of(command, lake, "merged")
    assert ended.code == 3
    assert "discovery may be incomplete: shard 2/3 did not report" in ended.err
    assert objects_in(tmp_path).count("uploaded.json") == 2, "the shards are kept"
    assert latest(tmp_path / "lake", "repository", "repositories") == []

    await upload_shard(world, "2/3", tmp_path / "late", group)
    ended = await merge_of(command, lake, "merged")
    assert ended.code == 0, ended.err
    assert "1 shard fetched" in ended.err
    assert len(records_in(tmp_path / "merged")) == 30
    assert objects_in(tmp_path) == ["merged.json"]
    assert shard_folders(tmp_path / "merged") == []

    again = await merge_of(command, lake, "merged")
    assert again.code == 0
    assert f"group {GROUP} was merged already: COMPLETE: 30 repositories" in again.err
    assert len(folders(tmp_path / "merged")) == 2


async def test_merge_takes_the_run_that_the_lake_has_of_a_shard(command, world, lake, tmp_path):
    """This disk has another run of it, which came later to the lake."""
    group, here, there = held_group(world, lake), tmp_path / "here", tmp_path / "there"
    later, first = await crawl_shard(world, "0/2", here, group), await crawl_shard(world, "0/2", there, group)
    await crawl_shard(world, "1/2", here, group)
    assert upload(first, there, group).is_new
    assert not upload(later, here, group).is_own
    (part,) = there.glob(".shards/*/*/shard=*/part-*")
    times = {record["repository"]: record["observed_at"] for record in map(json.loads, part.read_text().splitlines())}

    ended = await merge_of(command, lake, here)
    assert ended.code == 0, ended.err
    records = read_snapshot(here).by_name
    assert len(records) == 30
    assert {name: records[name]["observed_at"] for name in times} == times


async def test_shards_in_a_lake_are_seen_by_no_other_command(command, world, lake, tmp_path):
    await upload_shards(world, 2, tmp_path, held_group(world, lake))
    before = objects_in(tmp_path)
    pruned = await command("runs", "prune", "--lake", lake)
    assert pruned.code == 0, pruned.err
    assert objects_in(tmp_path) == before
    assert before.count("uploaded.json") == 2
    assert folders(tmp_path / "disk-0") == []


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def fetch_all(group, folder):
    folder.mkdir()
    for each in group.shards():
        group.fetch(each, folder / each.shard.folder_name)


def rewrite_marker(shard, change):
    marker = json.loads((shard / "uploaded.json").read_bytes())
    change(marker)
    (shard / "uploaded.json").write_text(json.dumps(marker))


def name_another_run(shard):
    rewrite_marker(shard, lambda marker: marker.update(run_id="../another"))
    next(shard.glob("run=*")).rename(shard / "run=..%2Fanother")


DAMAGES = {
    "flipped": (lambda shard: flip(next(shard.glob("run=*/part-*"))), "is not what was uploaded"),
    "truncated": (lambda shard: next(shard.glob("run=*/part-*")).write_bytes(b"{}\n"), "has 3 bytes, and "),
    "no-part": (lambda shard: next(shard.glob("run=*/part-*")).unlink(), "part-00000.jsonl is not there"),
    "report": (lambda shard: flip(next(shard.glob("run=*/_shard.json"))), "_shard.json is not what was uploaded"),
    "marker": (lambda shard: (shard / "uploaded.json").write_text("<html>"), "uploaded.json is no shard's marker"),
    "foreign": (
        lambda shard: (shard / "uploaded.json").write_text(
            (shard / "uploaded.json").read_text().replace("part-00000.jsonl", "../part-00000.jsonl")
        ),
        "a file is none of a shard's",
    ),
    "no-manifest": (
        lambda shard: rewrite_marker(shard, lambda marker: marker["files"].pop(-2)),
        "it names no _run.json, or a file twice",
    ),
    "twice": (
        lambda shard: rewrite_marker(shard, lambda marker: marker["files"].append(marker["files"][0])),
        "it names no _run.json, or a file twice",
    ),
    "run": (name_another_run, "run=..%2Fanother/_run.json is not of the run that uploaded.json names"),
}


async def test_merge_of_a_damaged_shard_in_a_lake_is_refused(command, world, lake, tmp_path):
    group = held_group(world, lake)
    await upload_shards(world, 2, tmp_path, group)
    shard = marker(tmp_path, 1).parent
    shutil.copytree(shard, tmp_path / "whole")
    advice = f"remove {marker(tmp_path, 1).relative_to(tmp_path / 'lake')} from the lake, and crawl shard 1/2 again"
    for name, (damage, message) in DAMAGES.items():
        damage(shard)
        with pytest.raises(LakeError, match=re.escape(message)) as refused:
            fetch_all(group, tmp_path / name)
        assert str(refused.value).endswith(advice)
        assert [path.name for path in (tmp_path / name).iterdir()] in ([], ["shard=00000-of-00002"])
        shutil.rmtree(shard)
        shutil.copytree(tmp_path / "whole", shard)
    DAMAGES["flipped"][0](shard)
    before = objects_in(tmp_path)
    ended = await merge_of(command, lake, "merged")
    assert (ended.code, ended.complaint.endswith(f"{advice}; nothing is merged")) == (1, True)
    assert not folders(tmp_path / "merged")
    assert objects_in(tmp_path) == before

    marker(tmp_path, 1).unlink()  # as advised
    await upload_shard(world, "1/2", tmp_path / "again", group)
    assert (await merge_of(command, lake, "merged")).code == 0
    assert len(records_in(tmp_path / "merged")) == 30


async def test_merge_refuses_mixed_shards_in_a_lake(command, world, lake, tmp_path):
    """What the terms keep from happening, unless somebody removes them."""
    group = held_group(world, lake)
    await upload_shard(world, "0/2", tmp_path / "a", group)
    next((tmp_path / "lake").rglob("terms.json")).unlink()
    await upload_shard(world, "1/2", tmp_path / "b", group, registry={"include": ["a*"]})
    ended = await merge_of(command, lake, "merged")
    assert ended.code == 1
    assert 'are not parts of one snapshot: include was [] and is ["a*"]' in ended.err
    assert not folders(tmp_path / "merged")
    assert objects_in(tmp_path).count("uploaded.json") == 2


async def test_merge_with_a_lake_that_cannot_be_read_takes_a_whole_group_from_the_disk(command, world, lake, tmp_path):
    group = held_group(world, f"file://{tmp_path}/other-lake")
    await crawl_shard(world, "0/2", tmp_path / "out", group)
    (tmp_path / "lake" / "_shards").mkdir(parents=True)
    (tmp_path / "lake" / "_shards" / f"group={GROUP}").write_text("no folder")
    ended = await merge_of(command, lake, "out")
    assert ended.code == 1
    assert "Not a directory" in ended.err
    assert not folders(tmp_path / "out"), "the lake may have the shard that is missing"

    await crawl_shard(world, "1/2", tmp_path / "out", group)
    ended = await merge_of(command, lake, "out")
    assert ended.code == 1, "it is said that the lake could not be read"
    assert read_snapshot(tmp_path / "out").manifest["verdict"] == "complete"


async def test_merge_of_a_group_that_no_shard_has_reported_to_says_so(command, world, lake, tmp_path):
    await crawl_shard(world, "0/2", tmp_path / "disk", held_group(world, lake))
    ended = await merge_of(command, lake, "merged")
    assert ended.code == 1
    assert f"group {GROUP} of {world.emulator.registry}: no shard has reported yet" in ended.complaint
    assert (await merge_of(command, lake, "merged", "other.example")).complaint.startswith("there are no shards of")
