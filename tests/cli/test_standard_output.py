"""Records on standard output: `--output -` and `--show`, to readers that exit and to disks that are full."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from support.inventories import comparable, expected
from support.run_cli import (
    google_crawl,
)
from support.snapshots import read_snapshot


async def test_output_to_a_pipe_streams_every_record(command, google):
    registry = await google(repositories=100)
    ended = await command("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    assert ended.code == 0
    records = {record["repository"]: record for record in map(json.loads, ended.out.splitlines())}
    assert len(records) == len(ended.out.splitlines())
    assert comparable(records) == expected(registry.emulator.inventory)
    assert ended.err.startswith("COMPLETE: ")
    assert "  snapshot " not in ended.err
    assert not (command.folder / "-").exists()
    assert not (command.folder / "snapshots").exists()


async def test_output_to_a_pipe_of_a_partial_run_is_exit_code_3(command, google):
    registry = await google(repositories=50, denied=0.1)
    ended = await command("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    assert ended.code == 3
    assert len(ended.out.splitlines()) == 50
    assert ended.err.startswith("PARTIAL: ")


@pytest.mark.parametrize("lines", [0, 1])
async def test_output_pipe_that_is_closed_early_is_no_failure(command, google, lines):
    registry = await google(repositories=3000)
    inlet, outlet = os.pipe()
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    async with command.started(*crawl, stdout=outlet) as process:
        os.close(outlet)
        if lines:
            assert (await asyncio.to_thread(os.read, inlet, 10)).startswith(b'{"schema":')
        os.close(inlet)
        _, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")


async def test_output_of_the_summary_to_a_closed_pipe_changes_nothing(command, google):
    """Exit code 1 would say that nothing was published."""
    registry = await google(repositories=10)
    inlet, outlet = os.pipe()
    os.close(inlet)
    async with command.started(*google_crawl(registry), stderr=outlet) as process:
        os.close(outlet)
        out, _ = await process.communicate()
        assert read_snapshot(registry.output).has_success
        assert (process.returncode, out) == (0, b"")


async def test_show_to_a_closed_pipe_changes_nothing(command, google):
    registry = await google(repositories=10)
    inlet, outlet = os.pipe()
    os.close(inlet)
    async with command.started(*google_crawl(registry, "--show", 3), stdout=outlet) as process:
        os.close(outlet)
        _, err = await process.communicate()
        assert process.returncode == 0
        assert err.startswith(b"COMPLETE: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
async def test_output_to_a_full_disk_is_one_line(command, google):
    registry = await google(repositories=3000)
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = await command(*crawl, stdout=full)
    finally:
        os.close(full)
    assert ended.code == 1
    assert "standard output cannot be written: No space left on device" in ended.complaint


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
async def test_show_prints_records_of_any_compression(command, google, compression):
    registry = await google(repositories=40, denied=0.1)
    settings = {"REGISTRY_CRAWLER_OUTPUT__COMPRESSION": compression}
    ended = await command(*google_crawl(registry, "--show", 4), environment=settings)
    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert len(shown) == 4
    by_name = read_snapshot(registry.output).by_name
    assert all(record == by_name[record["repository"]] for record in shown)
    assert {"ok", "denied"} <= {record["outcome"] for record in shown}, "one of each outcome comes first"
