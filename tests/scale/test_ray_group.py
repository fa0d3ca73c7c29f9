"""A group's run on a cluster that is this process: what becomes of shards that fail, stop, or cannot see the folder."""

import asyncio
import json
import logging
import shutil
from functools import partial

import pytest
from support.shard_crawls import crawl_whole, records_in, shard_config
from support.snapshots import folders, read_snapshot

from crawler.config import Config
from crawler.errors import EngineError, Interrupted
from crawler.scale.ray.coordinator import Coordinator
from crawler.scale.ray.group_run import GroupRun, new_group, unfinished_group
from crawler.scale.ray.shard_task import EndedShard, crawl_shard
from crawler.scale.ray.timetable import Timetable
from crawler.snapshot.locks import FileLocks

pytestmark = pytest.mark.usefixtures("few_authorities")

GROUP = "ray-20261127T020000Z-abcd"


class OwnProcess:
    """A cluster whose workers are tasks of this process. `fails` says why a shard fails before it begins."""

    place = "here"

    def __init__(self, fails=lambda task: ""):
        self._coordinator = Coordinator(Timetable)
        self.lease, self.report = self._coordinator.lease, self._coordinator.report
        self.status, self.stop = self._coordinator.status, self._coordinator.stop
        self._fails = fails
        self.tasks = []

    async def crawl(self, task):
        self.tasks.append(task)
        if error := self._fails(task):
            return EndedShard(shard=task.shard, error=error)
        return await crawl_shard(task, self)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def group_run(lines, tmp_path):
    """Makes the run of a group of three shards over an emulated registry."""

    def make(world, cluster, *, group=GROUP, output=None, **tables):
        config = shard_config(world, None, output or tmp_path / "out", **tables)
        scale = {"engine": "ray", "workers": 3}
        config = Config.model_validate({**dict(config), "scale": scale})
        notice = lambda line, level=logging.WARNING: lines.append(line)  # noqa: E731
        return GroupRun(config, config.registry[0], group, cluster, notice)

    return make


async def test_ray_group_makes_the_snapshot_of_one_run(google, group_run, tmp_path):
    world = await google(repositories=40, listings="plain", giants=0)
    await crawl_whole(world, tmp_path / "whole")
    run = group_run(world, OwnProcess(), limits={"rate": "1000/s"})
    manifest = await run.run()
    assert records_in(tmp_path / "out") == records_in(tmp_path / "whole")
    assert (manifest.group, run.counts.repositories, run.progress.done) == (GROUP, 40, 40)
    assert "1000/1s" not in manifest.pace.configured
    assert "leased to the shards in turn" in manifest.pace.configured
    assert not (tmp_path / "out" / ".shards").exists()


async def test_ray_group_sends_each_worker_one_shard_and_no_secret_of_the_merge(google, group_run):
    world = await google(repositories=10, listings="plain", giants=0)
    cluster = OwnProcess()
    whole = {"notify": {"url": "https://hooks.example.com/secret"}, "lake": {"url": "s3://bucket/lake"}}
    await group_run(world, cluster, **whole).run()
    assert [str(task.shard) for task in cluster.tasks] == ["0/3", "1/3", "2/3"]
    assert {task.config.notify.url for task in cluster.tasks} == {None}
    assert {task.config.lake.url for task in cluster.tasks} == {None}
    assert "my-project" not in repr(cluster.tasks[0])


async def test_ray_group_without_one_shard_is_partial_and_names_it(google, group_run, lines, tmp_path):
    world = await google(repositories=40, listings="plain", giants=0)
    failing = OwnProcess(lambda task: "its worker died" if task.shard.index == 1 else "")
    manifest = await group_run(world, failing).run()
    assert "shard 1/3 did not report" in " ".join(manifest.reasons)
    assert f"shard 1/3, group {GROUP}: its worker died" in lines[-1]
    again = await group_run(world, OwnProcess()).run()
    assert again.reasons == ()
    assert again.counts.repositories == 40


async def test_ray_group_of_which_every_shard_fails_says_why_once(google, group_run, tmp_path):
    world = await google(repositories=10, listings="plain", giants=0)
    with pytest.raises(EngineError, match=r"^shards 0-2 of 3: the key is not there$"):
        await group_run(world, OwnProcess(lambda task: "the key is not there")).run()
    assert not (tmp_path / "out" / ".shards").exists()


async def test_ray_group_says_that_a_worker_has_another_folder(google, group_run, tmp_path):
    world = await google(repositories=10, listings="plain", giants=0)

    def lose_folder(task):
        (task.config.output.path / ".shards" / GROUP).rename(tmp_path / "elsewhere")

    with pytest.raises(EngineError, match=r"out on \S+ is not the output folder of the command: let all machines"):
        await group_run(world, OwnProcess(lambda task: task.shard.index == 0 and lose_folder(task))).run()


