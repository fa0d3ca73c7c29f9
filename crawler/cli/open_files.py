"""The limit of open files (`ulimit -n`), and the concurrency that fits in it."""

import resource
from collections.abc import Callable
from typing import Final

from crawler.config import Config
from crawler.errors import ConfigError

RESERVED_DESCRIPTORS: Final = 32
"""Open files beside one connection per exchange: streams, event loop, journal, locks, DNS, a credential helper."""


def fit_concurrency(config: Config, notice: Callable[[str], None]) -> Config:
    """Return a configuration whose concurrency fits in the limit of open files.

    The soft limit is raised as far as the hard limit allows. Where that is too low the concurrency is lowered, and
    `notice` reports it. Raises ConfigError where not even one exchange fits.
    """
    concurrency = config.limits.concurrency
    needed = concurrency + RESERVED_DESCRIPTORS
    limit = _raise_limit(needed)
    if limit >= needed:
        return config
    limited = f"this process may open {limit:,} files (ulimit -n)"
    if limit <= RESERVED_DESCRIPTORS:
        raise ConfigError(
            [f"{limited}; a crawl needs {RESERVED_DESCRIPTORS:,} and one for each exchange: run `ulimit -n {needed}`"]
        )
    fitting = limit - RESERVED_DESCRIPTORS
    notice(
        f"{limited}; {concurrency:,} exchanges in flight need {needed:,}: continuing with {fitting:,} in flight; "
        f"run `ulimit -n {needed}`, or set --concurrency {fitting} (limits.concurrency)"
    )
    return config.model_copy(update={"limits": config.limits.model_copy(update={"concurrency": fitting})})


def _raise_limit(needed: int) -> int:
    """Raise the soft limit to `needed`, or as far as allowed; return the limit that holds now, at most `needed`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_enough(soft, needed):
        return needed
    best = needed if _is_enough(hard, needed) else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    except (OSError, ValueError):  # macOS refuses more than OPEN_MAX, whatever the hard limit is: setrlimit(2)
        return soft
    return best


def _is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
