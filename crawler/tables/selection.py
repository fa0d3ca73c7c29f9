"""Which snapshots `SNAPSHOT` names: a folder, a run id, a target, `TARGET@DATE`, or nothing; and which came before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from crawler.errors import SnapshotError
from crawler.model.depth import Depth, ReferrersLevel
from crawler.snapshot.reader import RUN_MANIFEST, StoredRun, stored_snapshots
from crawler.untrusted_text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedSnapshot:
    """A snapshot that is to be read.

    Attributes:
        depth: how deep images were read.
        referrers: how referrers were looked for.
        longest_line: bytes of the longest record, decompressed.
    """

    folder: Path
    run_id: str
    target: str
    started_at: str
    is_complete: bool
    depth: Depth
    referrers: ReferrersLevel
    run_manifest: Path
    data_files: tuple[Path, ...]
    longest_line: int

    @property
    def output(self) -> Path | None:
        """The output folder that the snapshot is in; None for a copy at the top of a disk."""
        above = self.folder.parents
        return above[2] if len(above) > 2 else None

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.run_manifest, *self.data_files)


def select_snapshot(output: Path, snapshot: str) -> SelectedSnapshot:
    """The one snapshot that `snapshot` names, in the output folder where it is no folder itself.

    A target names its newest complete snapshot, `TARGET@2026-11-20` its newest complete one of that day, and "" the
    newest complete one of the only target. Raises SnapshotError where there is none, or more than one could be meant.
    """
    if snapshot and (folder := Path(snapshot)).is_dir():
        return select_folder(folder)
    runs = stored_snapshots(output)
    if not runs:
        raise SnapshotError(f"there is no snapshot in {output}: take one with registry-crawler crawl, or name --output")
    by_id = [stored for stored in runs if stored.run.run_id == snapshot]
    if by_id:
        return select_folder(by_id[0].folder)
    target, _, date = snapshot.partition("@")
    return select_folder(_newest_complete(runs, target or _only_target(runs), date).folder)


def select_folder(folder: Path) -> SelectedSnapshot:
    """The snapshot in a folder. Raises SnapshotError."""
    try:
        manifest: dict[str, Any] = orjson.loads((folder / RUN_MANIFEST).read_bytes())
        files = [(folder / _file_name(file), int(file["longest_line"])) for file in manifest["files"]]
        return SelectedSnapshot(
            folder=folder.resolve(),
            run_id=_string(manifest, "run_id"),
            target=_string(manifest, "target"),
            started_at=_string(manifest, "started_at"),
            is_complete=manifest["verdict"] == "complete",
            depth=Depth(manifest["depth"]),
            referrers=ReferrersLevel(manifest["referrers"]),
            run_manifest=(folder / RUN_MANIFEST).resolve(),
            data_files=tuple(file.resolve() for file, _ in files),
            longest_line=max((length for _, length in files), default=0),
        )
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise SnapshotError(f"{folder} is no snapshot that can be read: {exc}") from None


def _string(described: dict[str, Any], key: str) -> str:
    if not isinstance(described[key], str):
        raise TypeError(f"{key} of its {RUN_MANIFEST} is no string")
    return str(described[key])


def _file_name(described: dict[str, Any]) -> str:
    """The name of a data file. A snapshot may come from someone else: it must not name files of other folders."""
    name = _string(described, "name")
    if Path(name).name != name:
        raise ValueError(f"its {RUN_MANIFEST} names a file that is not in its folder: {printable(name)}")
    return name


def select_since(output: Path, snapshot: str, since: str) -> list[SelectedSnapshot]:
    """The complete snapshots of a target that were begun on the day `since` or later, the oldest first.

    `snapshot` is the target; "" is the only one. Raises SnapshotError where there is none.
    """
    runs = stored_snapshots(output)
    target = snapshot or _only_target(runs)
    found = [s for s in runs if s.target == target and s.run.is_complete and s.run.started_at[:10] >= since]
    if not found:
        raise SnapshotError(f"there is no complete snapshot of {printable(target)} since {since} in {output}")
    return [select_folder(stored.folder) for stored in sorted(found, key=lambda stored: stored.run.age_order)]


def earlier_snapshots(snapshot: SelectedSnapshot) -> list[SelectedSnapshot]:
    """The snapshots of the same target that were begun before this one and are kept beside it, the newest first.

    Partial ones are among them; folders that cannot be read are not. Raises SnapshotError where the disk fails.
    """
    return [read for stored in _earlier(snapshot) if (read := _read_or_none(stored.folder)) is not None]


def _read_or_none(folder: Path) -> SelectedSnapshot | None:
    try:
        return select_folder(folder)
    except SnapshotError:
        return None  # of another version, or removed by now


def _earlier(snapshot: SelectedSnapshot) -> list[StoredRun]:
    if snapshot.output is None:
        return []
    earlier = [
        found
        for found in stored_snapshots(snapshot.output)
        if found.target == snapshot.target and found.run.age_order < (snapshot.started_at, snapshot.run_id)
    ]
    return sorted(earlier, key=lambda found: found.run.age_order, reverse=True)


def select_pair(output: Path, snapshots: Sequence[str]) -> tuple[SelectedSnapshot, SelectedSnapshot]:
    """The old and the new snapshot that up to two names stand for, each as `select_snapshot` has it.

    One name is that of the new snapshot, and none its newest complete one of the only target; the old one is then the
    newest complete snapshot of the same target that was begun before. Raises SnapshotError.
    """
    if len(snapshots) > 1:
        old, new = snapshots
        return select_snapshot(output, old), select_snapshot(output, new)
    new_snapshot = select_snapshot(output, snapshots[0] if snapshots else "")
    return _complete_before(new_snapshot), new_snapshot


def _complete_before(snapshot: SelectedSnapshot) -> SelectedSnapshot:
    before = next((found for found in _earlier(snapshot) if found.run.is_complete), None)
    if before is None:
        target = printable(snapshot.target)
        raise SnapshotError(f"{target} has no complete snapshot from before {snapshot.run_id}: name both snapshots")
    return select_folder(before.folder)


def _only_target(runs: Sequence[StoredRun]) -> str:
    targets = sorted({stored.target for stored in runs})
    if len(targets) != 1:
        listed = ", ".join(map(printable, targets)) or "none"
        raise SnapshotError(f"name a target, because there are snapshots of {len(targets)} targets: {listed}")
    return targets[0]


def _newest_complete(runs: Sequence[StoredRun], target: str, date: str) -> StoredRun:
    of_target = [stored for stored in runs if stored.target == target]
    if not of_target:
        known = ", ".join(sorted({printable(stored.target) for stored in runs}))
        raise SnapshotError(f"no folder, run or target is named {printable(target)}; there are snapshots of {known}")
    matching = [stored for stored in of_target if stored.run.started_at.startswith(date)]
    complete = [stored for stored in matching if stored.run.is_complete]
    if complete:
        return max(complete, key=lambda stored: stored.run.age_order)
    when = f" on {printable(date)}" if date else ""
    newest = max(matching or of_target, key=lambda stored: stored.run.age_order)
    raise SnapshotError(
        f"{printable(target)} has no complete snapshot{when}; the newest partial one is {newest.run.run_id}: name it"
    )