async def test_ray_group_that_is_stopped_goes_on_with_its_shards(google, group_run, tmp_path):
    world = await google(repositories=200, listings="plain", giants=0)
    run = group_run(world, OwnProcess(), limits={"rate": "60/s"})
    running = asyncio.create_task(run.run())
    while run.progress.done < 5:  # noqa: ASYNC110  (progress is looked at, as a display does)
        await asyncio.sleep(0.05)
    run.stop()
    with pytest.raises(Interrupted, match=f"those of group {GROUP}"):
        await running
    assert run.recorded >= 5
    resumed = group_run(world, OwnProcess())
    assert (await resumed.resume()).counts.repositories == 200
    assert read_snapshot(tmp_path / "out").manifest["resumed_at"]


async def test_ray_group_that_was_merged_is_not_crawled_again_on_resume(google, group_run, lines):
    world = await google(repositories=10, listings="plain", giants=0)
    first = await group_run(world, OwnProcess()).run()
    cluster = OwnProcess()
    again = await group_run(world, cluster).resume()
    assert (again.run_id, cluster.tasks) == (first.run_id, [])
    assert f"group {GROUP} is merged already" in lines[-1]
    with pytest.raises(EngineError, match="use another --group for each night"):
        await group_run(world, OwnProcess()).run()


async def test_ray_group_of_an_earlier_command_is_found_by_its_target_and_its_age(google, tmp_path):
    world = await google(repositories=10)
    config = shard_config(world, None, tmp_path)
    (registry,) = config.registry
    find = partial(unfinished_group, config, registry)
    assert find() is None
    source = f"source={str(registry.target).replace(':', '%3A')}"
    for group in ("ray-20201127T020000Z-abcd", "ray-x", "mine"):
        (tmp_path / ".shards" / group / source).mkdir(parents=True)
    assert find() is None
    young = new_group()
    (tmp_path / ".shards" / young / "source=elsewhere").mkdir(parents=True)
    assert find() is None
    (tmp_path / ".shards" / young / source).mkdir(parents=True)
    assert find() == young


async def test_ray_groups_that_no_command_goes_on_with_are_removed_except_the_newest(google, group_run, tmp_path):
    """A registry with one denied repository is partial every night, and its group stays each time."""
    world = await google(repositories=10, listings="plain", giants=0)
    source = f"source={world.emulator.registry.replace(':', '%3A')}"
    others = ["ray-20201127T020000Z-abcd/source=elsewhere", f"2020-11-27/{source}"]
    old = [f"ray-202011{day}T020000Z-abcd/{source}" for day in (24, 25, 26)]
    in_use = f"ray-20201123T020000Z-abcd/{source}"
    young = f"{new_group()}/{source}"
    shards = tmp_path / "out" / ".shards"
    for folder in (*others, *old, in_use, young):
        (shards / folder / "shard=00000-of-00003").mkdir(parents=True)
    locks = FileLocks()
    held = locks.take(shards / in_use)
    await group_run(world, OwnProcess(), group="tonight").run()
    held.release()
    left = sorted(str(folder.relative_to(shards)) for folder in shards.glob("*/*"))
    assert left == sorted([*others, old[-1], in_use, young])
    assert {folder.name for folder in shards.iterdir()} == {name.partition("/")[0] for name in left}


async def test_ray_group_puts_what_its_shards_have_read_into_the_cache_of_a_lake(google, group_run, lines, tmp_path):
    """The command puts the file into the lake after the run, whose shards had files of their own."""
    world = await google(repositories=10, listings="plain", giants=0)
    deep = {"images": {"depth": "configs"}, "cache": {"path": f"file://{tmp_path}/lake/digests.sqlite"}}
    first = await group_run(world, OwnProcess(), **deep).run()
    (file,) = (tmp_path / "out" / ".cache").glob("lake-????????????????.sqlite")
    assert file.exists()
    assert not [line for line in lines if "not found" in line]
    again = await group_run(world, OwnProcess(), group="ray-20261128T020000Z-abcd", **deep).run()
    assert again.cache.misses < first.cache.misses / 2


async def test_ray_group_that_is_partial_with_all_its_shards_is_not_gone_on_with(google, group_run, tmp_path):
    """Nothing would be crawled: the next command would report the old snapshot, for as long as `resume.within`."""
    world = await google(repositories=20, listings="plain", giants=0, denied=0.5)
    config = shard_config(world, None, tmp_path / "out")
    find = partial(unfinished_group, config, config.registry[0])
    group = new_group()
    failing = OwnProcess(lambda task: "its worker died" if task.shard.index == 1 else "")
    assert (await group_run(world, failing, group=group).run()).counts.denied
    assert find() == group, "a shard is to be crawled"
    assert (await group_run(world, OwnProcess(), group=group).run()).counts.denied
    assert find() is None
    (snapshot,) = [folder for folder in folders(tmp_path / "out") if "shard" not in str(read_reasons(folder))]
    shutil.rmtree(snapshot)
    assert find() == group, "it was not merged"


def read_reasons(folder):
    return json.loads((folder / "_run.json").read_bytes())["reasons"]
