"""Runs, records and run manifests made by hand, for tests of the disk that need no registry."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from crawler.model.record import Outcome, Problem, ProblemKind, Record
from crawler.model.run_manifest import (
    CacheUse,
    Counts,
    Discovered,
    PaceKept,
    Requests,
    RunManifest,
    SnapshotFile,
    Tool,
    Verdict,
)
from crawler.model.run_parameters import RunParameters
from crawler.sinks.jsonl import encode
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import FileLocks, Locks
from crawler.snapshot.publish import Draft
from crawler.snapshot.unfinished import UnfinishedRuns

TARGET = "localhost:5000/team"
RUN_ID = "20261123T020000Z-0001"
WITHIN = timedelta(hours=20)


def parameters(run_id: str = RUN_ID, **changes: Any) -> RunParameters:
    usual = {
        "run_id": run_id,
        "started_at": "2026-11-23T02:00:00.000Z",
        "target": TARGET,
        "kind": "distribution",
        "identity": "basic: reader",
        "images_from": "listing",
        "location": None,
        "api_path": "/v2/",
        "discovery": "auto",
        "repositories_from": None,
        "include": (),
        "exclude": (),
        "depth": "tags",
        "referrers": "none",
        "include_tags": (),
        "exclude_tags": (),
    }
    return RunParameters(**{**usual, **changes})


def record(name: str, **changes: Any) -> Record:
    usual = {
        "schema": 2,
        "run_id": RUN_ID,
        "target": TARGET,
        "registry": "localhost:5000",
        "repository": name,
        "outcome": Outcome.OK,
        "tags": ("1.0",),
        "images": None,
        "children": None,
        "problems": (),
        "suspect": None,
        "error": None,
        "observed_at": "2026-11-23T02:00:01.000Z",
    }
    return Record(**{**usual, **changes})


def problem() -> Problem:
    return Problem(
        problem=ProblemKind.DANGLING_TAG,
        tag="1",
        digest=None,
        code="MANIFEST_UNKNOWN",
        http_status=404,
        message="not there",
    )


def run_manifest(files: tuple[SnapshotFile, ...], **changes: Any) -> RunManifest:
    usual = {
        "schema": 2,
        "run_id": RUN_ID,
        "target": TARGET,
        "registry": "localhost:5000",
        "kind": "distribution",
        "tool": Tool(name="registry-crawler", version="0"),
        "started_at": "2026-11-23T02:00:00.000Z",
        "finished_at": "2026-11-23T02:10:00.000Z",
        "resumed_at": (),
        "identity": "anonymous",
        "verdict": Verdict.COMPLETE,
        "reasons": (),
        "discovery": Discovered(method="catalog", pages=1, repositories=2, complete=True, evidence="no next link"),
        "depth": "tags",
        "referrers": "none",
        "counts": Counts(repositories=2, ok=2),
        "problems": {},
        "requests": Requests(),
        "cache": CacheUse(),
        "pace": PaceKept(
            configured="64 at once, no rate limit", median_per_s=10.0, lowest_concurrency=64, set_by="the concurrency"
        ),
        "files": files,
        "config": {},
        "slowest": (),
        "previous_run_id": None,
    }
    return RunManifest(**{**usual, **changes})


def unfinished(output: Path, locks: Locks | None = None) -> UnfinishedRuns:
    return UnfinishedRuns(output, FileLocks() if locks is None else locks, WITHIN)


def journaled(output: Path, *lines: bytes, **changes: Any) -> Journal:
    """A run that is begun, with these lines in its journal. Parameters may be changed by name."""
    journal = unfinished(output).begin(parameters(**changes))
    with journal.appended() as file:
        file.write(b"".join(lines))
    return journal


def journal_content(journal: Journal) -> bytes:
    """All lines of a journal, part after part."""
    return b"".join(part.read_bytes() for part in journal.parts)


def left_by_a_kill(output: Path, *lines: bytes, **changes: Any) -> Path:
    """The folder of a run with these lines in its journal, whose process has ended."""
    journal = journaled(output, *lines, **changes)
    journal.close()
    return journal.folder


def published(output: Path, run_id: str, started_at: str, **changes: Any) -> None:
    """Publish a snapshot of one record. The run manifest may be changed by name."""
    journal = journaled(output, encode([record("team/a")]), run_id=run_id, started_at=started_at)
    draft = Draft(journal)
    draft.publish(output, run_manifest(draft.write("none", 1), run_id=run_id, started_at=started_at, **changes))
    journal.close()


def run_ids(output: Path) -> list[str]:
    return sorted(folder.name for folder in (output / ".unfinished").iterdir())
