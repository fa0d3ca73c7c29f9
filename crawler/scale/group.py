"""Which shards of a group are there, and whether they belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path

from crawler.errors import SnapshotError
from crawler.model.shard import Shard
from crawler.snapshot.shards import StoredShard, differences, stored_shards
from crawler.snapshot.unfinished import duration_text
from crawler.untrusted_text import printable, quoted_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The shards of one target that are published, by their numbers, and those that are not.

    Attributes:
        folder: where they are.
    """

    group: str
    target: str
    folder: Path
    shards: tuple[StoredShard, ...]
    missing: tuple[Shard, ...]


def read_group(folder: Path, within: timedelta) -> Group:
    """The shards in a group's folder of one target, which all began `within` a time.

    Raises SnapshotError where there is none, where one cannot be read, and where they do not belong together.
    """
    shards = stored_shards(folder)
    if not shards:
        raise SnapshotError(f"{quoted_path(folder)}: no shard has reported, so there is nothing to merge")
    for shard in shards:
        _check_timestamps(shard)
    first = shards[0]
    for other in shards[1:]:
        _check_terms(first, other)
    _check_times(shards, within)
    count, there = first.shard.count, {each.shard for each in shards}
    every = (Shard(index, count) for index in range(count))
    return Group(
        group=str(first.report.parameters.group),
        target=first.run_manifest.target,
        folder=folder,
        shards=tuple(shards),
        missing=tuple(shard for shard in every if shard not in there),
    )


def _check_terms(first: StoredShard, other: StoredShard) -> None:
    different = differences(other.report.parameters, first.report.parameters)
    versions = [f"{each.run_manifest.tool.version}, schema {each.run_manifest.schema}" for each in (first, other)]
    if versions[0] != versions[1]:
        different += f"{'; ' if different else ''}version was {printable(versions[0])} and is {printable(versions[1])}"
    if different:
        raise SnapshotError(
            f"shards {first.shard} and {other.shard} in {quoted_path(first.folder.parent)} are not parts of one "
            f"snapshot: {different}: give all shards the same options and program, and crawl them again"
        )


def _check_timestamps(shard: StoredShard) -> None:
    """The times of a shard become those of the snapshot, and part of its name."""
    run_manifest, agreed_at = shard.run_manifest, shard.report.parameters.agreed_at
    times = filter(None, (run_manifest.started_at, run_manifest.finished_at, agreed_at))
    try:
        is_usable = all(datetime.fromisoformat(time).tzinfo is not None for time in times)
    except ValueError:
        is_usable = False
    if not is_usable:
        advice = "copy the shard's folder again, or crawl the shard again"
        raise SnapshotError(f"{quoted_path(shard.folder)}: a time in its files is none: {advice}")


def _check_times(shards: Sequence[StoredShard], within: timedelta) -> None:
    """A shard of last night may have been left where those of tonight are copied to."""
    times = [(datetime.fromisoformat(each.run_manifest.started_at), each) for each in shards]
    began, oldest = min(times, key=itemgetter(0))
    ended, newest = max(times, key=itemgetter(0))
    if ended - began > within:
        raise SnapshotError(
            f"shards {oldest.shard} and {newest.shard} in {quoted_path(oldest.folder.parent)} are not parts of one "
            f"snapshot: they began at {printable(oldest.run_manifest.started_at)} and "
            f"{printable(newest.run_manifest.started_at)}, and resume.within is {duration_text(within)}: remove the "
            "shards of the other night, and use another --group for each night"
        )
