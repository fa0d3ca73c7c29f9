"""What a lake holds of a group, for `merge`: its shards are fetched before, and removed after."""

import logging
import shlex
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli import logs
from crawler.errors import LakeError, SnapshotError
from crawler.model.words import size_text
from crawler.snapshot.disk import remove_folder
from crawler.untrusted_text import printable, quoted_path

if TYPE_CHECKING:
    from crawler.config import MergeConfig
    from crawler.lake.held_shards import HeldGroup, HeldShards
    from crawler.lake.held_shards_marker import HeldShard, MergedBefore


def sources_in_lake(held: "HeldShards", group: str, on_disk: list[Path], config: "MergeConfig") -> set[str] | None:
    """The targets of a group that a lake has anything of; None where the lake cannot be read, and need not be: every
    folder of the group on this disk is whole.

    Raises LakeError where the lake may have what is missing.
    """
    try:
        return set(held.sources(group))
    except LakeError as exc:
        if not on_disk or not all(_is_whole(folder, config) for folder in on_disk):
            raise LakeError(f"{exc}; nothing is merged") from None
        logs.notice(f"{exc}; every shard is on this disk", logging.ERROR)
        return None


def fetch_shards(group: "HeldGroup", folder: Path, config: "MergeConfig") -> "MergedBefore | None":
    """Have every shard that the lake holds in the group's folder on this disk.

    Where the group was merged before, that is returned, and nothing is fetched. Raises LakeError, unless the disk has
    every shard, and SnapshotError.
    """
    try:
        merged = group.merged_before() or _fetch_all(group, folder)
    except LakeError as exc:
        if not _is_whole(folder, config):
            raise LakeError(f"{exc}; nothing is merged") from None
        logs.notice(f"{exc}; every shard is on this disk", logging.WARNING)
        return None
    if merged is None and not folder.exists():
        raise SnapshotError(f"group {group.group} of {group.target}: no shard has reported yet: merge when one has")
    return merged


def _fetch_all(group: "HeldGroup", folder: Path) -> "MergedBefore | None":
    """Have every shard that the lake holds in the group's folder on this disk.

    Where another merge has begun to remove them meanwhile, what was fetched may be a part of them: none is kept, and
    the snapshot that they were merged into is returned. Raises LakeError and SnapshotError.
    """
    fetched: list[HeldShard] = []
    try:
        # one after the other: those before an error are in the list
        fetched.extend(each for each in group.shards() if group.fetch(each, folder / each.shard.folder_name))
        merged = group.merged_before()
    except LakeError:
        merged = group.merged_before()
        if merged is None:
            raise
    if merged is not None:
        for each in fetched:
            remove_folder(folder / each.shard.folder_name)
        with suppress(OSError):  # other shards are there
            folder.rmdir()
            folder.parent.rmdir()
    elif fetched:
        size = size_text(sum(each.total_bytes for each in fetched))
        shards = f"{len(fetched):,} {'shard' if len(fetched) == 1 else 'shards'}"
        logs.notice(f"{printable(group.held.url)}: {shards} fetched, {size}", logging.INFO)
    return merged


def _is_whole(folder: Path, config: "MergeConfig") -> bool:
    from crawler.scale.group import read_group

    try:
        return not read_group(folder, config.resume.within).missing
    except SnapshotError:
        return False


def report_merged_elsewhere(group: "HeldGroup", merged: "MergedBefore", folder: Path, config: "MergeConfig") -> None:
    """Say that a group was merged on another disk, and remove what a kill has left of it in the lake.

    Raises SnapshotError where it is another night's group.
    """
    from crawler.snapshot.unfinished import age_text

    age = datetime.now(UTC) - merged.at
    what = f"{group.target}: group {group.group} was merged already, {age_text(age)}, as run {printable(merged.run_id)}"
    url = printable(group.held.url)
    if folder.exists():
        raise SnapshotError(f"{what} in {url}: remove {quoted_path(folder)}, or use another --group for each night")
    if age > config.resume.within:
        raise SnapshotError(f"{what} in {url}, and there are no shards of it: use another --group for each night")
    remove_shards(group, merged.run_id)
    logs.notice(f"{what}, which is in {url}", logging.INFO)


def remove_shards(group: "HeldGroup", run_id: str) -> None:
    """Remove a group's shards from the lake, which has their complete snapshot now. What fails is only said."""
    try:
        group.remove(run_id)
    except LakeError as exc:
        again = f"registry-crawler merge --group {group.group} --lake {shlex.quote(printable(group.held.url))}"
        logs.notice(f"{exc}; the snapshot is published, and its shards are left in the lake: `{again}` removes them")
