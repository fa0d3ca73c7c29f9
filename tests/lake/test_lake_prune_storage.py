"""Removing runs from object storage: each provider, and a prune that is killed, refused, or not alone."""

import asyncio
import signal

import obstore
import polars as pl
import pytest
from support.filled_lakes import LAST_ONLY, data_of, publish_all
from support.lake_front import lake_front
from support.lake_servers import requires_azurite
from support.lake_views import latest
from support.stored_snapshots import golden_records

from crawler.lake.opening import open_store
from crawler.tables.definitions import tables

TABLES = len(tables())


@pytest.fixture
def fill(publish, tmp_path, monkeypatch):
    """Publishes a run without repositories and a newer one to a lake; returns their ids."""

    def fill(lake, form="parquet"):
        for name, value in lake.environment.items():
            monkeypatch.setenv(name, value)
        folders = [publish("2026-11-19", records=[]), publish("2026-11-20")]
        return publish_all(lake.url, form, folders, tmp_path / "scratch")

    return fill


def prune(lake, *more):
    return ("runs", "prune", *LAST_ONLY, "--output", "none", "--lake", lake.url, *more)


def assert_only_newest(lake, runs):
    """Everything of the newest run is there, and nothing of the other one but entries of Delta logs."""
    objects = lake.objects()
    data = [name for name in objects if "_delta_log/" not in name]
    assert sorted(data) == sorted(data_of(objects, runs[-1]))
    assert len(data) == TABLES + 1


def visible(folder, form):
    """The runs in `runs`, and those with rows or files in the other tables, as readers see them."""
    if form == "delta":
        read = {name: set(pl.read_delta(str(folder / name))["run"]) for name in ("runs", "repositories")}
        return read["runs"], read["repositories"]
    runs = {path.parent.name.removeprefix("run=") for path in folder.glob("runs/date=*/run=*/part-*")}
    return runs, {path.parent.name.removeprefix("run=") for path in folder.glob("repositories/date=*/run=*/part-*")}


async def test_lake_prune_in_the_cloud_removes_old_runs(command, fill, cloud):
    runs = fill(cloud)
    ended = await command(*prune(cloud), environment=cloud.environment)
    assert ended.code == 0, ended.err
    assert "1 snapshot kept (2026-11-20); 1 dropped" in ended.err
    assert_only_newest(cloud, runs)
    again = await command(*prune(cloud), environment=cloud.environment)
    assert (again.code, "1 snapshot kept (2026-11-20); 0 dropped, 0 bytes freed" in again.err) == (0, True)


async def test_store_deletes_what_is_there_and_says_nothing_of_what_is_not(cloud, monkeypatch):
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    names = ["a/1", "a/2", "a/3", "ab/4"]
    for name in names:
        obstore.put(cloud.store, name, name.encode())
    store = open_store(cloud.url, cloud.environment)
    assert store.sizes("a") == {"a/1": 3, "a/2": 3, "a/3": 3}
    assert store.read_all(["a/1", "a/none", "ab/4"]) == {"a/1": b"a/1", "ab/4": b"ab/4"}
    store.delete(["a/1", "a/none", "a/3"])
    store.delete(["a/none"])
    store.delete([])
    assert sorted(cloud.objects()) == ["a/2", "ab/4"]


# Parquet: the file of `runs`, those of the other tables, the marker; Delta: before the file, the entry in the log
@pytest.mark.parametrize("end", [("parquet", 1), ("parquet", 2), ("parquet", 3), ("delta", 2)], ids=str)
async def test_killed_prune_leaves_no_half_run_to_see_and_is_completed(command, fill, moto, tmp_path, end):
    (form, change), lake = end, moto.s3()
    runs = fill(lake, form)
    async with lake_front(moto.endpoint) as front:
        environment = {**lake.environment, "AWS_ENDPOINT_URL": f"http://{front.host}"}
        front.hold = change
        async with command.started(*prune(lake), environment=environment) as process:
            await asyncio.wait_for(front.is_held.wait(), 60)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
    folder = lake.download(tmp_path / "half")
    in_runs, in_repositories = visible(folder, form)
    assert in_runs == ({*runs} if change == 1 else {runs[-1]})
    assert runs[-1] in in_repositories
    assert sum(name.startswith("_runs/") for name in lake.objects()) == 2, "the markers go last"
    if form == "parquet":
        assert len(latest(folder, "repository", "repositories")) == len(golden_records())
    ended = await command(*prune(lake), environment=lake.environment)
    assert ended.code == 0, ended.err
    assert_only_newest(lake, runs)


async def test_terminated_prune_ends_while_it_waits_for_the_lake(command, fill, moto):
    lake = moto.s3()
    fill(lake)
    async with lake_front(moto.endpoint) as front:
        front.hold = 1
        environment = {**lake.environment, "AWS_ENDPOINT_URL": f"http://{front.host}"}
        async with command.started(*prune(lake), environment=environment) as process:
            await asyncio.wait_for(front.is_held.wait(), 60)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
        assert process.returncode == 143


async def test_refused_removal_is_said_and_can_be_completed(command, fill, moto):
    lake = moto.s3()
    runs = fill(lake)
    async with lake_front(moto.endpoint) as front:
        front.refuse_from = 2
        environment = {**lake.environment, "AWS_ENDPOINT_URL": f"http://{front.host}"}
        failed = await command(*prune(lake), environment=environment)
    assert failed.code == 1
    complaint = failed.err.splitlines()[-1]
    assert f"{lake.url}: cannot delete {TABLES - 1} objects: " in complaint
    first = f"s3/images/date=2026-11-19/run={runs[0]}/part-00000.parquet"
    assert f" for path {first}, …: Error performing POST " in complaint
    assert "AccessDenied: no; of registry.example.com these runs may be removed in part" in complaint
    assert f"and no other run is: {runs[0]}; `registry-crawler runs prune --lake {lake.url}`" in complaint
    ended = await command(*prune(lake), environment=lake.environment)
    assert ended.code == 0
    assert_only_newest(lake, runs)


# Azure refuses to delete what is not there, and a Delta log what another entry has removed
@pytest.mark.parametrize("cloud", ["s3", pytest.param("az", marks=requires_azurite)], indirect=True)
async def test_two_prunes_at_once_remove_the_same_run(command, fill, cloud):
    runs = fill(cloud, "delta")
    both = await asyncio.gather(*(command(*prune(cloud), environment=cloud.environment) for _ in range(2)))
    assert [ended.code for ended in both] == [0, 0], [ended.err for ended in both]
    assert_only_newest(cloud, runs)
