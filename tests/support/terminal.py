"""A pseudo-terminal: the command writes to one end, the test reads the screen at the other."""

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.run_cli import MODULE, CommandResult, CommandRunner


@contextmanager
def terminal(columns: int) -> Iterator[tuple[int, int]]:
    """Open a terminal; yield the screen's end, and the program's end, which the caller closes after handing it on."""
    screen, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield screen, program
    finally:
        os.close(screen)


def read_screen(screen: int) -> str:
    """Read until every program has closed its end of the terminal, which Linux reports as EIO."""
    seen = b""
    with suppress(OSError):
        while part := os.read(screen, 2**16):
            seen += part
    return seen.decode()


def read_screen_until(screen: int, text: str) -> str:
    """Read until the screen shows a text."""
    seen = b""
    while text not in seen.decode("utf-8", "replace"):
        seen += os.read(screen, 1024)
    return seen.decode("utf-8", "replace")


async def run_on_terminal(
    command: CommandRunner, columns: int, *arguments: object, program: tuple[str, ...] = MODULE
) -> tuple[CommandResult, str]:
    """Run the command with a terminal as its standard error; return its result and all that the screen showed."""
    with terminal(columns) as (screen, end):
        async with command.started(*arguments, program=program, stderr=end) as process:
            os.close(end)
            seen, (out, _) = await asyncio.gather(asyncio.to_thread(read_screen, screen), process.communicate())
            assert process.returncode is not None
            return CommandResult(code=process.returncode, out=out.decode(), err=""), seen
