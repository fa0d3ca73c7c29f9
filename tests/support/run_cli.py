"""TODO."""

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


COMMAND_TIMEOUT_S = 40


ONE_TRY = {"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A process that has ended, and left no other behind."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line by which it says why it could not run."""
        (line,) = self.err.splitlines()
        assert line.startswith("registry-crawler: ")
        return line.removeprefix("registry-crawler: ")

    @property
    def snapshot(self) -> Path:
        """The path that the summary names."""
        (path,) = re.findall(r"^  snapshot +(.+)$", self.err, re.MULTILINE)
        return Path(path)


def clean_environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The machine's, without what it may say to us, to google-auth or of proxies."""
    foreign = re.compile(
        "registry_crawler_|google_|gcloud_|cloudsdk_|.*_proxy$|columns|force_color|no_color", re.IGNORECASE
    )
    kept = {name: value for name, value in os.environ.items() if foreign.match(name) is None}
    return {**kept, "HOME": str(home), "TERM": "xterm", **more}


@dataclass(frozen=True, slots=True)
class CommandRunner:
    """Runs the command in a folder of its own."""

    folder: Path

    @asynccontextmanager
    async def started(
        self, *arguments: object, program: tuple[str, ...] = MODULE, environment: Mapping[str, str] = {}, **pipes: Any
    ) -> AsyncIterator[asyncio.subprocess.Process]:
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
            left = _kill_group(process.pid)
            returned = await process.wait()
        assert not left or returned < 0, "the command has ended, and left a process behind"

    async def __call__(self, *arguments: object, stdin: str = "", **options: Any) -> CommandResult:
        async with self.started(*arguments, **options) as process:
            out, err = await process.communicate(stdin.encode())
            assert process.returncode is not None
            return CommandResult(code=process.returncode, out=(out or b"").decode(), err=(err or b"").decode())


def _kill_group(leader: int) -> bool:
    """Whether anybody was there to be killed."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def google_crawl_with_progress(google: Any, *more: object) -> tuple[object, ...]:
    return ("crawl", google.emulator.registry, "--key-file", google.key_file, "--output", google.output, *more)


def google_crawl(google: Any, *more: object) -> tuple[object, ...]:
    """Without progress, which on a slow machine might come before the end."""
    return google_crawl_with_progress(google, "--no-progress", *more)


def there(path: Path) -> bool:
    return path.exists()


def all_text_in(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_plain(text: str) -> None:
    """No colours, no cursor movements, no lines written over."""
    assert all(c.isprintable() or c == "\n" for c in text)
