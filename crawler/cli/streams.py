"""Standard input, output and error: made usable in whatever state the process was started, and written to.

Imported before anything else is, so it imports nothing that takes time.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final, TextIO

_TERMS_WITHOUT_ESCAPE_CODES: Final = frozenset({"dumb", "unknown"})
"""Values of TERM of terminals that show escape codes as garbage."""


class LossyTextStream(io.TextIOWrapper):
    """A text stream for people. A crawl must not fail because its messages cannot be written.

    Text that cannot be written is dropped: the pipe's reader has exited, the disk is full, or the stream was closed at
    the start. Characters that the stream's encoding does not have become escapes. Data goes to `buffer`, which raises
    OSError.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare_streams() -> None:
    """Make the standard streams usable. Called once, before the process opens any file."""
    _occupy_closed_descriptors()
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = _text_stream(sys.stdout, 1)
    sys.stderr = _text_stream(sys.stderr, 2)


@contextmanager
def data_output() -> Iterator[TextIO]:
    """Standard output for the data of an answer, in UTF-8. Half an answer is none, so what is lost is an error.

    Raises OutputClosed where the reader has exited (`| head`), and SnapshotError where the disk is full.
    """
    from crawler.errors import OutputClosed, SnapshotError

    stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", newline="")
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:
        raise OutputClosed("the output pipe was closed") from None
    except OSError as exc:
        raise SnapshotError(f"standard output cannot be written: {exc.strerror}") from None
    finally:
        with suppress(OSError):
            stream.close()


def write(stream: TextIO, data: bytes) -> None:
    """Write data to a stream. A reader that has exited and a full disk are ignored: the snapshot is published."""
    with suppress(OSError):
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()


def write_text(text: str) -> None:
    """Write lines to standard error, which never fails: see LossyTextStream."""
    print(text, file=sys.stderr, flush=True)


def supports_escape_codes(stream: TextIO) -> bool:
    """Whether colours and a moving bar may be shown: on a terminal that is not dumb, unless NO_COLOR is set."""
    term = os.environ.get("TERM")
    return stream.isatty() and not os.environ.get("NO_COLOR") and term not in _TERMS_WITHOUT_ESCAPE_CODES


def _occupy_closed_descriptors() -> None:
    """Open /dev/null on each of the descriptors 0 to 2 that is closed.

    The next file that is opened would get the free number: a journal might become standard output, and libuv aborts
    when it has to close such a descriptor. /dev/null is opened in the wrong direction, so that reads and writes fail
    as on a closed descriptor: records for `--output -` must not vanish, and an absent list of names is not an empty
    list.
    """
    for descriptor, direction in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # open() takes the lowest free number, which is this one
            os.set_inheritable(os.open(os.devnull, direction), True)


def _text_stream(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return LossyTextStream(io.FileIO(descriptor, "w", closefd=False), encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return LossyTextStream(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
