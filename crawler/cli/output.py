"""Writing to the standard streams, whose readers may leave."""

import os
import sys
from contextlib import suppress
from typing import TextIO

_NO_ESCAPE_CODES = frozenset({"dumb", "unknown"})
"""Values of TERM that say that the terminal shows escape codes as garbage."""


def write(stream: TextIO, data: bytes) -> None:
    """Write to a stream. A reader who has gone, or a full disk, is no failure: the snapshot is on its own disk."""
    with suppress(OSError):
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()


def write_text(text: str) -> None:
    """Write lines to standard error, which takes whatever can be written (`streams.Words`)."""
    print(text, file=sys.stderr, flush=True)


def supports_escape_codes(stream: TextIO) -> bool:
    """Whether colours and a moving bar are welcome: on a terminal that is not dumb, and where NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in _NO_ESCAPE_CODES
