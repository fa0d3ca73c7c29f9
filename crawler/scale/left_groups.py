"""Which groups of shards in an output folder will never be merged, and which of these may be removed."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from crawler.errors import SnapshotError
from crawler.model.run_manifest import SHARDS, group_folder
from crawler.model.run_parameters import RunParameters
from crawler.scale.merge import is_merged_whole, remove_group, remove_left_folders
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.group_names import NAMES
from crawler.snapshot.group_retention import GroupState, why_group_is_kept
from crawler.snapshot.locks import Locks
from crawler.snapshot.reader import PublishedRun, subfolders
from crawler.snapshot.retention import folder_size
from crawler.snapshot.shards import TERMS, parse_terms, stored_shards
from crawler.snapshot.unfinished import UnfinishedRuns
from crawler.untrusted_text import printable, quoted_path

_IN_USE: Final = "a process works on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftGroup:
    """A group of one target that no shard can join any more.

    Attributes:
        folder: of the group and the target.
        text: how many of its shards are there, for people.
        kept_because: why it stays; "" where it may be removed.
    """

    folder: Path
    target: str
    text: str
    kept_because: str

    @property
    def group(self) -> str:
        return self.folder.parent.name


class LeftGroups:
    """The groups in an output folder. Those that are younger than `within` are no concern of retention.

    Every method blocks on the disk, and raises SnapshotError.
    """

    def __init__(self, output: Path, locks: Locks, within: timedelta) -> None:
        self._output = output
        self._locks = locks
        self._within = within

    def of_target(self, target: str, kept: Sequence[PublishedRun], now: datetime) -> Iterator[LeftGroup]:
        """The groups of a target that no shard can join any more. `kept` are the snapshots that retention keeps."""
        in_use = self._groups_with_runs(target, now)
        for folder in self._folders():
            if _target(folder) != target or folder.parent.name in in_use:
                continue
            try:
                terms, reported = _terms(folder)
                state = GroupState.of_terms(terms, reported)
            except SnapshotError as exc:
                yield LeftGroup(folder=folder, target=target, text="unreadable", kept_because=str(exc))
                continue
            if now - state.began > self._within:
                reason = _misplaced(folder, terms) or self._why_kept(folder, state, kept, now)
                yield LeftGroup(folder=folder, target=target, text=state.text, kept_because=reason)

    def targets(self) -> list[str]:
        """The targets of all groups, by name."""
        return sorted({_target(folder) for folder in self._folders()})

    def remove(self, left: LeftGroup) -> int:
        """Remove a group. Returns the bytes that this frees; 0 where another process has removed it."""
        folder = left.folder
        with wrap_os_errors(folder), suppress(FileNotFoundError):
            size, lock = folder_size(folder), self._locks.take(folder)
            if lock is None:
                raise SnapshotError(f"{quoted_path(folder)}: {_IN_USE}")
            try:
                remove_group(folder)
            finally:
                lock.release()
            if folder.exists():
                raise SnapshotError(f"{quoted_path(folder)} cannot be removed")
            return size
        return 0

    def remove_leftovers(self) -> None:
        """Remove what kills have left of groups that have no target any more, a while after."""
        for group in subfolders(self._output / SHARDS, ""):
            with suppress(OSError):  # gone by now
                if (
                    not subfolders(group, "source=")
                    and time.time() - group.stat().st_mtime > self._within.total_seconds()
                ):
                    remove_left_folders(group)

    def _folders(self) -> list[Path]:
        return [each for group in subfolders(self._output / SHARDS, "") for each in subfolders(group, "source=")]

    def _groups_with_runs(self, target: str, now: datetime) -> Collection[str | None]:
        """The groups that a shard is crawled for, or can be resumed for."""
        unfinished = UnfinishedRuns(self._output, self._locks)
        runs = (run for run in unfinished.all_runs() if isinstance(run, RunParameters) and run.target == target)
        return {run.group for run in runs if abs(run.age(now)) <= self._within or unfinished.is_held(run)}

    def _is_held(self, folder: Path) -> bool:
        with wrap_os_errors(folder), suppress(FileNotFoundError):
            return self._locks.is_held(folder) or self._locks.is_held(folder / NAMES)
        return False

    def _why_kept(self, folder: Path, state: GroupState, kept: Sequence[PublishedRun], now: datetime) -> str:
        if self._is_held(folder):
            return _IN_USE
        is_merged = is_merged_whole(folder, self._output, self._within)
        merge = "" if is_merged else f"registry-crawler merge --group {state.group}"
        return why_group_is_kept(state, kept, now, merge_command=merge)


def _target(folder: Path) -> str:
    return unquote(folder.name.removeprefix("source="))


def _misplaced(folder: Path, terms: RunParameters) -> str:
    """Why a folder is none that a shard has made; "" where it is. What was put there by hand is not removed."""
    if folder.is_symlink():
        return "it is a symbolic link"
    if folder.parts[-3:] != Path(group_folder(str(terms.group), terms.target)).parts:
        return f"it is a copy of group {printable(str(terms.group))} of {printable(terms.target)}"
    return ""


def _terms(folder: Path) -> tuple[RunParameters, int]:
    """The terms of a group, and how many of its shards are there. Raises SnapshotError.

    Where shards were copied or fetched without the terms, it is what one of the shards was begun with.
    """
    shards = stored_shards(folder)
    parameters = [shard.report.parameters for shard in shards]
    with wrap_os_errors(folder), suppress(FileNotFoundError):
        parameters.insert(0, parse_terms((folder / TERMS).read_bytes(), quoted_path(folder / TERMS)))
    if not parameters:
        raise SnapshotError(f"it has neither {TERMS} nor a shard")
    return parameters[0], len(shards)
