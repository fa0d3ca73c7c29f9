"""Do open files and memory suffice for the concurrency?"""

import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from crawler.config import Config
from crawler.doctor.step import Finding, failure, ok, skipped, warning
from crawler.errors import ConfigError

FitConcurrency = Callable[[Config, Callable[[str], None]], Config]
"""Returns the configuration with the concurrency that the limit of open files allows. Raises ConfigError."""

_MIB: Final = 1024**2
_BASE_MIB: Final = 160
_PER_EXCHANGE_MIB: Final = 1
"""What a crawl takes: 89 MB for 200,000 repositories and 195 MB at --depth configs, both with 64 exchanges in flight
(tests/perf/README.md), and some room."""

_NO_LIMIT: Final = 2**60
"""From here on a limit is version 1's way to say that there is none: the largest multiple of a page."""

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def open_files(config: Config, fit: FitConcurrency) -> Finding:
    """Whether every exchange in flight may have its connection. Raises the soft limit, as a crawl does."""
    asked = config.limits.concurrency
    try:
        fitting = fit(config, _ignore).limits.concurrency
    except ConfigError as exc:
        return failure(str(exc), "raise the limit of open files: `ulimit -n`, LimitNOFILE= (systemd)")
    if fitting == asked:
        return ok(f"enough for {asked:,} exchanges in flight")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return warning(
        f"this process may open {limit:,} files, which is enough for {fitting:,} exchanges in flight of {asked:,}",
        f"run `ulimit -n {limit + asked - fitting}`, or set --concurrency {fitting} (limits.concurrency)",
    )


def memory(config: Config, cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> Finding:
    """Whether the memory limit of the container leaves a crawl what it needs. Blocks on the disk."""
    limit = min((limit for limit in _limits(cgroups, own_cgroup) if limit < _NO_LIMIT), default=None)
    if limit is None:
        return skipped("this process has no memory limit, or none that can be read")
    needed = _BASE_MIB + _PER_EXCHANGE_MIB * config.limits.concurrency
    found = f"{limit // _MIB:,} MiB are allowed, and a crawl needs about {needed:,} MiB"
    if limit >= needed * _MIB:
        return ok(found)
    room = limit // _MIB - _BASE_MIB
    lower = f", or set --concurrency {room} (limits.concurrency)" if room > 0 else ""
    return warning(found, f"allow {needed:,} MiB (resources.limits.memory, docker run --memory){lower}")


def _limits(cgroups: Path, own_cgroup: Path) -> Iterator[int]:
    """The memory limits, in bytes, of this process's cgroup and of those above it (cgroups(7))."""
    for folder, name in _limit_files(cgroups, own_cgroup):
        with suppress(OSError, ValueError):  # not there, or "max"
            yield int((folder / name).read_text())


def _limit_files(cgroups: Path, own_cgroup: Path) -> Iterator[tuple[Path, str]]:
    """Where limits may be: below the mount of version 2, and in the memory controller of version 1."""
    try:
        entries = [line.split(":", 2) for line in own_cgroup.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in entries:
        root, name = (cgroups, "memory.max") if not controllers else (cgroups / "memory", "memory.limit_in_bytes")
        if controllers and "memory" not in controllers.split(","):
            continue
        folder = root / path.lstrip("/")
        for place in (folder, *folder.parents):
            yield place, name
            if place == root:
                break


def _ignore(_: str) -> None:
    """The finding says it."""
