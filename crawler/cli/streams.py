"""Standard input, output and error, in whatever state the process was started with.

Imported before anything else is, so it imports nothing that takes time.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class TextStream(io.TextIOWrapper):
    """A text stream for words to a person, which a crawl does not depend on.

    What cannot be written is dropped: its reader has gone, the disk is full, the stream was closed at the start.
    What the stream's encoding does not have is written as an escape. Data goes to `buffer`, which raises OSError.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare_streams() -> None:
    """Make the standard streams usable, before any other file is opened. To be called once."""
    _occupy_closed_descriptors()
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = _text_stream(sys.stdout, 1)
    sys.stderr = _text_stream(sys.stderr, 2)


def _occupy_closed_descriptors() -> None:
    """Put something in the place of descriptors 0 to 2 that are closed.

    The next file opened would get the number: a journal might become standard output, and libuv aborts when it has to
    close such a one. They are opened the wrong way round, so that reads and writes fail as on a closed descriptor:
    records for `--output -` must not vanish, and an absent list of names is no empty one.
    """
    for descriptor, direction in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, direction), True)  # the lowest free number, so this one


def _text_stream(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return TextStream(io.FileIO(descriptor, "w", closefd=False), encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return TextStream(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
