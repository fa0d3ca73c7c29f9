"""How shards agree and report through a lake: terms, twins, kills between two objects, and what is removed when."""

import asyncio
import json
import signal

import pytest
from support.lake_front import lake_front
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

from crawler.discovery.ownership import Cut
from crawler.errors import SnapshotError
from crawler.run.shares import Shares

pytestmark = pytest.mark.usefixtures("few_authorities")


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_shard_that_the_lake_has_is_not_crawled_again(command, world, lake, tmp_path):
    """A pod that is started again has an empty disk."""
    await upload_shard(world, "0/2", tmp_path / "first", held_group(world, lake))
    before = files_in(tmp_path / "lake")
    (path,) = (tmp_path / "lake").rglob("_run.json")
    run_id = json.loads(path.read_bytes())["run_id"]
    again = await command(*shard_command(world, "0/2", "empty", lake, "--resume"))
    assert again.code == 0
    assert f"shard 0/2 of group {GROUP} is there already, as run {run_id}, and counts" in again.err
    assert f"  lake         {lake}: shard 0/2 was uploaded already" in again.err
    assert files_in(tmp_path / "lake") == before
    assert read_run_id(tmp_path / "empty") == run_id


def read_run_id(output):
    (path,) = output.glob(f".shards/{GROUP}/*/shard=*/_run.json")
    return json.loads(path.read_bytes())["run_id"]


@pytest.mark.parametrize("kind", ["file", "s3"])
async def test_of_two_uploads_of_one_index_one_counts(world, moto, lake, tmp_path, kind):
    cloud = moto.s3()
    group = held_group(world, lake if kind == "file" else cloud.url)
    disks = [tmp_path / f"disk-{number}" for number in range(4)]
    runs = [await crawl_shard(world, "0/2", disk, group) for disk in disks]
    pairs = zip(runs, disks, strict=True)
    uploads = await asyncio.gather(*(asyncio.to_thread(upload, run, disk, group) for run, disk in pairs))
    assert [each.is_new for each in uploads].count(True) == 1
    (counted,) = {each.run_id for each in uploads}
    assert [each.is_own for each in uploads] == [run.run_id == counted for run in runs]
    copy = tmp_path / "lake" if kind == "file" else cloud.download(tmp_path / "copy")
    assert [path.name for path in (copy / "_shards").glob("*/*/shard=*/run=*")] == [f"run={counted}"]
    (held,) = group.shards()
    group.fetch(held, tmp_path / "fetched")
    assert files_in(tmp_path / "fetched") == ["_SUCCESS", "_run.json", "_shard.json", "part-00000.jsonl"]


async def test_shard_with_other_options_than_in_the_lake_is_refused_before_it_crawls(command, world, lake, tmp_path):
    await upload_shard(world, "0/2", tmp_path / "first", held_group(world, lake))
    ended = await command(*shard_command(world, "1/2", "second", lake, "--exclude", "a*"))
    assert ended.code == 1
    assert 'was begun with other options: exclude was [] and is ["a*"]: give all shards the same' in ended.complaint
    assert not list((tmp_path / "second").rglob("part-*"))


async def test_shard_of_another_night_is_refused_by_the_terms_in_the_lake(world, lake, tmp_path):
    group = held_group(world, lake)
    await crawl_shard(world, "0/2", tmp_path / "first", group)
    (terms,) = (tmp_path / "lake").rglob("terms.json")
    text = terms.read_text()
    terms.write_text(text.replace(text.partition('"started_at": "')[2][:10], "2026-01-01"))
    with pytest.raises(SnapshotError, match=r"resume\.within is 20 h: use another --group for each night"):
        await crawl_shard(world, "1/2", tmp_path / "second", group)


