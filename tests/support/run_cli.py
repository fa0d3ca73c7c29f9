"""Run the command as a user does: a process with a clean environment, its exit code, and what it prints."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULE = (sys.executable, "-m", "crawler")
SCRIPT = (str(Path(sys.executable).with_name("registry-crawler")),)

COMMAND_TIMEOUT_S = 100
"""Ends a command that hangs, before pytest ends the test; a busy machine takes forty seconds for the slowest."""

ONE_TRY = {"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"}
"""The environment of a command that meets an error which a retry would only delay."""

_PERSONAL_VARIABLES = re.compile(
    "registry_crawler_|google_|gcloud_|cloudsdk_|.*_proxy$|columns|force_color|no_color", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A command that has ended, and has left no process behind."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The error message: the only line of standard error, without the name of the command."""
        (line,) = self.err.splitlines()
        assert line.startswith("registry-crawler: ")
        return line.removeprefix("registry-crawler: ")

    @property
    def snapshot(self) -> Path:
        """The path that the summary names."""
        (path,) = re.findall(r"^  snapshot +(.+)$", self.err, re.MULTILINE)
        return Path(path)


def clean_environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """This machine's environment without the variables that configure the crawler, google-auth, proxies or colours."""
    kept = {name: value for name, value in os.environ.items() if _PERSONAL_VARIABLES.match(name) is None}
    return {**kept, "HOME": str(home), "TERM": "xterm", **more}


@dataclass(frozen=True, slots=True)
class CommandRunner:
    """Runs the command in a folder of its own, which is its home folder as well."""

    folder: Path

    @asynccontextmanager
    async def started(
        self, *arguments: object, program: tuple[str, ...] = MODULE, environment: Mapping[str, str] = {}, **pipes: Any
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start the command; at the end of the block kill its process group.

        Fails where the block takes too long, and where the command has ended but left a process behind.
        """
        process = await asyncio.create_subprocess_exec(
            *program,
            *map(str, arguments),
            **dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE) | pipes,
            cwd=self.folder,
            env=clean_environment(self.folder, environment),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                yield process
        finally:
            was_alive = _kill_group(process.pid)
            returned = await process.wait()
        assert not was_alive or returned < 0, "the command has ended, and left a process behind"

    async def __call__(self, *arguments: object, stdin: str = "", **options: Any) -> CommandResult:
        async with self.started(*arguments, **options) as process:
            out, err = await process.communicate(stdin.encode())
            assert process.returncode is not None
            return CommandResult(code=process.returncode, out=(out or b"").decode(), err=(err or b"").decode())


def _kill_group(leader: int) -> bool:
    """Kill a process group; return whether it had a process."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def google_crawl_with_progress(google: Any, *more: object) -> tuple[object, ...]:
    """Arguments to crawl an emulated Google registry."""
    return ("crawl", google.emulator.registry, "--key-file", google.key_file, "--output", google.output, *more)


def google_crawl(google: Any, *more: object) -> tuple[object, ...]:
    """The same without progress, of which a slow machine might show a line before the end."""
    return google_crawl_with_progress(google, "--no-progress", *more)


def scripted_crawl(server: Any, output: object = "out", *more: object) -> tuple[object, ...]:
    """Arguments to crawl a scripted registry, without progress."""
    return ("crawl", server.host, "--output", output, "--no-progress", *more)


def all_text_in(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_plain(text: str) -> None:
    """No colours, no cursor movements, no lines written over."""
    assert all(c.isprintable() or c == "\n" for c in text)
