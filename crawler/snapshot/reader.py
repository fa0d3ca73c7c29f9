"""Published snapshots, as far as a later run needs them: which is the newest, and how many repositories it has."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.model.run_manifest import Verdict, source_folder

RUN_MANIFEST: Final = "_run.json"
SUCCESS: Final = "_SUCCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One snapshot of a target. `ok` is how many of its repositories have the outcome ok."""

    run_id: str
    started_at: str
    is_complete: bool
    ok: int


def published_runs(output: Path, target: str) -> Iterator[PublishedRun]:
    """A target's snapshots, the newest first, without those that cannot be read or that are removed meanwhile."""
    try:
        folders = list((output / source_folder(target)).glob("date=*/run=*"))
    except OSError:
        return
    for folder in sorted(folders, key=lambda folder: folder.name, reverse=True):
        if (run := _read_run(folder, target)) is not None:
            yield run


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


def _read_run(folder: Path, target: str) -> PublishedRun | None:
    """The run that a folder's `_run.json` describes; None where the file is unreadable or of another target."""
    try:
        run_manifest: dict[str, Any] = orjson.loads((folder / RUN_MANIFEST).read_bytes())
        run_id, started_at, ok = run_manifest["run_id"], run_manifest["started_at"], run_manifest["counts"]["ok"]
        is_complete = run_manifest["verdict"] == Verdict.COMPLETE
        is_of_target = run_manifest["target"] == target
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
        return None
    if not (is_of_target and isinstance(run_id, str) and isinstance(started_at, str) and isinstance(ok, int)):
        return None
    return PublishedRun(run_id=run_id, started_at=started_at, is_complete=is_complete, ok=ok)
