"""`registry-crawler runs prune`: remove snapshots, prune the digest cache and a lake, and report it."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from crawler.cli import logs
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN
from crawler.cli.prune_groups import prune_groups, prune_held_groups, read_left_groups
from crawler.cli.prune_lake import prune_lake, read_lake_plan
from crawler.cli.prune_mode import PruneMode, PruneRequest
from crawler.cli.prune_report import PrunedTarget, report_run, report_target
from crawler.config import StorageConfig
from crawler.errors import ConfigError, SnapshotError
from crawler.lake.retention import LakePlan, PrunedLake
from crawler.model.names import Target
from crawler.model.run_manifest import source_folder
from crawler.model.words import size_text
from crawler.scale.left_groups import LeftGroups
from crawler.snapshot.locks import configured_locks
from crawler.snapshot.mentions import mentioned_digests
from crawler.snapshot.reader import StoredRun
from crawler.snapshot.retention import Retention, RetentionPlan, plan_retention
from crawler.untrusted_text import printable, quoted_path


def prune(config: StorageConfig, lake: PrunedLake | None, request: PruneRequest) -> int:
    """Prune an output folder, the digest cache and a lake, and report it on standard error. Returns the exit code.

    Everything is read before anything is removed. A lake that fails keeps nothing from being removed elsewhere.
    Raises ConfigError for targets without a snapshot, and SnapshotError where the output folder cannot be read.
    """
    output = config.output.path
    if lake is None and not output.is_dir():
        raise ConfigError([f"{quoted_path(output)}: there is no such folder"])
    names = _parse_targets(request.targets)
    plan = plan_retention(output, request.rules, request.now)
    if lake is None:
        _check_targets(names, [each.target for each in plan.targets], quoted_path(output))
        return _prune_output(config, plan, names, request)
    lake_plan = read_lake_plan(lake, request.rules, request.now)
    if lake_plan is None:
        _prune_output(config, plan, names, request)
        return COULD_NOT_RUN
    known = [each.target for each in plan.targets] + [each.target for each in lake_plan.targets]
    _check_targets(names, known, f"{quoted_path(output)} and in {printable(lake.url)}")
    code = _prune_output(config, plan, names, request)
    lake_code = prune_lake(lake, _lake_plan_of(lake_plan, names), request.mode)
    if lake_code == COMPLETE and not prune_held_groups(lake, lake_plan, names, request):
        lake_code = COULD_NOT_RUN
    return max(code, lake_code)


def _prune_output(config: StorageConfig, plan: RetentionPlan, names: Sequence[str], request: PruneRequest) -> int:
    groups = LeftGroups(config.output.path, configured_locks(config.output), request.within)
    left = read_left_groups(groups, plan, names, request.now)
    pruning = _Pruning(config.output.path, request.mode)
    pruning.prune_snapshots(_plan_of(plan, names, config.output.path), request.now)
    are_groups_pruned = prune_groups(groups, left, request.mode)
    if config.cache.url is not None:
        name = f"digest cache {printable(config.cache.url)}"
        why = "crawls of other output folders may need what it has; to prune it, prune a copy of it: --cache FILE"
        logs.notice(f"{name} is left: {why}", logging.INFO)
    elif config.cache_file is not None and config.cache_file.is_file():
        pruning.prune_cache(config.cache_file, plan)
    return COULD_NOT_RUN if pruning.has_failed or not are_groups_pruned else COMPLETE


def _check_targets(names: Sequence[str], known: Sequence[str], where: str) -> None:
    there_are = ", ".join(map(printable, sorted({*known}))) or "none"
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError([f"there is no snapshot of {name} in {where}; there are: {there_are}" for name in unknown])


def _plan_of(plan: RetentionPlan, names: Sequence[str], output: Path) -> RetentionPlan:
    """What becomes of the snapshots of these targets; without any, of all."""
    if not names:
        return plan
    sources = {output / source_folder(name) for name in names}
    return RetentionPlan(
        tuple(retention for retention in plan.targets if retention.target in names),
        tuple(each for each in plan.unknown if not sources.isdisjoint(each.folder.parents)),
    )


def _lake_plan_of(plan: LakePlan, names: Sequence[str]) -> LakePlan:
    if not names:
        return plan
    return LakePlan(tuple(each for each in plan.targets if each.target in names), plan.unknown, plan.unfinished)


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

    def _prune_target(self, retention: Retention[StoredRun]) -> None:
        target = printable(retention.target)
        dropped = []
        freed = 0
        for stored in retention.dropped:
            try:
                size = self._mode.drop(self._output, stored)
            except SnapshotError as exc:
                self._fail(f"{target}: run {printable(stored.run.run_id)} cannot be removed: {exc}")
                continue
            report_run(target, stored.run, size, self._mode)
            self._dropped.add(stored.folder)
            dropped.append(stored)
            freed += size
        report_target(
            PrunedTarget(target=retention.target, lake=None, kept=retention.kept, dropped=dropped, bytes=freed),
            self._mode,
        )

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except SnapshotError as exc:
            self._fail(str(exc))

    def _fail(self, line: str) -> None:
        self.has_failed = True
        logs.notice(line, logging.ERROR)
