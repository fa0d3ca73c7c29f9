"""With which earlier snapshot a snapshot is compared."""

from collections.abc import Callable
from datetime import datetime, timedelta

from crawler.errors import SnapshotError
from crawler.tables.selection import SelectedSnapshot, earlier_snapshots
from crawler.untrusted_text import printable


def baseline_of(
    snapshot: SelectedSnapshot, days: int, can_answer: Callable[[SelectedSnapshot], bool]
) -> SelectedSnapshot:
    """The newest complete snapshot of the target that was begun at least `days` before this one.

    Where none is as old, the oldest complete one that is earlier. One that cannot answer the question does not count.
    Raises SnapshotError where there is none.
    """
    complete = [earlier for earlier in earlier_snapshots(snapshot) if earlier.is_complete]
    old = [earlier for earlier in complete if (_began(snapshot) - _began(earlier)) // timedelta(days=1) >= days]
    younger = complete[: len(complete) - len(old)]
    found = next(filter(can_answer, [*old, *reversed(younger)]), None)
    if found is None:
        reason = "no complete snapshot" if not complete else "no complete snapshot that is deep enough"
        raise SnapshotError(
            f"{printable(snapshot.target)} has {reason} before {snapshot.run_id}: it takes two to compare"
        )
    return found


def _began(snapshot: SelectedSnapshot) -> datetime:
    return datetime.fromisoformat(snapshot.started_at)
