"""Which snapshots are kept, and how the others are removed: a loader sees a snapshot whole, or not at all.

The rules are those of a lake too, see `crawler.lake.retention`.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from crawler.model.run_manifest import snapshot_folder
from crawler.model.run_parameters import RunParameters, UnreadableParametersError
from crawler.snapshot.disk import sync_folder, wrap_os_errors
from crawler.snapshot.reader import PublishedRun, StoredRun, UnreadableFolder, stored_runs, subfolders
from crawler.snapshot.unfinished import PARAMETERS, UNFINISHED

_RECENT: Final = timedelta(days=1)
"""A crawl has no folder yet while it looks for its credentials, and may publish under the date of yesterday."""

_Period = Callable[[datetime], tuple[int, ...]]


class Published(Protocol):
    """A run that can be kept or dropped: a snapshot in a folder, or a run in a lake."""

    @property
    def run(self) -> PublishedRun:
        """When it began, and whether it is complete."""
        ...


R = TypeVar("R", bound=Published)


def _day(time: datetime) -> tuple[int, ...]:
    return time.year, time.month, time.day


def _iso_week(time: datetime) -> tuple[int, ...]:
    return time.isocalendar()[:2]


def _month(time: datetime) -> tuple[int, ...]:
    return time.year, time.month


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """Of how many days, ISO weeks and months the newest snapshot is kept. A period without a snapshot does not count.

    Days, weeks and months are those of UTC. 0 turns a rule off.
    """

    daily: int
    weekly: int
    monthly: int

    @property
    def keeps_nothing(self) -> bool:
        return not (self.daily or self.weekly or self.monthly)

    def select(self, newest_first: Sequence[R]) -> Iterator[R]:
        """The snapshots that the rules keep, some of them more than once."""
        for count, period in ((self.daily, _day), (self.weekly, _iso_week), (self.monthly, _month)):
            yield from _newest_of_periods(newest_first, period)[:count]


@dataclass(frozen=True, slots=True)
class Retention(Generic[R]):
    """What becomes of the snapshots of one target, the newest first."""

    target: str
    kept: tuple[R, ...]
    dropped: tuple[R, ...]


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What becomes of the snapshots in an output folder.

    Attributes:
        targets: by name.
        unknown: folders in the place of a snapshot that are none, or that cannot be read. They are kept.
    """

    targets: tuple[Retention[StoredRun], ...]
    unknown: tuple[UnreadableFolder, ...]


def plan_retention(output: Path, rules: RetentionRules, now: datetime) -> RetentionPlan:
    """Read which snapshots there are, and choose. Nothing is changed. Raises SnapshotError."""
    targets: dict[str, list[StoredRun]] = {}
    unknown = []
    for found in stored_runs(output):
        folder = _misplaced(found, output) if isinstance(found, StoredRun) else found
        if folder is not None:
            unknown.append(folder)
        elif isinstance(found, StoredRun):
            targets.setdefault(found.target, []).append(found)
    retentions = (choose(target, runs, rules, now) for target, runs in sorted(targets.items()))
    return RetentionPlan(tuple(retentions), tuple(unknown))


def choose(target: str, runs: Iterable[R], rules: RetentionRules, now: datetime) -> Retention[R]:
    """Choose among the snapshots of a target.

    The rules choose among the complete snapshots, and once more among the partial ones that are newer than all of
    these: a target that is never complete does not fill the disk. The newest complete snapshot and the newest one of
    all are always kept. So are snapshots that began in the future, and these count for no rule: on a machine whose
    clock is not set yet, every snapshot is in the future.
    """
    newest_first = sorted(runs, key=_age, reverse=True)
    past = [each for each in newest_first if _began(each.run) <= now]
    complete = [each for each in past if each.run.is_complete]
    newer = past[: past.index(complete[0])] if complete else past
    chosen = [*past[:1], *complete[:1], *rules.select(complete), *rules.select(newer)]
    kept = {_age(each) for each in chosen} | {_age(each) for each in newest_first if _began(each.run) > now}
    return Retention(
        target,
        kept=tuple(each for each in newest_first if _age(each) in kept),
        dropped=tuple(each for each in newest_first if _age(each) not in kept),
    )


