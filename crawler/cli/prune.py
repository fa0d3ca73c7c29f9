"""`registry-crawler runs prune`: remove snapshots, prune the digest cache, and report it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from crawler.cli import logs
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN
from crawler.config import StorageConfig
from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.file import open_copy
from crawler.digest_cache.storage import CacheStorage
from crawler.errors import ConfigError, SnapshotError
from crawler.model.names import Target
from crawler.model.run_manifest import source_folder
from crawler.snapshot.mentions import mentioned_digests
from crawler.snapshot.reader import StoredRun
from crawler.snapshot.retention import (
    Retention,
    RetentionPlan,
    RetentionRules,
    plan_retention,
    remove,
    remove_empty_folders,
    remove_leftovers,
    size_on_disk,
)
from crawler.untrusted_text import printable, quoted_path


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneMode:
    """What a prune and a dry run do differently.

    Attributes:
        dropped, freed: the verbs of its messages.
        drop: takes the output folder and a snapshot; returns the bytes that this frees. Raises SnapshotError.
        prepare: comes first; takes the output folder. Raises SnapshotError.
        tidy: comes last; takes the output folder and the time. Raises SnapshotError.
        open_cache: opens the digest cache, or a copy that may be changed.
    """

    is_dry_run: bool
    dropped: str
    freed: str
    drop: Callable[[Path, StoredRun], int]
    prepare: Callable[[Path], None]
    tidy: Callable[[Path, datetime], None]
    open_cache: Callable[[Path], DigestCache]


def _size_of(_: Path, stored: StoredRun) -> int:
    return size_on_disk(stored)


def _change_nothing(*_: object) -> None:
    pass


def _open_cache_copy(path: Path) -> DigestCache:
    return DigestCache(CacheStorage(None, open_copy(path)))


REMOVING: Final = PruneMode(
    is_dry_run=False,
    dropped="dropped",
    freed="freed",
    drop=remove,
    prepare=remove_leftovers,
    tidy=remove_empty_folders,
    open_cache=DigestCache.open,
)
DRY_RUN: Final = PruneMode(
    is_dry_run=True,
    dropped="would be dropped",
    freed="would be freed",
    drop=_size_of,
    prepare=_change_nothing,
    tidy=_change_nothing,
    open_cache=_open_cache_copy,
)


def prune(config: StorageConfig, targets: Sequence[str], rules: RetentionRules, mode: PruneMode, now: datetime) -> int:
    """Prune an output folder and the digest cache, and report it on standard error. Returns the exit code.

    Without targets, the snapshots of every target are pruned. Raises ConfigError for targets without a snapshot, and
    SnapshotError where the output folder cannot be read.
    """
    output = config.output.path
    if not output.is_dir():
        raise ConfigError([f"{quoted_path(output)}: there is no such folder"])
    plan = _selected(plan_retention(output, rules, now), output, targets)
    pruning = _Pruning(output, mode)
    pruning.prune_snapshots(plan, now)
    if config.cache.url is not None:
        name = f"digest cache {printable(config.cache.url)}"
        why = "crawls of other output folders may need what it has; to prune it, prune a copy of it: --cache FILE"
        logs.notice(f"{name} is left: {why}", logging.INFO)
    elif config.cache_file is not None and config.cache_file.is_file():
        pruning.prune_cache(config.cache_file, plan)
    return COULD_NOT_RUN if pruning.has_failed else COMPLETE


def _selected(plan: RetentionPlan, output: Path, targets: Sequence[str]) -> RetentionPlan:
    if not targets:
        return plan
    names = _parse_targets(targets)
    known = {retention.target for retention in plan.targets}
    there_are = ", ".join(map(printable, sorted(known))) or "none"
    mistakes = [
        f"there is no snapshot of {name} in {quoted_path(output)}; there are: {there_are}"
        for name in names
        if name not in known
    ]
    if mistakes:
        raise ConfigError(mistakes)
    sources = {output / source_folder(name) for name in names}
    return RetentionPlan(
        tuple(retention for retention in plan.targets if retention.target in names),
        tuple(each for each in plan.unknown if not sources.isdisjoint(each.folder.parents)),
    )


def _parse_targets(targets: Sequence[str]) -> list[str]:
    names, mistakes = [], []
    for text in targets:
        try:
            names.append(str(Target.parse(text)))
        except ValueError as exc:
            mistakes.append(f"TARGET {printable(text)}: {exc}")
    if mistakes:
        raise ConfigError(mistakes)
    return names


class _Pruning:
    """One prune. What cannot be removed is reported, and the rest goes on."""

    def __init__(self, output: Path, mode: PruneMode) -> None:
        self._output = output
        self._mode = mode
        self._dropped: set[Path] = set()
        self.has_failed = False

    def prune_snapshots(self, plan: RetentionPlan, now: datetime) -> None:
        for unknown in plan.unknown:
            logs.notice(f"{quoted_path(unknown.folder)} is left: {unknown.reason}")
        if not plan.targets:
            logs.notice(f"there are no snapshots in {quoted_path(self._output)}", logging.INFO)
        self._attempt(partial(self._mode.prepare, self._output))
        for retention in plan.targets:
            self._prune_target(retention)
        self._attempt(partial(self._mode.tidy, self._output, now))

    def prune_cache(self, path: Path, plan: RetentionPlan) -> None:
        name = f"digest cache {quoted_path(path)}"
        if not plan.targets:
            # the output folder may be the wrong one, or not mounted
            logs.notice(f"{name} is left: there are no snapshots that mention anything")
            return
        with self._mode.open_cache(path) as cache:
            try:
                freed = cache.keep_only(mentioned_digests(self._output, self._dropped))
            except SnapshotError as exc:
                self._fail(f"{name} is not pruned: {exc}")
                return
        if cache.notes:
            for note in cache.notes:
                self._fail(note)
            return
        logs.notice(
            f"{name}: {size_text(freed)} {self._mode.freed}",
            logging.INFO,
            event="cache_pruned",
            bytes_freed=freed,
            dry_run=self._mode.is_dry_run,
        )

    def _prune_target(self, retention: Retention) -> None:
        target = printable(retention.target)
        dropped = []
        freed = 0
        for stored in retention.dropped:
            try:
                size = self._mode.drop(self._output, stored)
            except SnapshotError as exc:
                self._fail(f"{target}: run {printable(stored.run.run_id)} cannot be removed: {exc}")
                continue
            logs.notice(f"{target}: {_run_text(stored, size)} {self._mode.dropped}", logging.INFO)
            self._dropped.add(stored.folder)
            dropped.append(stored)
            freed += size
        logs.notice(
            f"{target}: {_kept_text(retention.kept)}; {len(dropped):,} {self._mode.dropped}, "
            f"{size_text(freed)} {self._mode.freed}",
            logging.INFO,
            event="pruned",
            target=retention.target,
            kept=[stored.run.run_id for stored in retention.kept],
            dropped=[stored.run.run_id for stored in dropped],
            bytes_freed=freed,
            dry_run=self._mode.is_dry_run,
        )

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except SnapshotError as exc:
            self._fail(str(exc))

    def _fail(self, line: str) -> None:
        self.has_failed = True
        logs.notice(line, logging.ERROR)


def _run_text(stored: StoredRun, size: int) -> str:
    verdict = "complete" if stored.run.is_complete else "partial"
    return f"run {printable(stored.run.run_id)} ({verdict}, {size_text(size)})"


def _kept_text(kept: Sequence[StoredRun]) -> str:
    """How many snapshots are kept, and from when to when; the newest is the first."""
    first, last = (each.run.started_at[:10] for each in (kept[-1], kept[0]))
    dates = first if first == last else f"{first} to {last}"
    return f"{len(kept):,} {'snapshot' if len(kept) == 1 else 'snapshots'} kept ({dates})"


def size_text(size: int) -> str:
    """Bytes in their largest unit: `1.5 GB`, `12 MB`, `310 bytes`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size < 1000 * factor else f"{size / factor:,.0f} {unit}"
    return f"{size} bytes"
