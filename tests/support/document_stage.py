"""Where the blocks of the documents run: the commands in a shell, in a folder of their own."""

import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.readme import Block
from support.run_cli import ONE_TRY, SCRIPT

COMMANDS = "audit|crawl|deploy|diff|doctor|emulator|init|merge|metrics|plan|publish|query|report|runs|schema"
PROGRAM = re.compile(rf"\bregistry-crawler(?= ({COMMANDS})\b)")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a block runs: in a folder of its own, with an emulator on demand."""

    command: Any
    google: Callable[..., Awaitable[Any]]
    dead_port: str

    @property
    def folder(self) -> Path:
        folder: Path = self.command.folder
        return folder

    async def shell(self, script: str, environment: dict[str, str] = ONE_TRY) -> Any:
        """Run lines of a shell; the first that fails ends them."""
        program = shlex.quote(*SCRIPT)
        return await self.command("-ec", PROGRAM.sub(program, script), program=("/bin/sh",), environment=environment)

    async def google_snapshot(self, **settings: Any) -> Any:
        """Take a snapshot of an emulator in the folder, and return the emulator."""
        google = await self.google(**{"repositories": 30, **settings})
        await self.shell(f"registry-crawler crawl {google.emulator.registry} --key-file {google.key_file} || true")
        return google


def lines_of(block: Block) -> list[str]:
    """The lines without comments; continued lines are joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines]
