"""TODO."""

import asyncio
from pathlib import Path
from typing import Any

from support.run_cli import MODULE


def journals(google: Any) -> list[Path]:
    return sorted((google.output / ".unfinished").glob("*/part-00000.jsonl"))


async def until_recorded(google: Any, lines: int) -> None:
    """Wait until a run has so many records on the disk."""
    async with asyncio.timeout(30):
        # a file tells nobody when it grows
        while not journals(google) or journals(google)[-1].read_bytes().count(b"\n") < lines:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def interrupted(google: Any, number: int, *options: str) -> tuple[int, str]:
    process = await start(google, *options)
    await until_recorded(google, 20)
    process.send_signal(number)
    _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


SLOW = {"repositories": 300, "latency_s": 0.03}


async def start(google: Any, *options: str, target: str = "", **how: Any) -> asyncio.subprocess.Process:
    where = ["--key-file", str(google.key_file), "--output", str(google.output), "--no-progress"]
    pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **how}
    program, *arguments = [*MODULE, "crawl", target or google.emulator.registry, *where, *options]
    return await asyncio.create_subprocess_exec(program, *arguments, **pipes)
