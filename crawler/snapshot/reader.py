"""Published snapshots, as far as later runs and retention need them: where they are, and what `_run.json` says."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.model.run_manifest import Verdict, source_folder
from crawler.snapshot.disk import wrap_os_errors

RUN_MANIFEST: Final = "_run.json"
SUCCESS: Final = "_SUCCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One snapshot of a target. `ok` is how many of its repositories have the outcome ok."""

    run_id: str
    started_at: str
    is_complete: bool
    ok: int

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts the snapshots of a target, the oldest first. Merges of one group began together: the ids decide."""
        return self.started_at, self.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A snapshot, its target, and its folder."""

    folder: Path
    target: str
    run: PublishedRun


@dataclass(frozen=True, slots=True)
class UnreadableFolder:
    """A folder in the place of a snapshot, of which nothing is known. `reason` says why."""

    folder: Path
    reason: str


class _UnreadableRunError(ValueError):
    """A folder whose `_run.json` cannot be read. The message says why."""


def published_runs(output: Path, target: str) -> Iterator[PublishedRun]:
    """A target's snapshots, the newest first, without those that cannot be read or that are removed meanwhile."""
    try:
        folders = list((output / source_folder(target)).glob("date=*/run=*"))
    except OSError:
        return
    for _, of_second in groupby(sorted(folders, key=lambda folder: folder.name, reverse=True), _second):
        runs = [run for folder in of_second if (run := _read_run(folder, target)) is not None]
        yield from sorted(runs, key=lambda run: run.age_order, reverse=True)


def _second(folder: Path) -> str:
    """The second in which a run began, as its folder's name has it. What follows there is random."""
    return folder.name.partition("-")[0]


def last_complete(output: Path, target: str, started_at: str) -> PublishedRun | None:
    """The newest complete snapshot of a target that was begun before `started_at`, to compare a run with.

    Where every complete snapshot was begun later, it is the newest of them: the clock was put back, or another run was
    quicker. None where the target has no complete snapshot.
    """
    newest = None
    for run in published_runs(output, target):
        if not run.is_complete:
            continue
        if run.started_at < started_at:
            return run
        if newest is None:
            newest = run
    return newest


def stored_runs(output: Path) -> list[StoredRun | UnreadableFolder]:
    """Every snapshot in an output folder, and every other folder in the place of one.

    Raises SnapshotError where a folder above them cannot be read.
    """
    return [found for folder in run_folders(output) if (found := _stored_run(folder)) is not None]


def stored_snapshots(output: Path) -> list[StoredRun]:
    """Every snapshot in an output folder that can be read. Raises SnapshotError as `stored_runs` does."""
    return [found for found in stored_runs(output) if isinstance(found, StoredRun)]


def run_folders(output: Path) -> list[Path]:
    """Every folder `source=*/date=*/run=*`, in this order. Raises SnapshotError where one above cannot be read."""
    # Path.glob leaves out what it may not read: retention would count such a snapshot as gone
    folders = [output]
    for prefix in ("source=", "date=", "run="):
        folders = [child for folder in folders for child in subfolders(folder, prefix)]
    return folders


def subfolders(folder: Path, prefix: str) -> list[Path]:
    """The folders in a folder whose name has a prefix, by name; none where it is gone. Raises SnapshotError."""
    with wrap_os_errors(folder):
        try:
            return sorted(child for child in folder.iterdir() if child.name.startswith(prefix) and child.is_dir())
        except FileNotFoundError:
            return []


def _stored_run(folder: Path) -> StoredRun | UnreadableFolder | None:
    """What a folder holds; None where it is gone by now."""
    try:
        return _parse_run(folder)
    except _UnreadableRunError as exc:
        return UnreadableFolder(folder, str(exc)) if folder.is_dir() else None


def _read_run(folder: Path, target: str) -> PublishedRun | None:
    """The run that a folder's `_run.json` describes; None where the file is unreadable or of another target."""
    try:
        stored = _parse_run(folder)
    except _UnreadableRunError:
        return None
    return stored.run if stored.target == target else None


def _parse_run(folder: Path) -> StoredRun:
    """Raises _UnreadableRunError."""
    try:
        run_manifest: dict[str, Any] = orjson.loads((folder / RUN_MANIFEST).read_bytes())
        run_id, started_at, ok = run_manifest["run_id"], run_manifest["started_at"], run_manifest["counts"]["ok"]
        target, is_complete = run_manifest["target"], run_manifest["verdict"] == Verdict.COMPLETE
    except OSError as exc:
        raise _UnreadableRunError(f"its {RUN_MANIFEST} cannot be read: {exc.strerror}") from None
    except orjson.JSONDecodeError:
        raise _UnreadableRunError(f"its {RUN_MANIFEST} is not JSON") from None
    except (TypeError, KeyError):
        raise _UnreadableRunError(f"its {RUN_MANIFEST} is not a run's") from None
    if not (
        isinstance(target, str) and isinstance(run_id, str) and isinstance(started_at, str) and isinstance(ok, int)
    ):
        raise _UnreadableRunError(f"its {RUN_MANIFEST} is not a run's")
    run = PublishedRun(run_id=run_id, started_at=started_at, is_complete=is_complete, ok=ok)
    return StoredRun(folder=folder, target=target, run=run)
