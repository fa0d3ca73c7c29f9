"""How is a cache that a lake holds fetched before a command's runs, and put back after them, without blocking them?"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from crawler.config import Config
from crawler.lake.held_cache import HeldCache, Notes
from crawler.run.depth import reads_images
from crawler.run.progress import Notice

InThread: TypeAlias = Callable[[Callable[[], Notes]], Awaitable[Notes | None]]
"""Calls a function in a thread, which may be abandoned: None."""


def open_held_cache(config: Config, environ: Mapping[str, str]) -> HeldCache | None:
    """The configuration's cache in a lake, without a request yet; None where no run needs it.

    Raises ConfigError where the environment makes no sense for its provider.
    """
    if config.cache.url is None or config.cache_file is None or not reads_images(config.images):
        return None
    return HeldCache.open(config.cache.url, config.cache_file, environ)


@asynccontextmanager
async def around_runs(cache: HeldCache | None, in_thread: InThread, notice: Notice) -> AsyncIterator[None]:
    """Have what the lake's cache has on this disk while the block runs, and put back what it has read.

    What fails is said, and no more: the snapshots count.
    """
    if cache is None or not await _call(cache.fetch, cache, in_thread, notice):
        yield
        return
    try:
        yield
    finally:
        await _call(cache.put_back, cache, in_thread, notice)


async def _call(work: Callable[[Path], Notes], cache: HeldCache, in_thread: InThread, notice: Notice) -> bool:
    """Do the work, and say what it has to say. False: it was abandoned."""
    try:
        scratch = TemporaryDirectory(prefix="registry-crawler-", ignore_cleanup_errors=True)
    except OSError as exc:
        notice(f"{cache.label}: no temporary folder: {exc.strerror}: set TMPDIR", logging.WARNING)
        return True
    with scratch as folder:
        notes = await in_thread(partial(work, Path(folder)))
    for line, level in cache.interrupted() if notes is None else notes:
        notice(line, level)
    return notes is not None
