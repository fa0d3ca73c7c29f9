"""`registry-crawler demo`: its snapshot, the commands that it prints, and what it leaves behind."""

import asyncio
import json
import re

import pytest
from support.inventories import comparable, expected
from support.run_cli import (
    assert_plain,
)
from support.shell import run_in_shell, suggested_commands
from support.snapshots import read_snapshot

from crawler.emulator import Inventory, Settings


async def test_demo_keeps_its_snapshot_in_a_folder_of_its_own(command):
    ended = await command("demo", "--repositories", 50)
    assert ended.code == 0
    assert_plain(ended.err)
    assert "\nCOMPLETE: " in ended.err
    assert not (command.folder / "snapshots").exists()
    snapshot = read_snapshot(command.folder / "registry-crawler-demo")
    assert command.folder / ended.snapshot == snapshot.folder
    assert comparable(snapshot.by_name) == expected(Inventory(Settings(repositories=50)))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert len(shown) == 2
    assert all(record == snapshot.by_name[record["repository"]] for record in shown)

    # registry and key are gone, and no command that needs them is printed
    host, port = re.search(r"is at (127\.0\.0\.1):(\d+)", ended.err).groups()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    look, serve = suggested_commands(ended.err)
    code, out = await run_in_shell(look, command.folder)
    assert (code, json.loads(out)) == (0, snapshot.by_name[json.loads(out)["repository"]])
    assert serve.startswith("registry-crawler emulator")
    assert "key.json" not in ended.err


async def test_demo_in_depth_prints_a_repository_with_its_images(command):
    ended = await command("demo", "--repositories", 200, "--depth", "configs", "--referrers", "listed")
    assert ended.code == 0
    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert {record["outcome"] for record in shown} == {"ok", "missing"}
    (listed,) = [record for record in shown if record["outcome"] == "ok"]
    assert any(image["config"] is not None for image in listed["images"])


async def test_demo_prints_records_that_a_program_can_read(command):
    ended = await command("demo", "--repositories", 10, "--output", "-", "--log-format", "json")
    assert ended.code == 0
    assert len([json.loads(line) for line in ended.out.splitlines()]) == 10
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert [event.get("event") for event in events] == ["log", "run_ended"]
    assert not (command.folder / "registry-crawler-demo").exists()


async def test_demo_that_is_killed_stops_its_registry(command):
    async with command.started("demo", "--repositories", 50, "--rate", "1/s", "--no-progress") as process:
        host, port = re.search(r"is at (\S+):(\d+)", (await process.stderr.readline()).decode()).groups()
        process.kill()
        await process.stderr.read()  # until the registry has closed its end as well
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))


async def test_demo_takes_the_options_of_crawl(command):
    streamed, mistaken, unknown = await asyncio.gather(
        command("demo", "--repositories", 30, "--output", "-", "--auth", "json-key", "--exclude", "*/a*"),
        command("demo", "--repositories", 5, "--rate", "fast"),
        command("demo", "--repositories", 5, "--bogus"),
    )
    assert streamed.code == 0
    named = {json.loads(line)["repository"] for line in streamed.out.splitlines()}
    assert named == {name for name in Inventory(Settings(repositories=30)).names if "/a" not in name}
    assert (mistaken.code, mistaken.out) == (2, "")
    assert mistaken.err.splitlines()[-1].startswith("registry-crawler: --rate: limits.rate: ")
    assert (unknown.code, unknown.out) == (2, "")
    assert "--bogus" in unknown.err
    assert "Traceback" not in unknown.err


async def test_demo_refuses_a_negative_number_of_repositories(command):
    ended = await command("demo", "--repositories", -5)
    assert (ended.code, ended.out) == (2, "")
    assert "greater than or equal to 0" in ended.err.splitlines()[-1]
