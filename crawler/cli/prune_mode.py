"""What `registry-crawler runs prune` does, and what it does with --dry-run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.file import open_copy
from crawler.digest_cache.storage import CacheStorage
from crawler.lake.left_groups import LeftHeldGroup, remove_held_group
from crawler.lake.retention import LakeRun, PrunedLake, remove_runs
from crawler.scale.left_groups import LeftGroup, LeftGroups
from crawler.snapshot.reader import StoredRun
from crawler.snapshot.retention import (
    RetentionRules,
    folder_size,
    remove,
    remove_empty_folders,
    remove_leftovers,
    size_on_disk,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneMode:
    """What a prune and a dry run do differently.

    Attributes:
        dropped, freed: the verbs of its messages.
        drop: takes the output folder and a snapshot; returns the bytes that this frees. Raises SnapshotError.
        prepare: comes first; takes the output folder. Raises SnapshotError.
        tidy: comes last; takes the output folder and the time. Raises SnapshotError.
        open_cache: opens the digest cache, or a copy that may be changed.
        drop_group: takes the groups of an output folder and one of them; returns the bytes that this frees. Raises
            SnapshotError.
        tidy_groups: comes after; takes the groups of an output folder. Raises SnapshotError.
        drop_held_group: takes a lake and a group of shards in it. Raises LakeError.
        drop_runs: takes a lake and runs of it. Raises LakeError, and may have removed some of them.
    """

    is_dry_run: bool
    dropped: str
    freed: str
    drop: Callable[[Path, StoredRun], int]
    prepare: Callable[[Path], None]
    tidy: Callable[[Path, datetime], None]
    open_cache: Callable[[Path], DigestCache]
    drop_group: Callable[[LeftGroups, LeftGroup], int]
    tidy_groups: Callable[[LeftGroups], None]
    drop_held_group: Callable[[PrunedLake, LeftHeldGroup], None]
    drop_runs: Callable[[PrunedLake, Sequence[LakeRun]], None]


def _size_of(_: Path, stored: StoredRun) -> int:
    return size_on_disk(stored)


def _size_of_group(_: LeftGroups, left: LeftGroup) -> int:
    return folder_size(left.folder)


def _remove_held_group(lake: PrunedLake, left: LeftHeldGroup) -> None:
    remove_held_group(lake.store, left)


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
    drop_group=LeftGroups.remove,
    tidy_groups=LeftGroups.remove_leftovers,
    drop_held_group=_remove_held_group,
    drop_runs=remove_runs,
)
DRY_RUN: Final = PruneMode(
    is_dry_run=True,
    dropped="would be dropped",
    freed="would be freed",
    drop=_size_of,
    prepare=_change_nothing,
    tidy=_change_nothing,
    open_cache=_open_cache_copy,
    drop_group=_size_of_group,
    tidy_groups=_change_nothing,
    drop_held_group=_change_nothing,
    drop_runs=_change_nothing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """What is to be pruned, and when. Without targets, the snapshots of every target are.

    Groups of shards are left alone while they are younger than `within`: a shard may join them.
    """

    targets: Sequence[str]
    rules: RetentionRules
    mode: PruneMode
    now: datetime
    within: timedelta
