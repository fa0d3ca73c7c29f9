"""A person at a terminal, who answers questions."""

import asyncio
import os
from collections.abc import Sequence

from support.run_cli import CommandRunner
from support.terminal import read_screen, read_screen_until, terminal


async def answer(
    command: CommandRunner, arguments: Sequence[object], dialogue: Sequence[tuple[str, str]]
) -> tuple[int, str]:
    """Run a command on a terminal. Each answer is typed when its question is shown; return the code and the screen."""
    with terminal(columns=120) as (screen, end):
        async with command.started(*arguments, stdin=end, stderr=end) as process:
            os.close(end)
            seen = ""
            for question, reply in dialogue:
                seen += await asyncio.to_thread(read_screen_until, screen, question)
                os.write(screen, reply.encode() + b"\n")
            rest, (out, _) = await asyncio.gather(asyncio.to_thread(read_screen, screen), process.communicate())
            assert (out, process.returncode is not None) == (b"", True)
            return process.returncode or 0, seen + rest