def size_on_disk(stored: StoredRun) -> int:
    """The bytes of a snapshot's files. Raises SnapshotError."""
    return folder_size(stored.folder)


def folder_size(folder: Path) -> int:
    """The bytes of all files in a folder. Raises SnapshotError."""
    size = 0
    with wrap_os_errors(folder):
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):  # removed meanwhile
                size += path.stat().st_size if path.is_file() else 0
    return size


def remove(output: Path, stored: StoredRun) -> int:
    """Remove a snapshot. Returns the bytes that this frees; 0 where another process has removed it.

    The folder moves to where no loader looks before any file of it goes. What a kill leaves there is removed by the
    next crawl or by `remove_leftovers`. Raises SnapshotError.
    """
    size = size_on_disk(stored)
    hidden = output / UNFINISHED / f".{stored.folder.name}.dropped"
    with wrap_os_errors(stored.folder):
        hidden.parent.mkdir(exist_ok=True)
        try:
            stored.folder.rename(hidden)
        except FileNotFoundError:
            return 0
        for folder in (hidden.parent, stored.folder.parent):
            sync_folder(folder)  # or a power cut may undo the rename, and not what follows
    _remove_tree(hidden)
    return size


def remove_leftovers(output: Path) -> None:
    """Remove what a killed `remove` left. Raises SnapshotError."""
    for hidden in subfolders(output / UNFINISHED, ".run="):
        _remove_tree(hidden)


def remove_empty_folders(output: Path, now: datetime) -> None:
    """Remove `date=` and `source=` folders that are empty, unless a crawl may be about to publish in them.

    Raises SnapshotError where they cannot be listed.
    """
    awaited = {folder for snapshot in _places_of_unfinished(output) for folder in snapshot.parents}
    recent = f"date={now - _RECENT:%Y-%m-%d}"
    for source in subfolders(output, "source="):
        dates = [date for date in subfolders(source, "date=") if date.name < recent]
        for folder in (*dates, source):
            if folder not in awaited:
                with suppress(OSError):  # not empty, or gone; an empty folder does no harm
                    folder.rmdir()


def _newest_of_periods(newest_first: Iterable[R], period: _Period) -> list[R]:
    newest: dict[tuple[int, ...], R] = {}
    for each in newest_first:
        newest.setdefault(period(_began(each.run)), each)
    return list(newest.values())


def _age(each: Published) -> tuple[datetime, str]:
    """Of two runs the older one has the smaller value. No two runs of a target have the same."""
    return _began(each.run), each.run.run_id


def _began(run: PublishedRun) -> datetime:
    return datetime.fromisoformat(run.started_at).astimezone(UTC)


def _misplaced(stored: StoredRun, output: Path) -> UnreadableFolder | None:
    """Why a snapshot is not one that a crawl has put there; None where it is.

    A copy that somebody made under another name, or the link to a snapshot elsewhere, is not for us to remove.
    """
    run, folder = stored.run, stored.folder
    try:
        is_time = datetime.fromisoformat(run.started_at).tzinfo is not None and _began(run) is not None
    except (ValueError, OverflowError):  # in UTC, a time may lie before the year 1 or after 9999
        is_time = False
    if not is_time:
        return UnreadableFolder(folder, "its _run.json has no usable started_at")
    if folder.is_symlink():
        return UnreadableFolder(folder, "it is a symbolic link")
    if output / snapshot_folder(stored.target, run.started_at, run.run_id) != folder:
        return UnreadableFolder(folder, "its _run.json is of another folder")
    return None


def _places_of_unfinished(output: Path) -> Iterator[Path]:
    """Where the runs that were begun will be published."""
    for run in subfolders(output / UNFINISHED, ""):
        with suppress(OSError, UnreadableParametersError):  # gone by now, or not to be resumed by this version
            yield output / RunParameters.parse((run / PARAMETERS).read_bytes(), run.name).folder


def _remove_tree(folder: Path) -> None:
    # a crawl that begins at this moment removes the folder as well
    with wrap_os_errors(folder), suppress(FileNotFoundError):
        shutil.rmtree(folder)
