"""What the shards of a group share while they run: the rate, and how far they are. It may be lost at any moment."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crawler.model.limits import Quota
from crawler.model.shard import Shard
from crawler.run.progress import Progress
from crawler.scale.ray.timetable import Lease, Timetable

Note = tuple[str, int]
"""A line for the operator, and its level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """How far the shards of one target are, all together, and what is new to say."""

    progress: Progress
    notes: tuple[Note, ...]


class Coordinator:
    """Leases starts, and passes on how far the shards are and whether they shall stop.

    Only the leases matter, and `Timetable` says why a restart does them no harm. All else is sent again within a
    second.
    """

    def __init__(self, make_timetable: Callable[[Quota, float], Timetable]) -> None:
        self._make_timetable = make_timetable
        self._timetables: dict[tuple[Quota, str], Timetable] = {}
        self._turns: dict[tuple[Quota, str], asyncio.Lock] = {}
        self._progress: dict[tuple[str, Shard], Progress] = {}
        self._notes: dict[str, list[Note]] = {}
        self._is_stopping = False

    async def lease(self, quota: Quota, place: str, wanted: int) -> Lease:
        """The next starts, as soon as there are any. Who asks first is served first.

        `place` is where a quota counts apart: "" for one that is the whole group's.
        """
        asked_at = time.monotonic()
        key = (quota, place)
        if key not in self._timetables:
            self._timetables[key] = self._make_timetable(quota, asked_at)
            self._turns[key] = asyncio.Lock()
        async with self._turns[key]:
            while True:
                lease = self._timetables[key].lease(time.monotonic(), wanted, asked_at)
                if lease.starts:
                    return lease
                await asyncio.sleep(lease.retry_after_s)

    async def report(self, target: str, shard: Shard, progress: Progress, notes: Sequence[Note]) -> bool:
        """Take how far a shard is, and what it says. Returns whether it shall stop."""
        self._progress[target, shard] = progress
        self._notes.setdefault(target, []).extend(notes)
        return self._is_stopping

    async def status(self, target: str) -> GroupStatus:
        """How far the shards of a target are, and their notes since the last time."""
        known = {shard: progress for (of, shard), progress in self._progress.items() if of == target}
        return GroupStatus(progress=_sum(known), notes=tuple(self._notes.pop(target, ())))

    async def stop(self) -> None:
        """Let every shard stop that reports from now on."""
        self._is_stopping = True


def _sum(known: Mapping[Shard, Progress]) -> Progress:
    """All progress together. A shard that has not reported yet has not ended its discovery."""
    parts = known.values()
    return Progress(
        seconds=max((part.seconds for part in parts), default=0.0),
        discovered=sum(part.discovered for part in parts),
        discovery_done=any(len(parts) == each.count for each in known) and all(part.discovery_done for part in parts),
        done=sum(part.done for part in parts),
        failed=sum(part.failed for part in parts),
        exchanges=sum(part.exchanges for part in parts),
    )
