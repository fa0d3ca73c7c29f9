"""Files, compression, standard output and a full disk."""

import asyncio
import fcntl
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import pytest
from support.distribution import (
    Htpasswd,
    requires_docker_registry,
)
from support.real_crawls import (
    PREFIX,
    RECORD_FIELDS,
    check_snapshot,
    end_process,
)
from support.snapshots import folders, read_snapshot

import crawler

pytestmark = requires_docker_registry


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
async def test_compression_keeps_the_records(shelf, shell, compression):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(registry, output={"compression": compression}))

    check_snapshot(read_snapshot(shell.output), shelf.pushed.tags, registry=registry, compression=compression)


async def test_configuration_file_is_obeyed(shelf, shell):
    async with shelf.serving(auth=Htpasswd()) as registry:
        (shell.folder / "password.txt").write_text("correct-horse\n")
        (shell.folder / "crawl.toml").write_text(
            f"""
            [output]
            path = "lake"
            compression = "zstd"
            [limits]
            concurrency = 3
            [[registry]]
            target = "{registry.host}/{PREFIX}"
            page_size = 40
            [registry.auth]
            method = "basic"
            username = "reader"
            password_file = "password.txt"
            """
        )
        ended = await shell.crawl("--config", "crawl.toml")

    assert (ended.code, ended.stdout) == (0, "")
    wanted = shelf.under(PREFIX)
    snapshot = read_snapshot(shell.folder / "lake")
    check_snapshot(snapshot, wanted, registry=registry, target=f"{registry.host}/{PREFIX}", compression="zstd")
    assert snapshot.manifest["config"]["limits"]["concurrency"] == 3


async def test_stdout_gets_every_record(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, "--output", "-")

    records = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.code == 0
    assert len(records) == 300
    assert {record["repository"]: set(record["tags"]) for record in records} == {
        name: set(tags) for name, tags in shelf.pushed.tags.items()
    }
    assert all(list(record) == RECORD_FIELDS and record["outcome"] == "ok" for record in records)
    assert ended.stderr.startswith(f"COMPLETE: {registry.host}, ")
    assert "snapshot" not in ended.stderr
    assert not shell.output.exists()


@contextmanager
def small_pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """A pipe of 4 KiB, less than the records take: its end to read from, and its end to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        yield reader, writer


async def test_stdout_closed_after_a_line_ends_the_run_quietly(shelf, shell):
    """As `| head -1` does."""
    async with shelf.serving() as registry:
        with small_pipe() as (reader, writer):
            process = await shell.start("crawl", registry.host, "--output", "-", stdout=writer, stderr=PIPE)
            try:
                writer.close()
                assert json.loads(await asyncio.to_thread(reader.readline))["outcome"] == "ok"
                reader.close()
                _, stderr = await process.communicate()
            finally:
                await end_process(process)

    assert (process.returncode, stderr.decode()) == (0, "")
    assert not shell.output.exists()


async def test_stdout_closed_while_all_workers_wait_ends_the_run_quietly(shelf, shell):
    """The pipe is full from the start, and each repository has a worker: in the end all wait for the writer."""
    async with shelf.serving() as registry:
        with small_pipe() as (reader, writer):
            writer.write(b"\n" * 4096)
            options = ("--output", "-", "-vv", "--concurrency", "300")
            process = await shell.start("crawl", registry.host, *options, stdout=writer, stderr=PIPE)
            try:
                writer.close()
                listed = 0
                while listed < 300 and (line := await process.stderr.readline()):
                    listed += b"/tags/list: 200" in line
                reader.close()
                rest = await process.stderr.read()
                await process.wait()
            finally:
                await end_process(process)

    assert listed == 300
    assert (process.returncode, rest.decode()) == (0, "")


async def test_disk_full_is_reported_in_one_line(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, file_size=20_000)

    assert "File too large" in ended.error_line
    assert str(shell.output.relative_to(shell.folder)) in ended.error_line
    assert folders(shell.output) == []
