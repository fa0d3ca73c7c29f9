"""`merge`: the shards of a group become a snapshot like any other, published in one rename."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from crawler.config import MergeConfig
from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, Verdict, snapshot_folder
from crawler.scale.caches import remove_shard_caches, united_caches
from crawler.scale.files import write_merged_parts
from crawler.scale.group import Group, read_group
from crawler.scale.run_manifest import merge_run_manifests, merged_run_id, started_at
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.disk import remove_folder, wrap_os_errors
from crawler.snapshot.locks import configured_locks
from crawler.snapshot.publish import publish_folder
from crawler.snapshot.reader import last_complete, published_runs
from crawler.snapshot.shards import merged_runs
from crawler.untrusted_text import printable, quoted_path

_DRAFT: Final = ".draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The snapshot of a group.

    Attributes:
        is_new: whether it was published now; else it was merged before from the same shards.
        notes: what the operator should know, a line each.
    """

    run_manifest: RunManifest
    is_new: bool
    notes: tuple[str, ...]


def merge_group(folder: Path, config: MergeConfig) -> Merged:
    """Merge the shards in a group's folder of one target, and publish the snapshot.

    A group is removed once its snapshot is complete. A group that lacks a shard, or has doubts, is kept: merging it
    again makes another snapshot where more shards have reported, and none where none has. Raises SnapshotError; the
    group is as it was then.
    """
    with _only_one(folder, config):
        group = read_group(folder, config.resume.within)
        before = _merged_before(group, config.output.path)
        merged = _publish(group, config) if before is None else Merged(run_manifest=before, is_new=False, notes=())
    if merged.run_manifest.verdict is Verdict.COMPLETE:
        remove_group(folder)
        if not folder.parent.exists():  # no other target of these shards is left to merge
            remove_shard_caches(config, group.shards[0].shard.count)
    return merged


def is_merged_whole(folder: Path, output: Path, within: timedelta) -> bool:
    """Whether all shards of a group have reported, and there is a snapshot of just these: nothing is left to do.

    False, too, where the shards cannot be read: a merge says why.
    """
    try:
        group = read_group(folder, within)
    except SnapshotError:
        return False
    return not group.missing and _place(group, output).exists()


def _place(group: Group, output: Path) -> Path:
    """Where the snapshot of these shards is, once they are merged."""
    return output / snapshot_folder(group.target, started_at(group), merged_run_id(group))


def _merged_before(group: Group, output: Path) -> RunManifest | None:
    """The snapshot of the same shards, or a complete one of the group; None where there is neither.

    After a complete one, a shard here is the second of its number, which came too late. Raises SnapshotError where one
    began when the group was complete already: it is another night's, whose group has the same id.
    """
    place = _place(group, output)
    if place.exists():
        return read_run_manifest(place)
    complete = next(merged_runs(output, group.group, group.folder.name), None)
    if complete is None:
        return None
    newest = max(group.shards, key=lambda each: each.run_manifest.started_at)
    if newest.run_manifest.started_at > complete.finished_at:
        raise SnapshotError(
            f"group {group.group} of {group.target} is merged already, as run {complete.run_id}, and shard "
            f"{newest.shard} began after that: use another --group for each night, or remove "
            f"{quoted_path(group.folder)}"
        )
    return complete


def _publish(group: Group, config: MergeConfig) -> Merged:
    output, run_id = config.output.path, merged_run_id(group)
    with _draft(group.folder) as draft:
        with united_caches(group, config) as finishing:
            files = write_merged_parts(group, run_id, draft, config.output.compression, finishing.finish_line)
        run_manifest = merge_run_manifests(group, files, last_complete(output, group.target, started_at(group)), config)
        if sum(file.rows for file in files) != run_manifest.counts.repositories:
            raise SnapshotError(f"{quoted_path(group.folder)}: the shards hold more or fewer records than they report")
        is_new = publish_folder(draft, output, run_manifest) is not None
    return Merged(
        run_manifest=run_manifest, is_new=is_new, notes=(*finishing.notes, *_newer_merges(run_manifest, output))
    )


def _newer_merges(merged: RunManifest, output: Path) -> Iterator[str]:
    """A note for each earlier merge of the group that counts as newer than this one.

    That happens only where shards have agreed on nothing, and the one that began first is added last: with it, the
    beginning of the whole moves back.
    """
    for run in published_runs(output, merged.target):
        if run.run_id == merged.run_id:
            return
        folder = output / snapshot_folder(merged.target, run.started_at, run.run_id)
        with suppress(SnapshotError):  # removed by now
            if read_run_manifest(folder).group == merged.group:
                yield (
                    f"run {printable(run.run_id)}, merged from fewer shards of this group, counts as newer, because "
                    f"a shard that began earlier has come later: remove {quoted_path(folder)}"
                )


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A new folder within a group's. Where it is not published, it is removed."""
    draft = folder / _DRAFT
    with wrap_os_errors(draft):
        shutil.rmtree(draft, ignore_errors=True)  # left by a kill
        draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _only_one(folder: Path, config: MergeConfig) -> Iterator[None]:
    """Keep a second merge of the group out. Raises SnapshotError where there is one."""
    with wrap_os_errors(folder):
        try:
            lock = configured_locks(config.output).take(folder)
        except FileNotFoundError:
            raise SnapshotError(
                f"{quoted_path(folder)} is gone: another process has merged this group, or removed it: run the same "
                "command again to see which"
            ) from None
    if lock is None:
        raise SnapshotError(f"{quoted_path(folder)}: another process merges this group")
    try:
        yield
    finally:
        lock.release()


def remove_group(folder: Path) -> None:
    """Remove a group's folder of one target, and the folders above it where they are empty then."""
    remove_folder(folder)
    remove_left_folders(folder.parent)


def remove_left_folders(group: Path) -> None:
    """Remove what a merge that was killed left of a group, and the folders above it where they are empty then."""
    for left in group.glob(".source=*.dropped"):
        shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):  # another target's shards are there, or another group
        group.rmdir()
        group.parent.rmdir()
