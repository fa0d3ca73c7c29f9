"""Prometheus' own tools, from Debian's packages, and metrics as they read them."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_LISTENING = re.compile(rb"Listening on\"? address=(127\.0\.0\.1:\d+)")


def samples(text: str) -> dict[str, float]:
    """Every sample, by its name with the labels as they are written."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def promtool(*arguments: object, stdin: str = "") -> tuple[int | None, str]:
    """The exit code of promtool, and all that it prints."""
    process = await asyncio.create_subprocess_exec(
        "promtool", *map(str, arguments), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await process.communicate(stdin.encode())
    return process.returncode, printed.decode()


@asynccontextmanager
async def node_exporter(folder: Path) -> AsyncIterator[str]:
    """node_exporter that serves the textfiles of a folder; yields the URL of its metrics."""
    process = await asyncio.create_subprocess_exec(
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={folder}",
        "--web.listen-address=127.0.0.1:0",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    assert process.stderr is not None
    try:
        log = b""
        while (listening := _LISTENING.search(log)) is None:
            line = await process.stderr.readline()
            assert line, f"node_exporter ended: {log.decode()}"
            log += line
        yield f"http://{listening[1].decode()}/metrics"
    finally:
        process.kill()
        await process.communicate()
