"""The last attempt, the newest snapshot and the last complete one of each target, from an output folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, snapshot_folder
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.reader import published_runs, run_folders
from crawler.snapshot.unfinished import UnfinishedRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHistory:
    """What is on the disk of a target.

    Attributes:
        last_attempt_at: when the newest run was begun, whatever became of it; RFC 3339.
        newest: the newest snapshot; None where there is none.
        last_complete: the newest complete snapshot, which may be the same; None where there is none.
        before: the last complete snapshot before `newest`.
        changes: how many changes of each kind `newest` has since `before`; None where they were not counted.
    """

    target: str
    last_attempt_at: str
    newest: RunManifest | None
    last_complete: RunManifest | None
    before: RunManifest | None
    changes: Mapping[str, int] | None = None


def target_histories(
    output: Path, unfinished: UnfinishedRuns, attempts: Mapping[str, str] | None = None
) -> list[TargetHistory]:
    """The history of each target in an output folder, by its name.

    `attempts` are targets, each with the time of an attempt, that may have left nothing on the disk. Raises
    SnapshotError where a folder cannot be read; a snapshot that cannot be read is no snapshot.
    """
    begun = list((attempts or {}).items())
    begun += [(run.target, run.started_at) for run in unfinished.all_runs() if isinstance(run, RunParameters)]
    stored = {unquote(folder.parents[1].name.removeprefix("source=")) for folder in run_folders(output)}
    targets = sorted({target for target, _ in begun} | stored)
    histories = (_history(output, target, [at for of, at in begun if of == target]) for target in targets)
    return [history for history in histories if history is not None]


def _history(output: Path, target: str, attempts: Sequence[str]) -> TargetHistory | None:
    """The history of a target; None where nothing can be read. Snapshots are read only as far back as it takes."""
    begun = list(attempts)
    newest = last_complete = before = None
    for run in published_runs(output, target):
        begun.append(run.started_at)
        if newest is not None and not run.is_complete:
            continue
        run_manifest = _read(output / snapshot_folder(target, run.started_at, run.run_id))
        if run_manifest is None:
            continue
        if newest is not None:
            before = run_manifest
        if run.is_complete and last_complete is None:
            last_complete = run_manifest
        newest = newest or run_manifest
        if before is not None:
            break
    if not begun:
        return None
    return TargetHistory(
        target=target, last_attempt_at=max(begun), newest=newest, last_complete=last_complete, before=before
    )


def _read(folder: Path) -> RunManifest | None:
    """None for a snapshot of another version, or one that is removed by now: an alert needs the last that counts."""
    try:
        return read_run_manifest(folder)
    except SnapshotError:
        return None
