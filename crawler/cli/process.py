"""How this process ends: by a signal, or with an exit code. Imported first, so it imports nothing that takes time."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Never

HANDLED: Final = (signal.SIGINT, signal.SIGTERM)

_STANDARD_ERROR: Final = 2
_SHOW_CURSOR: Final = b"\x1b[?25h"


def end_at_once_on_signals() -> None:
    """From now on SIGINT and SIGTERM end the process at once, with exit code 130 or 143 and without a word.

    Handlers rather than the default actions: PID 1 of a container has none, so that the signal would be lost.
    """
    for number in HANDLED:
        signal.signal(number, _end_by_signal)


def unwind_on_signals() -> None:
    """From now on SIGINT and SIGTERM end the process by SystemExit, for commands that have something to take away."""
    for number in HANDLED:
        signal.signal(number, _unwind_by_signal)


def _unwind_by_signal(number: int, frame: Any) -> Never:  # noqa: ARG001  (a handler's signature)
    sys.exit(128 + number)


def _end_by_signal(number: int, frame: Any) -> Never:  # noqa: ARG001  (a handler's signature)
    end_at_once(128 + number)


def end_at_once(code: int) -> Never:
    """End the process without a farewell; the journal needs none. Only the terminal wants its cursor back.

    Safe in a signal handler and in any thread: it goes past `sys.stderr`, which the interrupted code may be writing to.
    """
    if os.isatty(_STANDARD_ERROR):
        os.write(_STANDARD_ERROR, _SHOW_CURSOR)
    os._exit(code)


def end(code: int) -> Never:
    """End the process when all is done.

    Not by returning: the interpreter would wait for worker threads, and one may be blocked for good in a read of
    standard input without a writer, in a write to a pipe whose reader sleeps, or in a look-up of a name.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