async def test_shard_of_a_group_that_is_merged_elsewhere_is_refused(command, world, lake, tmp_path):
    group = held_group(world, lake)
    late = await crawl_shard(world, "0/2", tmp_path / "late", group)
    await upload_shards(world, 2, tmp_path, group)
    assert (await merge_of(command, lake, "merged")).code == 0
    with pytest.raises(
        SnapshotError, match=f"group {GROUP} is merged already, as run .*, without this run of shard 0/2"
    ):
        upload(late, tmp_path / "late", group)
    with pytest.raises(SnapshotError, match=f"group {GROUP} is merged already, as run .*: use another --group"):
        await crawl_shard(world, "0/2", tmp_path / "later", group)
    assert [path.name for path in (tmp_path / "lake" / "_shards").rglob("*.json*")] == ["merged.json"]
    ended = await merge_of(command, lake, "late")
    assert ended.code == 1
    assert f"remove late/.shards/{GROUP}/source=" in ended.complaint
    assert not folders(tmp_path / "late")


async def test_shards_share_out_by_a_snapshot_that_only_one_of_them_has(command, google, lake, tmp_path):
    world = await google(repositories=40, listings="plain", giants=0)
    deep = {"images": {"depth": "digests"}}
    await crawl_whole(world, tmp_path / "disk-0", **deep)  # tags that vanish while they are read are gone after it
    await crawl_whole(world, tmp_path / "disk-0", **deep)
    whole = records_in(tmp_path / "disk-0")
    group = held_group(world, lake)
    disks = [tmp_path / f"disk-{index}" for index in range(3)]
    shards = [await crawl_shard(world, f"{index}/3", disk, group, **deep) for index, disk in enumerate(disks)]
    tags, heaviest = [each.counts.tags for each in shards], max(len(record["tags"]) for record in whole.values())
    assert max(tags) <= max(1.2 * sum(tags) / 3, heaviest)
    for run, disk in zip(shards, disks, strict=True):
        upload(run, disk, group)
    ended = await merge_of(command, lake, "merged")
    assert ended.code == 0, ended.err
    assert records_in(tmp_path / "merged") == whole


def test_shares_are_read_as_they_were_written():
    shares = Shares(Cut(2, frozenset({"a/b", "ünï"})), {0: 1, 2**64 - 1: 0, 12: 2})
    assert Shares.parse(shares.dump(), 3) == shares
    for content in (shares.dump()[:-3], b"[]", b'{"cut": {}, "owners": {}}', b'{"cut": {"depth": 0}, "owners": []}'):
        with pytest.raises(ValueError, match=r"shares|JSON|unexpected"):
            Shares.parse(content, 3)
    with pytest.raises(ValueError, match="not the shares of 2 shards"):  # whose names nobody would record
        Shares.parse(shares.dump(), 2)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=str)
async def test_upload_that_is_cut_short_is_no_shard_until_it_is_completed(command, world, moto, tmp_path, end):
    cloud = moto.s3()
    await upload_shard(world, "1/2", tmp_path / "other", held_group(world, cloud.url))
    with moto.holding(3) as held:  # after two of the shard's files
        arguments = shard_command(world, "0/2", "disk", cloud.url)
        async with command.started(*arguments, environment=cloud.environment) as process:
            assert await asyncio.to_thread(held.wait, 60)
            process.send_signal(end)
            _, err = await process.communicate()
    assert process.returncode == (143 if end == signal.SIGTERM else -signal.SIGKILL)
    if end == signal.SIGTERM:
        assert "uploading was interrupted; the shard is kept on this disk: run the same command again" in err.decode()
    assert len([name for name in cloud.objects() if "/shard=00000-of-00002/" in name]) == 2
    partial = await merge_of(command, cloud.url, "merged", environment=cloud.environment)
    assert (partial.code, "shard 0/2 did not report" in partial.err) == (3, True)

    again = await command(*arguments, environment=cloud.environment)
    assert again.code == 0
    assert "is there already, as run" in again.err
    assert f"{cloud.url}: uploaded shard 0/2: 4 files" in again.err
    assert (await merge_of(command, cloud.url, "merged", environment=cloud.environment)).code == 0
    assert len(records_in(tmp_path / "merged")) == 30


