"""Which processes a cluster on this machine has, and the end of those that outlive it.

Ray ends its node process after a second, ready or not, and where the machine is busy the children of that process stay
for a minute.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process. Its id may be given to another one after its end, which then began at another time."""

    pid: int
    began_at: str


def descendants() -> set[Process]:
    """The children of this process, their children, and so on; none where the system does not tell (macOS)."""
    parents = dict(filter(None, map(_read, _PROC.glob("[0-9]*"))))
    found: set[Process] = set()
    pids = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in pids} - found:
        found |= more
        pids = {process.pid for process in more}
    return found


def kill_those_left(processes: set[Process]) -> None:
    """Kill those of the processes that have not ended."""
    for process in processes:
        current = _read(_PROC / str(process.pid))
        if current is not None and current[0] == process:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _read(folder: Path) -> tuple[Process, int] | None:
    """A process and the id of its parent; None where it has ended. See proc_pid_stat(5)."""
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return Process(int(folder.name), fields[19]), int(fields[1])
