"""How this process ends: by a signal, or with an exit code. Imported first, so it imports nothing that takes time."""

from __future__ import annotations

import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Never

HANDLED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_STDERR_DESCRIPTOR: Final = 2
_SHOW_CURSOR: Final = b"\x1b[?25h"


def exit_on_signals() -> None:
    """From now on SIGINT and SIGTERM end the process at once and silently, with exit code 130 or 143.

    Handlers rather than the default actions: the kernel ignores the default action of SIGTERM for PID 1, which this
    process is in a container (pid_namespaces(7)).
    """
    for number in HANDLED_SIGNALS:
        signal.signal(number, _exit_on_signal)


def raise_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise SystemExit, for commands that have something to clean up."""
    for number in HANDLED_SIGNALS:
        signal.signal(number, _raise_system_exit)


def _raise_system_exit(number: int, frame: Any) -> Never:  # noqa: ARG001  (a handler's signature)
    sys.exit(128 + number)


def _exit_on_signal(number: int, frame: Any) -> Never:  # noqa: ARG001  (a handler's signature)
    exit_immediately(128 + number)


def collect_garbage_rarely() -> None:
    """From now on the young generation grows to 300,000 objects before it is collected.

    The default of 700 has every import look through all objects again and again, for next to no garbage. The imports of
    a crawl make 98,000 objects, and one collection of them takes 29 ms.
    """
    gc.set_threshold(300_000, 50, 100)


def load_no_plugins() -> None:
    """Keep plugins of pydantic out of this process, unless the environment names some to be left out.

    They would see every value that is validated, passwords included. To find them, pydantic reads the metadata of all
    installed packages, which takes as long as a crawl's validation of its whole configuration.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def import_aiohttp() -> None:
    """Import aiohttp, before the modules that use it, for a command that sends requests.

    It makes two TLS contexts when it is imported, and would read the certificates of SSL_CERT_FILE or of the system for
    each, which takes 40 ms. A run uses neither of the two, but makes a context of its own (`transport.tls.RunTls`).

    From here, and not below ten modules that import one another: so deep, each call of aiohttp's import begins a new
    chunk of Python's stack of frames, and to map and unmap all of them takes a twentieth of a crawl's start.
    """
    ca_file = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        import crawler.transport.opening  # noqa: F401  (for what its import does)
    finally:
        if ca_file is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = ca_file


def exit_immediately(code: int) -> Never:
    """End the process without clean-up: the journal needs none. Only a terminal's cursor is made visible again.

    Safe in a signal handler and in any thread: it does not use `sys.stderr`, which the interrupted code may be
    writing to.
    """
    if os.isatty(_STDERR_DESCRIPTOR):
        os.write(_STDERR_DESCRIPTOR, _SHOW_CURSOR)
    os._exit(code)


def flush_and_exit(code: int) -> Never:
    """End the process after its work is done.

    Returning from `main` is not enough: the interpreter waits for worker threads, and a thread may be blocked for good
    in a read of standard input, in a write to a pipe that is not read, or in a DNS query.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
