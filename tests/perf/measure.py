"""The cost of a process, from the kernel. Variants run in turns, so that changes of the machine's load affect all."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

LONGEST_S: Final = 420.0
"""Seconds after which a process counts as stuck."""

_TESTS: Final = Path(__file__).resolve().parents[1]


class BenchBroken(Exception):
    """A measurement failed; the message says why."""


class ProcessFailed(BenchBroken):
    """A measured process ended with another exit code than 0. `complaint` is the last line it wrote of that, if any."""

    def __init__(self, command: str, exit_code: int, errors: str) -> None:
        super().__init__(f"{command}\nended with {exit_code}:\n{errors[-2000:]}")
        self.exit_code = exit_code
        self.complaint = errors.strip().rpartition("\n")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Resources of a process and of the children it waited for. `peak_mb` is that of the largest process."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str
    errors: str


class Running:
    """A measured process. Made by `started`."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: BinaryIO, complained: BinaryIO) -> None:
        self._process = process
        self._said = said
        self._complained = complained
        self._began = time.monotonic()

    def finish(self) -> Usage:
        """Wait for the end. Raises ProcessFailed."""
        watchdog = threading.Timer(LONGEST_S, self._process.kill)
        watchdog.start()
        try:
            _, status, used = os.wait4(self._process.pid, 0)
        finally:
            watchdog.cancel()
        wall_s = time.monotonic() - self._began
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            command = " ".join(map(str, self._process.args))  # type: ignore[arg-type]
            raise ProcessFailed(command, self._process.returncode, _text(self._complained))
        return Usage(
            wall_s=wall_s,
            cpu_s=used.ru_utime + used.ru_stime,
            peak_mb=used.ru_maxrss / 1024,
            output=_text(self._said),
            errors=_text(self._complained),
        )


@contextmanager
def started(
    command: Sequence[str], *, stdin: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A process that does not outlive the block. Its output goes to files: a pipe may fill up, and stop it.

    `env` adds to this process's own environment, less the settings that would change what a crawl does.
    """
    with (
        TemporaryFile() as said,
        TemporaryFile() as complained,
        Path(stdin or os.devnull).open("rb") as asked,
        subprocess.Popen(command, stdin=asked, stdout=said, stderr=complained, env=surroundings(env)) as process,
    ):
        try:
            yield Running(process, said, complained)
        finally:
            if process.returncode is None:
                process.kill()


def run(command: Sequence[str], *, stdin: Path | None = None, env: Mapping[str, str] | None = None) -> Usage:
    with started(command, stdin=stdin, env=env) as running:
        return running.finish()


def in_turns(rounds: int, variants: Mapping[K, Callable[[], V]]) -> dict[K, list[V]]:
    """The result of each variant in each round. Every other round runs the variants in reverse order."""
    given: dict[K, list[V]] = {key: [] for key in variants}
    for number in range(rounds):
        for key in list(variants) if number % 2 == 0 else reversed(list(variants)):
            given[key].append(variants[key]())
    return given


def program(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of tests/perf."""
    return [sys.executable, "-m", f"perf.{module}", *arguments]


def surroundings(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process: the current one, without settings of the crawler."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_CRAWLER_")}
    path = os.pathsep.join(filter(None, [str(_TESTS), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, **(more or {})}


def end_like_interrupted() -> None:
    """Make SIGTERM raise KeyboardInterrupt, so that every server is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
