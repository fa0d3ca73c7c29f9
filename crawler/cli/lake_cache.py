"""The digest cache that a lake holds, around the runs of a `crawl` command, which a signal may end."""

import os
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

from crawler.cli import logs
from crawler.cli.signals import Signals
from crawler.config import Config

if TYPE_CHECKING:
    from crawler.lake.held_cache import HeldCache


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

    return around_runs(cache, signals.until_signal, logs.notice)
