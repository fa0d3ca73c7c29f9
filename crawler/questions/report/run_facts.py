"""What a run found, and whether its snapshot can be trusted: `_run.json`, made fit to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crawler.model.record import Outcome
from crawler.tables.database import Database
from crawler.untrusted_text import printable

_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class SlowRepository:
    """A repository that took long to list; `seconds` of the run's own clock."""

    repository: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run says of itself. Every text is printable.

    Attributes:
        started_at: UTC.
        duration: from the start to the end, pauses between resumed parts included.
        reasons: why the snapshot may be incomplete; empty for a complete one.
        evidence: why discovery is thought to be complete, or is not.
        outcomes: how many repositories have each outcome, in the order of `Outcome`.
        images: None where no record lists images.
        unread: images that were not read as deep as asked.
        slowest: the slowest first.
    """

    target: str
    run_id: str
    started_at: datetime
    duration: timedelta
    identity: str
    tool_version: str
    is_complete: bool
    reasons: tuple[str, ...]
    evidence: str
    depth: str
    referrers: str
    repositories: int
    outcomes: tuple[tuple[str, int], ...]
    suspect: int
    tags: int
    images: int | None
    problems: int
    unread: int
    exchanges: int
    slowest: tuple[SlowRepository, ...]


def read_run_facts(database: Database) -> RunFacts:
    """The facts of the only run in a database. Raises SnapshotError."""
    result = database.query("SELECT * FROM run_manifests")
    run: dict[str, Any] = dict(zip(result.columns, next(iter(result.rows)), strict=True))
    started_at, counts = _time(run["started_at"]), _numbers(run["counts"])
    return RunFacts(
        target=printable(run["target"]),
        run_id=printable(run["run_id"]),
        started_at=started_at,
        duration=_time(run["finished_at"]) - started_at,
        identity=printable(run["identity"]),
        tool_version=printable(run["tool"]["version"]),
        is_complete=run["verdict"] == "complete",
        reasons=tuple(printable(reason, _LONGEST_REASON) for reason in run["reasons"]),
        evidence=printable(run["discovery"]["evidence"], _LONGEST_REASON),
        depth=printable(run["depth"]),
        referrers=printable(run["referrers"]),
        repositories=counts["repositories"],
        outcomes=tuple((outcome.value, counts[outcome]) for outcome in Outcome),
        suspect=counts["suspect"],
        tags=counts["tags"],
        images=run["counts"]["images"],
        problems=counts["problems"],
        unread=counts["unread"],
        exchanges=run["requests"]["total"],
        slowest=tuple(SlowRepository(printable(slow["repository"]), slow["seconds"]) for slow in run["slowest"]),
    )


def _numbers(counts: Mapping[str, int | None]) -> dict[str, int]:
    """A field that an earlier version did not write is null."""
    return {name: number or 0 for name, number in counts.items()}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
