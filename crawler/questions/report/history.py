"""How the registry has grown over the snapshots that are kept, and what has changed since the last one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from crawler.errors import SnapshotError
from crawler.questions.diff.changes import Change, ChangeKind, Comparison, compare
from crawler.questions.report.statements import statement
from crawler.snapshot.reader import published_runs
from crawler.tables.database import open_database
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable

POINTS_SHOWN: Final = 100
"""More would be closer to each other than a pixel, and the table beside the chart has a row for each."""

CHANGES_SHOWN: Final = 10
_LONGEST_DETAIL: Final = 160
_LONGEST_REASON: Final = 500
_SHORT_DIGEST: Final = len("sha256:") + 12

_WITH_EXAMPLES: Final = (
    ChangeKind.REPOSITORY_REMOVED,
    ChangeKind.REPOSITORY_EMPTIED,
    ChangeKind.REPOSITORY_ADDED,
    ChangeKind.TAG_MOVED,
    ChangeKind.TAG_REMOVED,
    ChangeKind.SIGNATURE_REMOVED,
    ChangeKind.PROBLEM_NEW,
    ChangeKind.UNKNOWN,
)
"""The kinds of changes that are shown one by one, the most urgent first. The others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """What one snapshot counted. `images` is None where nothing listed any. A partial one may have missed some."""

    run_id: str
    started_at: datetime
    is_complete: bool
    repositories: int
    tags: int
    images: int | None


@dataclass(frozen=True, slots=True)
class Growth:
    """The snapshots that are kept, the oldest first; `kept` is how many, of which some are left out of `points`."""

    points: tuple[GrowthPoint, ...]
    kept: int

    @property
    def has_partial(self) -> bool:
        return not all(point.is_complete for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerSnapshot:
    """The newest snapshot of a target, where it is newer than the one of the report."""

    run_id: str
    started_at: datetime
    is_complete: bool


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change in words. `where` is the repository, with the tag or digest; "" for one of the whole snapshot."""

    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class ChangesOfKind:
    """The changes of one kind: the first few, and how many more there are."""

    kind: str
    shown: tuple[ShownChange, ...]
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChanges:
    """What changed since the last complete snapshot before this one.

    Attributes:
        old_run_id, old_started_at: that snapshot.
        notes: what the two snapshots cannot tell.
        counts: how many changes of each kind, where there are any.
        examples: the changes of the kinds that matter most.
    """

    old_run_id: str
    old_started_at: datetime
    notes: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    examples: tuple[ChangesOfKind, ...]


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Why the last complete snapshot before this one cannot be compared with it: it is damaged, or was removed."""

    old_run_id: str
    reason: str


def newer_snapshot(snapshot: SelectedSnapshot) -> NewerSnapshot | None:
    """The newest snapshot of the same target that was begun after this one; None where this is the newest.

    Without a name the report is of the newest complete snapshot: the last night may have been partial.
    """
    if snapshot.output is None:
        return None
    runs = list(published_runs(snapshot.output, snapshot.target))
    newest = max(runs, key=lambda run: run.age_order, default=None)
    if newest is None or newest.age_order <= (snapshot.started_at, snapshot.run_id):
        return None
    return NewerSnapshot(
        run_id=printable(newest.run_id), started_at=_time(newest.started_at), is_complete=newest.is_complete
    )


def read_growth(snapshots: Sequence[SelectedSnapshot]) -> Growth:
    """The growth over some snapshots of one target: their `_run.json` is enough. Raises SnapshotError."""
    without_records = [replace(snapshot, data_files=()) for snapshot in snapshots]
    with open_database(without_records) as database:
        points = [
            GrowthPoint(
                run_id=printable(run_id),
                started_at=started_at,
                is_complete=verdict == "complete",
                repositories=repositories,
                tags=tags,
                images=images,
            )
            for run_id, started_at, verdict, repositories, tags, images in database.query(statement("growth")).rows
        ]
    return Growth(tuple(_thinned(points)), len(points))


def _thinned(points: list[GrowthPoint]) -> list[GrowthPoint]:
    """At most POINTS_SHOWN of them, evenly, the first and the last among them."""
    if len(points) <= POINTS_SHOWN:
        return points
    return [points[round(i * (len(points) - 1) / (POINTS_SHOWN - 1))] for i in range(POINTS_SHOWN)]


def read_last_changes(
    earlier: Sequence[SelectedSnapshot], snapshot: SelectedSnapshot
) -> LastChanges | NotCompared | None:
    """What changed since the newest complete one of the earlier snapshots; None where there is none."""
    old = next((before for before in earlier if before.is_complete), None)
    if old is None:
        return None
    try:
        return _last_changes(old, snapshot)
    except SnapshotError as exc:  # where the new snapshot is the damaged one, its tables cannot be read either
        return NotCompared(printable(old.run_id), printable(str(exc), _LONGEST_REASON))


def _last_changes(old: SelectedSnapshot, snapshot: SelectedSnapshot) -> LastChanges:
    """Raises SnapshotError."""
    with compare(old, snapshot) as comparison:
        return LastChanges(
            old_run_id=printable(old.run_id),
            old_started_at=_time(old.started_at),
            notes=tuple(printable(note) for note in comparison.notes),
            counts=tuple((kind.value, count) for kind, count in comparison.counts.items() if count),
            examples=tuple(_changes(comparison, kind) for kind in _WITH_EXAMPLES if comparison.counts[kind]),
        )


def _changes(comparison: Comparison, kind: ChangeKind) -> ChangesOfKind:
    shown = tuple(_shown(change) for change in comparison.changes_of(kind, CHANGES_SHOWN))
    return ChangesOfKind(kind.value, shown, comparison.counts[kind] - len(shown))


def _shown(change: Change) -> ShownChange:
    digest = change.subject_digest or change.new_digest or change.old_digest
    place = f":{change.tag}" if change.tag is not None else f"@{digest}" if digest is not None else ""
    moved = change.kind is ChangeKind.TAG_MOVED
    digests = f"from {_shortened(change.old_digest)} to {_shortened(change.new_digest)}" if moved else ""
    detail = "; ".join(part for part in (digests, change.detail) if part)
    return ShownChange(printable(f"{change.repository or ''}{place}"), printable(detail, _LONGEST_DETAIL))


def _shortened(digest: str | None) -> str:
    """A digest as people tell two apart; `registry-crawler diff` has all of it."""
    return (digest or "")[:_SHORT_DIGEST]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
