"""TODO."""

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.run_cli import (
    MODULE,
    CommandRunner,
    CommandResult,
)


@contextmanager
def terminal(columns: int) -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the screen's, and the program's, which is closed by whoever hands it on."""
    screen, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield screen, program
    finally:
        os.close(screen)


def read_screen(screen: int) -> str:
    """All that is written until the program's end is closed everywhere, which Linux tells by an error."""
    seen = b""
    with suppress(OSError):
        while part := os.read(screen, 2**16):
            seen += part
    return seen.decode()


async def run_on_terminal(
    command: CommandRunner, columns: int, *arguments: object, program: tuple[str, ...] = MODULE
) -> tuple[CommandResult, str]:
    with terminal(columns) as (screen, end):
        async with command.started(*arguments, program=program, stderr=end) as process:
            os.close(end)
            seen, (out, _) = await asyncio.gather(asyncio.to_thread(read_screen, screen), process.communicate())
            assert process.returncode is not None
            return CommandResult(code=process.returncode, out=out.decode(), err=""), seen