async def test_upload_that_is_refused_is_exit_code_1_and_costs_no_shard(command, world, moto, tmp_path):
    cloud = moto.s3()
    async with lake_front(moto.endpoint) as front:
        front.refuse_from = 3  # terms and one file are there
        environment = {**cloud.environment, "AWS_ENDPOINT_URL": f"http://{front.host}"}
        ended = await command(*shard_command(world, "0/2", "disk", cloud.url), environment=environment)
    assert ended.code == 1
    assert f"  lake         {cloud.url}: not uploaded" in ended.err
    assert "AccessDenied: no; the shard is kept on this disk: run the same command again to upload it" in ended.err
    assert shard_folders(tmp_path / "disk") == ["shard=00000-of-00002"]
    again = await command(*shard_command(world, "0/2", "disk", cloud.url), environment=cloud.environment)
    assert (again.code, "uploaded shard 0/2: 4 files" in again.err) == (0, True)


@pytest.mark.parametrize("change", [10, 12], ids=["merged.json", "files"])
async def test_merge_that_is_killed_while_it_removes_shards_is_finished_by_the_next(
    command, world, moto, tmp_path, change
):
    """Eight tables and the run's marker are put before."""
    cloud = moto.s3()
    await upload_shards(world, 2, tmp_path, held_group(world, cloud.url))
    async with lake_front(moto.endpoint) as front:
        front.hold = change
        environment = {**cloud.environment, "AWS_ENDPOINT_URL": f"http://{front.host}"}
        arguments = ("merge", "--group", GROUP, "--output", "vanishes", "--lake", cloud.url)
        async with command.started(*arguments, environment=environment) as process:
            await front.is_held.wait()
            process.kill()
            await process.communicate()
    left = [name for name in cloud.objects() if name.startswith("_shards/")]
    assert len(left) > 1
    again = await merge_of(command, cloud.url, "another-disk", environment=cloud.environment)
    assert again.code == 0, again.err
    run_id = read_snapshot(tmp_path / "vanishes").manifest["run_id"]
    assert run_id in again.err
    left = [name for name in cloud.objects() if name.startswith("_shards/")]
    assert [name.rpartition("/")[2] for name in left] == ["merged.json"]
    assert [name for name in cloud.objects() if name.startswith("_runs/")] == [f"_runs/{run_id}.json"]


async def test_shard_on_a_disk_of_its_own_is_removed_after_the_next_upload(command, world, lake, tmp_path):
    await upload_shards(world, 2, tmp_path, held_group(world, lake))
    disk = tmp_path / "disk-0"
    next_night = [*shard_command(world, "0/2", disk, lake)]
    next_night[next_night.index(GROUP)] = "next-night"
    assert (await command(*next_night)).code == 0
    assert shard_folders(disk) == ["shard=00000-of-00002"], "it is not merged yet"
    assert (await merge_of(command, lake, "merged")).code == 0
    assert (await command(*next_night)).code == 0
    assert shard_folders(disk) == []
    assert shard_folders(disk, "next-night") == ["shard=00000-of-00002"]
    assert [path.name for path in (disk / ".shards").iterdir()] == ["next-night"]


async def test_merge_of_a_group_that_was_merged_another_night_is_no_success(command, world, lake, tmp_path):
    await upload_shards(world, 2, tmp_path, held_group(world, lake))
    assert (await merge_of(command, lake, "merged")).code == 0
    (snapshot,) = folders(tmp_path / "merged")
    run_manifest = json.loads((snapshot / "_run.json").read_bytes())
    ended_at = run_manifest["finished_at"]
    run_manifest["finished_at"] = "2026-01-02T03:04:05.000Z"
    (snapshot / "_run.json").write_text(json.dumps(run_manifest))
    for options in (("--lake", lake), ()):
        ended = await command("merge", "--group", GROUP, "--output", "merged", *options)
        assert ended.code == 1
        assert f"there are no shards of group {GROUP}" in ended.err
        assert "at 2026-01-02T03:04:05.000Z: use another --group for each night" in ended.err
    (marker,) = (tmp_path / "lake").rglob("merged.json")
    marker.write_text(json.dumps({"run_id": run_manifest["run_id"], "merged_at": "2026-01-02T03:04:05.000Z"}))
    ended = await merge_of(command, lake, "elsewhere")
    assert ended.code == 1
    assert "there are no shards of it: use another --group for each night" in ended.complaint
    assert ended_at > "2026-01-02"
