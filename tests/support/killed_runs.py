"""Crawls of a slow emulated registry, in a process that a test can kill or signal while the crawl runs."""

import asyncio
from pathlib import Path
from typing import Any

from support.run_cli import MODULE

SLOW = {"repositories": 300, "latency_s": 0.03}
"""Settings of a registry whose crawl takes long enough to be interrupted."""


def journals(google: Any) -> list[Path]:
    """The parts of every journal in the output folder, the oldest run first."""
    # a hidden folder is renamed while it is looked into
    return sorted((google.output / ".unfinished").glob("[!.]*/part-*.jsonl"))


async def until_recorded(google: Any, lines: int) -> None:
    """Wait until the newest journal has so many records on the disk."""
    async with asyncio.timeout(30):
        # nothing can be awaited: the file is written by another process
        while not journals(google) or journals(google)[-1].read_bytes().count(b"\n") < lines:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def interrupted(google: Any, number: int, *options: str) -> tuple[int, str]:
    """Crawl, and send a signal after 20 records. Returns the exit code and standard error."""
    process = await start(google, *options)
    await until_recorded(google, 20)
    process.send_signal(number)
    _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


async def start(google: Any, *options: str, target: str = "", **how: Any) -> asyncio.subprocess.Process:
    where = ["--key-file", str(google.key_file), "--output", str(google.output), "--no-progress"]
    pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **how}
    program, *arguments = [*MODULE, "crawl", target or google.emulator.registry, *where, *options]
    return await asyncio.create_subprocess_exec(program, *arguments, **pipes)
