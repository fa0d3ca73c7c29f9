"""`registry-crawler runs prune`: remove groups of shards that will never be merged, and name those that are left."""

import logging
from collections.abc import Sequence
from datetime import datetime

from crawler.cli import logs
from crawler.cli.prune_mode import PruneMode, PruneRequest
from crawler.cli.prune_report import place_text
from crawler.errors import LakeError, SnapshotError
from crawler.lake.left_groups import LeftHeldGroup, left_held_groups
from crawler.lake.retention import LakePlan, PrunedLake
from crawler.model.words import size_text
from crawler.scale.left_groups import LeftGroup, LeftGroups
from crawler.snapshot.retention import RetentionPlan
from crawler.untrusted_text import printable, quoted_path


def read_left_groups(groups: LeftGroups, plan: RetentionPlan, names: Sequence[str], now: datetime) -> list[LeftGroup]:
    """The groups of these targets that no shard can join; without names, of all targets. Raises SnapshotError.

    Read them before a snapshot is removed: whether a group was merged is seen by its snapshot.
    """
    kept = {each.target: [stored.run for stored in each.kept] for each in plan.targets}
    targets = names or groups.targets()
    return [left for target in targets for left in groups.of_target(target, kept.get(target, ()), now)]


def prune_groups(groups: LeftGroups, left: Sequence[LeftGroup], mode: PruneMode) -> bool:
    """Remove the groups that need not be kept, and name the others. Returns whether all went well."""
    failed = [each for each in left if not _prune(groups, each, mode)]
    try:
        mode.tidy_groups(groups)
    except SnapshotError as exc:
        logs.notice(str(exc), logging.ERROR)
        return False
    return not failed


def prune_held_groups(lake: PrunedLake, plan: LakePlan, names: Sequence[str], request: PruneRequest) -> bool:
    """The same for the groups in a lake. Returns whether all went well: the first error ends it."""
    kept = {each.target: [run.run for run in each.kept] for each in plan.targets}
    try:
        for left in left_held_groups(lake.store, lake.url, kept, request.now, request.within):
            if not names or left.target in names:
                _prune_held(lake, left, request.mode)
    except LakeError as exc:
        logs.notice(str(exc), logging.ERROR)
        return False
    return True


def _prune_held(lake: PrunedLake, left: LeftHeldGroup, mode: PruneMode) -> None:
    """Raises LakeError."""
    url = printable(lake.url)
    what = f"{place_text(left.target, lake.url)}: group {printable(left.group)} ({left.text}, {size_text(left.bytes)})"
    if left.kept_because:
        logs.notice(f"{what} is left: {left.kept_because}; it is in {url}/{printable(left.folder)}")
        return
    mode.drop_held_group(lake, left)
    logs.notice(f"{what} {mode.dropped}", logging.INFO)


def _prune(groups: LeftGroups, left: LeftGroup, mode: PruneMode) -> bool:
    what = f"{printable(left.target)}: group {printable(left.group)} ({left.text}"
    if left.kept_because:
        logs.notice(f"{what}) is left: {left.kept_because}; it is in {quoted_path(left.folder)}")
        return True
    try:
        size = mode.drop_group(groups, left)
    except SnapshotError as exc:
        logs.notice(f"{what}) cannot be removed: {exc}", logging.ERROR)
        return False
    logs.notice(f"{what}, {size_text(size)}) {mode.dropped}", logging.INFO)
    return True
