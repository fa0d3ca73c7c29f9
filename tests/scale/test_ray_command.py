"""`crawl --engine ray` with two workers: the snapshot of one run, whatever is killed; one summary; nothing left."""

import json
import re
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.killed_runs import journals, until_recorded
from support.ray_processes import COORDINATOR, RAYLET, SHARD, killed, until_there
from support.run_cli import google_crawl
from support.shard_crawls import crawl_whole, records_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("few_authorities")]
"""Ray takes ten seconds to start where the machine is busy."""

RATE = 60
"""Exchanges a second. What a test kills is in the middle of its work for as long as the quota holds it back."""


def on_ray(world, *more):
    return google_crawl(world, "--engine", "ray", "--workers", "2", *more)


async def ended(process):
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def short_folder():
    """The sockets of Ray need a short path."""
    with TemporaryDirectory(prefix="rc") as folder:
        yield Path(folder)


async def test_ray_makes_the_snapshot_of_one_run(google, command, tmp_path, short_folder):
    world = await google(repositories=200, listings="plain", giants=0, denied=0.04, vanished=0.04)
    whole = await crawl_whole(world, tmp_path / "whole")
    home = {"HOME": "/nonexistent", "TMPDIR": str(short_folder)}
    ran = await command(*on_ray(world, "--show", "2", "--metrics", "registry.prom"), environment=home)
    assert ran.code == 3, ran.err
    assert records_in(world.output) == records_in(tmp_path / "whole")
    assert len(ran.out.splitlines()) == 2
    assert all(json.loads(line)["repository"] for line in ran.out.splitlines()), "standard output has records alone"
    assert len(re.findall("^PARTIAL: ", ran.err, re.MULTILINE)) == 1
    assert f"  because      {whole.reasons[0]}" in ran.err
    assert (command.folder / "registry.prom").exists()
    assert not (world.output / ".shards").exists() or not list(world.output.glob(".shards/*/*/.draft"))
    assert not list(short_folder.iterdir()), "Ray's folder is removed"


async def test_ray_loses_nothing_when_a_worker_and_the_coordinator_are_killed(google, command, tmp_path):
    world = await google(repositories=250, listings="plain", giants=0, latency_s=0.01)
    await crawl_whole(world, tmp_path / "whole")
    before = dict(world.emulator.counts)
    async with command.started(*on_ray(world, "--rate", f"{RATE}/s")) as process:
        await until_there(process.pid, SHARD, 2)
        await until_recorded(world, 20)
        await killed(process.pid, SHARD)
        await killed(process.pid, COORDINATOR)
        code, out, err = await ended(process)
    assert (code, out) == (0, ""), err
    assert records_in(world.output) == records_in(tmp_path / "whole")
    assert re.search(r"resuming run \S+, begun .* ago at .*, with \d+ records", err)
    assert "COMPLETE: " in err
    assert world.emulator.counts["throttled"] == before["throttled"]


async def test_ray_that_is_interrupted_goes_on_with_the_same_group(google, command, tmp_path):
    world = await google(repositories=250, listings="plain", giants=0, latency_s=0.01)
    await crawl_whole(world, tmp_path / "whole")
    async with command.started(*on_ray(world, "--rate", f"{RATE}/s")) as process:
        await until_there(process.pid, SHARD, 2)
        await until_recorded(world, 20)
        process.send_signal(signal.SIGTERM)
        code, _, err = await ended(process)
    assert code == 143, err
    assert "rerun with --resume to continue" in err
    (group,) = re.findall(r"2 shards on Ray, group (\S+)", err)
    assert journals(world)
    again = await command(*on_ray(world, "--resume"))
    assert again.code == 0, again.err
    assert f"2 shards on Ray, group {group}" in again.err
    assert "resuming run" in again.err
    assert records_in(world.output) == records_in(tmp_path / "whole")
    assert not any((world.output / ".unfinished").iterdir())


async def test_ray_that_is_interrupted_while_it_starts_leaves_nothing(google, command, short_folder):
    world = await google(repositories=10, listings="plain")
    async with command.started(*on_ray(world), environment={"TMPDIR": str(short_folder)}) as process:
        await until_there(process.pid, "", 2)
        process.send_signal(signal.SIGTERM)
        code, _, err = await ended(process)
    assert (code, err) == (143, "")
    assert not list(short_folder.iterdir())
    assert not world.output.exists()


async def test_ray_that_is_lost_is_named_and_gone_on_with(google, command):
    """The process of Ray that has all others: without it no worker and no coordinator begins again."""
    world = await google(repositories=250, listings="plain", giants=0, latency_s=0.01)
    async with command.started(*on_ray(world, "--rate", "15/s")) as process:
        await until_there(process.pid, SHARD, 2)
        await until_recorded(world, 20)
        await killed(process.pid, RAYLET)
        code, out, err = await ended(process)
    assert (code, out) == (1, "")
    assert "the Ray cluster was lost: ActorDiedError: " in err
    assert "rerun with --resume to continue" in err
    assert "internal error" not in err
    again = await command(*on_ray(world, "--resume"))
    assert again.code == 0, again.err
    assert len(records_in(world.output)) == 250
