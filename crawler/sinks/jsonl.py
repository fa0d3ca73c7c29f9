"""Records as JSON lines, into a file or down a pipe."""

import errno
import os
import select
from collections.abc import Sequence
from io import FileIO
from typing import Final, Protocol

import anyio.to_thread
from msgspec.json import Encoder

from crawler.errors import OutputClosed, SnapshotError
from crawler.model.record import Record

_THREAD_THRESHOLD_BYTES: Final = 1024**2
"""A batch of this size is written in a thread: on a slow disk it would delay every exchange in flight."""

_encode_lines: Final = Encoder().encode_lines


def encode(records: Sequence[Record]) -> bytes:
    """The records as whole lines. Every key of the table is there, in the table's order."""
    return _encode_lines(records)


class Unbuffered(Protocol):
    """A file or pipe that is written without a buffer."""

    @property
    def name(self) -> object: ...
    def fileno(self) -> int: ...
    def write(self, lines: memoryview, /) -> int | None: ...


class JsonLinesFile:
    """A sink for an unbuffered file: when `write` returns, the kernel has the lines, and a kill does not lose them."""

    def __init__(self, file: Unbuffered) -> None:
        self._file = file

    async def write(self, records: Sequence[Record]) -> None:
        lines = encode(records)
        try:
            if len(lines) < _THREAD_THRESHOLD_BYTES:
                _write_all(self._file, lines)
            else:
                await anyio.to_thread.run_sync(_write_all, self._file, lines)
        except OSError as exc:
            raise SnapshotError(f"{self._file.name}: cannot be written: {os.strerror(exc.errno or 0)}") from None


class JsonLinesPipe:
    """A sink for a pipe, whose reader may be slow, or close it.

    The pipe is unbuffered: a buffer's lock would stay held while a write waits for the reader. A cancelled write is
    abandoned: it continues in its thread, and may end within a line.
    """

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe

    async def write(self, records: Sequence[Record]) -> None:
        try:
            await anyio.to_thread.run_sync(_write_all, self._pipe, encode(records), abandon_on_cancel=True)
        except BrokenPipeError:
            raise OutputClosed("the output pipe was closed") from None
        except OSError as exc:
            reason = "it is closed" if exc.errno == errno.EBADF else os.strerror(exc.errno or 0)
            raise SnapshotError(f"standard output cannot be written: {reason}") from None


def _write_all(file: Unbuffered, lines: bytes) -> None:
    """Write every byte: an unbuffered file may take fewer bytes than it is given (write(2)).

    It takes none, and `write` returns None, where another process made a shared pipe non-blocking, as some parent
    processes do to the pipes of their children.
    """
    rest = memoryview(lines)
    while rest:
        written = file.write(rest)
        if written is None:
            select.select([], [file], [])
        else:
            rest = rest[written:]
