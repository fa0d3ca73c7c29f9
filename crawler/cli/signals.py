"""SIGINT and SIGTERM: the first asks the run to stop, the second ends the process at once."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from crawler.cli.logs import say
from crawler.run.crawl import GRACE_S, Crawl

_SHOW_CURSOR = "\x1b[?25h"


class Signals:
    """What signals came, and the run that they stop."""

    def __init__(self) -> None:
        self._came: int | None = None
        self._run: Crawl | None = None

    @classmethod
    @asynccontextmanager
    async def watched(cls) -> AsyncIterator["Signals"]:
        """Take the signals while the block runs."""
        signals = cls()
        async with anyio.create_task_group() as group:
            group.start_soon(signals._watch)
            yield signals
            group.cancel_scope.cancel()

    @property
    def exit_code(self) -> int | None:
        """The exit code of an interrupted process, or None where none came."""
        return None if self._came is None else 128 + self._came

    @contextmanager
    def stopping(self, run: Crawl) -> Iterator[None]:
        """While the block runs, the first signal stops this run."""
        self._run = run
        try:
            yield
        finally:
            self._run = None

    async def _watch(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async for number in received:
                if self._came is not None:
                    self._end_at_once(number)
                self._came = number
                say(f"stopping within {GRACE_S:.0f} s; once more ends at once")
                if self._run is not None:
                    self._run.stop()

    @staticmethod
    def _end_at_once(number: int) -> None:
        """The journal needs no farewell: what it holds is on the disk. Only the terminal wants its cursor back."""
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
            sys.stderr.flush()
        os._exit(128 + number)
