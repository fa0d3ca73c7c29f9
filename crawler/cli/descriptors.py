"""Whether this process may open as many files as its exchanges need."""

import resource
from collections.abc import Callable
from typing import Final

from crawler.config import Config
from crawler.errors import ConfigError

SPARE: Final = 32
"""Descriptors beside one connection per exchange: streams, event loop, journal, locks, DNS, a credential helper."""


def fitted(config: Config, notice: Callable[[str], None]) -> Config:
    """The configuration with as many exchanges at a time as this process may open connections for.

    The soft limit is raised as far as the hard one allows. Where that is not enough the concurrency is lowered, and
    `notice` says so. Raises ConfigError where it is not enough even for one exchange at a time.
    """
    concurrency = config.limits.concurrency
    needed = concurrency + SPARE
    allowed = _raised_to(needed)
    if allowed >= needed:
        return config
    have = f"this process may have {allowed:,} files open (ulimit -n)"
    if allowed <= SPARE:
        raise ConfigError([f"{have}, and a crawl needs {SPARE:,} and one for each exchange: run `ulimit -n {needed}`"])
    fitting = allowed - SPARE
    notice(
        f"{have}, and {concurrency:,} exchanges at a time need {needed:,}: continuing with {fitting:,} at a time; "
        f"run `ulimit -n {needed}`, or set --concurrency {fitting} (limits.concurrency)"
    )
    return config.model_copy(update={"limits": config.limits.model_copy(update={"concurrency": fitting})})


def _raised_to(needed: int) -> int:
    """The limit of open files, raised to what is needed if it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_enough(soft, needed):
        return needed
    best = needed if _is_enough(hard, needed) else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    except (OSError, ValueError):  # a limit of the system's own, below the hard one
        return soft
    return best


def _is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
