"""The processes of a Ray cluster that a command has started, by their titles."""

import asyncio
import os
import signal
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SHARD = "ray::_crawl_shard"
COORDINATOR = "ray::_CoordinatorActor"
RAYLET = f"{sysconfig.get_path('purelib')}/ray/core/src/ray/raylet/raylet "


def ray_processes(command: int, title: str) -> list[int]:
    """The descendants of the command's process whose title begins so."""
    return [pid for pid in _descendants(command) if _title(pid).startswith(title)]


async def until_there(command: int, title: str, count: int) -> list[int]:
    """Wait until the command has so many of these processes."""
    async with asyncio.timeout(60):
        # nothing can be awaited: they are other processes
        while len(found := ray_processes(command, title)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


async def killed(command: int, title: str) -> int:
    """Kill one of these processes; return its id."""
    pid = (await until_there(command, title, 1))[0]
    os.kill(pid, signal.SIGKILL)
    return pid


def _descendants(pid: int) -> Iterator[int]:
    parents = {child: _parent(child) for child in _all()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    yield from sorted(found - {pid})


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
