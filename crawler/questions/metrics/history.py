"""The last attempt, the newest snapshot and the last complete one of each target, from an output folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.reader import StoredRun, stored_snapshots
from crawler.snapshot.unfinished import UnfinishedRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHistory:
    """What is on the disk of a target.

    Attributes:
        last_attempt_at: when the newest run was begun, whatever became of it; RFC 3339.
        newest: the newest snapshot; None where there is none.
        last_complete: the newest complete snapshot, which may be the same; None where there is none.
        before: the last complete snapshot before `newest`.
    """

    target: str
    last_attempt_at: str
    newest: RunManifest | None
    last_complete: RunManifest | None
    before: RunManifest | None


def target_histories(
    output: Path, unfinished: UnfinishedRuns, attempts: Mapping[str, str] | None = None
) -> list[TargetHistory]:
    """The history of each target in an output folder, by its name.

    `attempts` are targets, each with the time of an attempt, that may have left nothing on the disk. Raises
    SnapshotError where a folder cannot be read; a snapshot that cannot be read is no snapshot.
    """
    begun = list((attempts or {}).items())
    begun += [(run.target, run.started_at) for run in unfinished.all_runs() if isinstance(run, RunParameters)]
    stored = stored_snapshots(output)
    targets = sorted({target for target, _ in begun} | {found.target for found in stored})
    return [_history(target, [at for of, at in begun if of == target], stored) for target in targets]


def _history(target: str, attempts: list[str], stored: Iterable[StoredRun]) -> TargetHistory:
    snapshots = sorted(
        (found for found in stored if found.target == target), key=lambda found: found.run.started_at, reverse=True
    )
    newest = _first_readable(snapshots)
    complete = [found for found in snapshots if found.run.is_complete]
    return TargetHistory(
        target=target,
        last_attempt_at=max([*attempts, *(found.run.started_at for found in snapshots)]),
        newest=newest,
        last_complete=_first_readable(complete),
        before=_first_readable(found for found in complete if newest is not None and _is_before(found, newest)),
    )


def _is_before(found: StoredRun, newest: RunManifest) -> bool:
    return found.run.run_id != newest.run_id and found.run.started_at <= newest.started_at


def _first_readable(snapshots: Iterable[StoredRun]) -> RunManifest | None:
    """Without those of another version, and those that are removed by now: an alert needs the last one that counts."""
    return next(filter(None, map(_read, snapshots)), None)


def _read(stored: StoredRun) -> RunManifest | None:
    try:
        return read_run_manifest(stored.folder)
    except SnapshotError:
        return None
