"""SIGINT and SIGTERM during runs: the first signal asks the run to stop, the second ends the process at once."""

import _thread
import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Never, TypeVar

import anyio
import anyio.to_thread

from crawler.cli.logs import notice
from crawler.cli.process import HANDLED_SIGNALS, exit_immediately
from crawler.cli.shown_run import ShownRun

STOP_TIMEOUT_S: Final = 5.0
"""Seconds from the first signal to the end of the process, whatever its threads are blocked in.

Longer than `run.crawl.GRACE_PERIOD_S`, the time that a run gives its exchanges in flight.
"""

_POLL_S: Final = 0.1

T = TypeVar("T")


class Signals:
    """The signals that have come, and the run that they stop."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._final_exit_code: int | None = None
        self._run: ShownRun | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def installed(cls) -> AsyncIterator["Signals"]:
        """Handle the signals while the block runs; then restore the handlers that were there before.

        `signal.signal` rather than `loop.add_signal_handler`: a plain handler runs even where the event loop is
        blocked in a write to standard output or error.
        """
        signals = cls()
        previous = [(number, signal.signal(number, signals._on_signal)) for number in HANDLED_SIGNALS]
        try:
            yield signals
        finally:
            for number, handler in previous:
                signal.signal(number, handler)

    @property
    def exit_code(self) -> int | None:
        """128 and the number of the first signal; None before a signal comes."""
        return None if self._received is None else 128 + self._received

    async def wait(self) -> None:
        """Return once a signal has come."""
        while self._received is None:  # noqa: ASYNC110  (a signal handler sets it, which may set no event)
            await anyio.sleep(_POLL_S)

    async def until_signal(self, work: Callable[[], T]) -> T | None:
        """The result of work in a thread, which raises nothing; None where a signal comes first.

        The thread is abandoned then. It is not begun after a signal.
        """
        ended: list[T] = []

        async def run() -> None:
            ended.append(await anyio.to_thread.run_sync(work, abandon_on_cancel=True))
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            if self._received is None:
                tasks.start_soon(run)
            await self.wait()
            tasks.cancel_scope.cancel()
        return ended[0] if ended else None

    def set_final_exit_code(self, code: int) -> None:
        """Every run has ended, so a signal interrupts nothing: from now on it ends the process with `code`."""
        self._final_exit_code = code

    @contextmanager
    def stop_on_signal(self, run: ShownRun) -> Iterator[None]:
        """Stop `run` at the first signal that comes while the block runs."""
        self._run = run
        try:
            yield
        finally:
            self._run = None

    def _on_signal(self, number: int, frame: Any) -> None:  # noqa: ARG002  (a handler's signature)
        """Handle a signal between any two instructions of the main thread.

        `threading.Thread` and `logging` take locks that the interrupted code may hold, so neither is used here.
        """
        if self._received is not None:
            self._exit(number)
        self._received = number
        _thread.start_new_thread(self._exit_after_timeout, (number,))
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        notice(f"stopping within {STOP_TIMEOUT_S:.0f} s; once more ends at once")
        if self._run is not None:
            self._run.stop()

    def _exit_after_timeout(self, number: int) -> None:
        time.sleep(STOP_TIMEOUT_S)
        self._exit(number)

    def _exit(self, number: int) -> Never:
        exit_immediately(128 + number if self._final_exit_code is None else self._final_exit_code)
