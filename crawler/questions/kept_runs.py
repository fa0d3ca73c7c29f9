"""Which runs are kept: the snapshots of each target, and the runs that were not finished."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, Verdict
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.reader import StoredRun, UnreadableFolder, stored_runs
from crawler.snapshot.unfinished import UnfinishedRuns


class RunState(StrEnum):
    """What became of a run."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNFINISHED = "unfinished"
    """It was begun and not published. `crawl --resume` may go on with it."""
    RUNNING = "running"
    """A process works on it."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """A snapshot, or a run that was not finished. What is not known is None.

    Attributes:
        started_at: RFC 3339.
        repositories: with the outcome ok. `tags`, `images` and `problems` are counted in them.
        repositories_change: how many more than in the last complete snapshot before it; likewise the others.
        note: why the snapshot is partial, or why the run is unreadable; "" else.
    """

    target: str | None
    started_at: str | None
    run_id: str
    state: RunState
    repositories: int | None = None
    repositories_change: int | None = None
    tags: int | None = None
    tags_change: int | None = None
    images: int | None = None
    images_change: int | None = None
    problems: int | None = None
    note: str = ""


_COMPARED: Final = ("repositories", "tags", "images")


def kept_runs(output: Path, unfinished: UnfinishedRuns, target: str | None = None) -> list[KeptRun]:
    """Every run in an output folder, or those of one target: target by target, the newest first.

    Raises SnapshotError where a folder cannot be read.
    """
    found = [*_snapshots(output), *_unfinished(output, unfinished)]
    chosen = [run for run in found if target is None or run.target == target]
    chosen.sort(key=lambda run: (run.started_at or "", run.run_id))
    compared = _with_changes(chosen)
    return sorted(compared, key=lambda run: run.target or "")


def _snapshots(output: Path) -> Iterator[KeptRun]:
    for stored in stored_runs(output):
        match stored:
            case UnreadableFolder(folder, reason):
                yield KeptRun(
                    target=unquote(folder.parents[1].name.removeprefix("source=")),
                    started_at=None,
                    run_id=folder.name.removeprefix("run="),
                    state=RunState.UNREADABLE,
                    note=reason,
                )
            case StoredRun():
                yield _snapshot(stored)


def _snapshot(stored: StoredRun) -> KeptRun:
    try:
        run_manifest = read_run_manifest(stored.folder)
    except SnapshotError as exc:
        return KeptRun(
            target=stored.target,
            started_at=stored.run.started_at,
            run_id=stored.run.run_id,
            state=RunState.UNREADABLE,
            note=str(exc),
        )
    return _published(run_manifest)


def _published(run_manifest: RunManifest) -> KeptRun:
    counts = run_manifest.counts
    return KeptRun(
        target=run_manifest.target,
        started_at=run_manifest.started_at,
        run_id=run_manifest.run_id,
        state=RunState.COMPLETE if run_manifest.verdict is Verdict.COMPLETE else RunState.PARTIAL,
        repositories=counts.ok,
        tags=counts.tags,
        images=counts.images,
        problems=counts.problems,
        note="; ".join(run_manifest.reasons),
    )


def _unfinished(output: Path, unfinished: UnfinishedRuns) -> Iterator[KeptRun]:
    for run in unfinished.all_runs():
        if isinstance(run, RunParameters):
            if not (output / run.folder).exists():
                state = RunState.RUNNING if unfinished.is_held(run) else RunState.UNFINISHED
                yield KeptRun(target=run.target, started_at=run.started_at, run_id=run.run_id, state=state)
        else:
            yield KeptRun(
                target=run.target or None,
                started_at=None,
                run_id=run.run_id,
                state=RunState.UNREADABLE,
                note=run.reason,
            )


def _with_changes(runs: list[KeptRun]) -> list[KeptRun]:
    """The runs, the newest first, each compared with its target's last complete snapshot before it."""
    last_complete: dict[str | None, KeptRun] = {}
    compared = []
    for run in runs:
        before = last_complete.get(run.target)
        compared.append(run if before is None else replace(run, **_changes(before, run)))
        if run.state is RunState.COMPLETE:
            last_complete[run.target] = run
    return compared[::-1]


def _changes(before: KeptRun, run: KeptRun) -> dict[str, Any]:
    pairs = {name: (getattr(before, name), getattr(run, name)) for name in _COMPARED}
    return {f"{name}_change": new - old for name, (old, new) in pairs.items() if None not in {old, new}}
