"""SIGINT and SIGTERM during runs: the first asks the run to stop, the second ends the process at once."""

import _thread
import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Never

from crawler.cli.logs import notice
from crawler.cli.process import HANDLED, end_at_once
from crawler.run.crawl import Crawl

STOP_WITHIN_S: Final = 5.0
"""The process ends so soon after a signal, whatever its threads are blocked in. Longer than `run.crawl.GRACE_S`."""


class Signals:
    """What signals came, and the run that they stop."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._final: int | None = None
        self._run: Crawl | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def watched(cls) -> AsyncIterator["Signals"]:
        """Take the signals while the block runs.

        By plain handlers, which run even where the event loop is blocked in a write to standard output or error.
        """
        signals = cls()
        before = [(number, signal.signal(number, signals._on_signal)) for number in HANDLED]
        try:
            yield signals
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    @property
    def exit_code(self) -> int | None:
        """The exit code of an interrupted process, or None where none came."""
        return None if self._received is None else 128 + self._received

    def nothing_left(self, code: int) -> None:
        """All runs have ended, so a signal has nothing to interrupt: from now on it ends the process with this code."""
        self._final = code

    @contextmanager
    def stopping(self, run: Crawl) -> Iterator[None]:
        """While the block runs, the first signal stops this run."""
        self._run = run
        try:
            yield
        finally:
            self._run = None

    def _on_signal(self, number: int, frame: Any) -> None:  # noqa: ARG002  (a handler's signature)
        """Only what may be done between any two instructions: `threading` and `logging` have locks of their own."""
        if self._received is not None:
            self._end(number)
        self._received = number
        _thread.start_new_thread(self._end_in_time, (number,))
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        notice(f"stopping within {STOP_WITHIN_S:.0f} s; once more ends at once")
        if self._run is not None:
            self._run.stop()

    def _end_in_time(self, number: int) -> None:
        time.sleep(STOP_WITHIN_S)
        self._end(number)

    def _end(self, number: int) -> Never:
        end_at_once(128 + number if self._final is None else self._final)
