"""The digest cache that a lake holds, around the runs of a `crawl` command, which a signal may end."""

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from crawler.cli import logs
from crawler.cli.signals import Signals
from crawler.config import Config

if TYPE_CHECKING:
    from crawler.lake.held_cache import HeldCache, Notes

_SIGNAL_POLL_S: Final = 0.1


def open_configured_cache(config: Config) -> "HeldCache | None":
    """The configuration's cache in a lake; None where no run needs one. Raises ConfigError."""
    if config.cache.url is None:
        return None
    from crawler.lake.around_runs import open_held_cache

    return open_held_cache(config, os.environ)


def cache_around_runs(cache: "HeldCache | None", signals: Signals) -> AbstractAsyncContextManager[None]:
    """See `around_runs`. A signal ends the wait for the lake."""
    if cache is None:
        return nullcontext()
    from crawler.lake.around_runs import around_runs

    return around_runs(cache, partial(_until_signal, signals), logs.notice)


async def _until_signal(signals: Signals, work: "Callable[[], Notes]") -> "Notes | None":
    """Work in a thread, which is abandoned at a signal: None. It is not begun after one."""
    ended: list[Notes] = []

    async def run() -> None:
        ended.append(await anyio.to_thread.run_sync(work, abandon_on_cancel=True))
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        if signals.exit_code is None:
            tasks.start_soon(run)
        while signals.exit_code is None:  # noqa: ASYNC110  (a signal handler sets it, which may set no event)
            await anyio.sleep(_SIGNAL_POLL_S)
        tasks.cancel_scope.cancel()
    return ended[0] if ended else None
