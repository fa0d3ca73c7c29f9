"""Which groups of shards retention keeps, on a disk or in a lake.

A group is as good as the snapshot that its shards would make. Where a shard is missing, that is a partial one, which
retention keeps only while no complete snapshot is newer. Where all shards are there, and were never merged, it may be a
complete one: then it stays until it is older than every snapshot that is kept of its target.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from crawler.errors import SnapshotError
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.reader import PublishedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """How far a group of one target is.

    Attributes:
        began: in UTC.
        reported: how many shards have reported, of `shards`.
    """

    group: str
    began: datetime
    reported: int
    shards: int

    @classmethod
    def of_terms(cls, terms: RunParameters, reported: int) -> Self:
        """By the terms of a group, or by what one of its shards was begun with. Raises SnapshotError."""
        try:
            began = datetime.fromisoformat(terms.agreed_at or terms.started_at).astimezone(UTC)
        except (ValueError, OverflowError):
            raise SnapshotError("its started_at is no time") from None
        return cls(group=str(terms.group), began=began, reported=reported, shards=terms.shards or 0)

    @property
    def text(self) -> str:
        """For people."""
        return f"begun {self.began:%Y-%m-%d}, {self.reported:,} of {self.shards:,} shards"

    @property
    def is_whole(self) -> bool:
        return self.reported == self.shards

    def has_newer(self, kept: Iterable[PublishedRun], now: datetime) -> bool:
        """Whether a complete snapshot of the target began after the group.

        One from the future does not count, as in `retention.choose`: its clock was wrong.
        """
        return any(run.is_complete and self.began <= _began(run) <= now for run in kept)

    def is_oldest(self, kept: Iterable[PublishedRun]) -> bool:
        """Whether every snapshot of the target began after the group."""
        return all(_began(run) >= self.began for run in kept)


def why_group_is_kept(state: GroupState, kept: Iterable[PublishedRun], now: datetime, *, merge_command: str) -> str:
    """Why a group is kept that no shard can join; "" where it need not be.

    `kept` are the snapshots of its target that retention keeps. `merge_command` makes the snapshot of a group that has
    all its shards; "" where it was merged.
    """
    runs = list(kept)
    if not state.has_newer(runs, now):
        return "no complete snapshot of its target is newer"
    if state.is_whole and merge_command and not state.is_oldest(runs):
        return f"all its shards are there: `{merge_command}` makes the snapshot"
    return ""


def _began(run: PublishedRun) -> datetime:
    return datetime.fromisoformat(run.started_at).astimezone(UTC)
