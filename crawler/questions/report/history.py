"""How the registry has grown over the snapshots that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crawler.questions.report.statements import statement
from crawler.tables.database import open_database
from crawler.tables.selection import SelectedSnapshot, earlier_snapshots
from crawler.untrusted_text import printable

POINTS_SHOWN: Final = 100
"""More would be closer to each other than a pixel, and the table beside the chart has a row for each."""


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


def snapshots_before(snapshot: SelectedSnapshot) -> list[SelectedSnapshot]:
    """The snapshots of the same target that were begun before this one, the newest first. Raises SnapshotError.

    A snapshot by itself, copied out of its output folder, may lie at the top of a disk: then there are none.
    """
    return earlier_snapshots(snapshot) if len(snapshot.folder.parents) > 2 else []


def read_growth(snapshots: Sequence[SelectedSnapshot]) -> Growth:
    """The growth over some snapshots of one target. Raises SnapshotError."""
    with open_database(snapshots) as database:
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
