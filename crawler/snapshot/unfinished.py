"""`.unfinished/`: runs that were begun and not published; how a run is begun, found, resumed and dropped."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from crawler.errors import SnapshotError
from crawler.model.run_parameters import RunParameters, UnreadableParametersError
from crawler.model.timestamps import timestamp
from crawler.snapshot.disk import remove_folder, sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import Lock, Locks
from crawler.snapshot.reader import PublishedRun, published_runs
from crawler.untrusted_text import printable, quoted_path

UNFINISHED: Final = ".unfinished"

PARAMETERS: Final = "begun.json"
_LEFTOVER_AFTER_S: Final = 3600.0
"""A folder that is still incomplete after this time was left by a kill."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The journal of the run that is resumed, None where no run is, and a line for each run that is not, with the
    reason.
    """

    journal: Journal | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreadableRun:
    """A run that this version cannot resume. `target` is "" where the run's parameters do not name it."""

    run_id: str
    target: str
    reason: str


class UnfinishedRuns:
    """The unfinished runs of one output folder. Those that are younger than `within` can be resumed.

    Every method blocks on the disk, and raises SnapshotError. Other processes may add and remove runs at any time: a
    run that is removed while a method looks at it counts as absent.
    """

    def __init__(self, output: Path, locks: Locks, within: timedelta = timedelta.max) -> None:
        self._output = output
        self._folder = output / UNFINISHED
        self._locks = locks
        self._within = within

    def begin(self, parameters: RunParameters) -> Journal:
        """Make the folder of a new run.

        The folder is made under a hidden name and renamed when it is complete, so that no process sees half a run.
        Locks and the rename that publishes are tried here: a file system without them is refused before the crawl.
        """
        new = self._folder / f".{parameters.run_id}.new"
        folder = self._folder / parameters.run_id
        with wrap_os_errors(new):
            self._remove_published()
            new.mkdir(parents=True)
            try:
                lock = self._lock(new, parameters)
                with _released_on_failure(lock):
                    write_durably(new / PARAMETERS, parameters.dump())
                    _try_rename(new / "probe", parameters, self._output)
                    new.rename(folder)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        return Journal(folder, parameters, lock)

    def resume(self, current: RunParameters) -> Resumption:
        """Take over the newest run that has the parameters of `current`, is young, and has no newer snapshot.

        Raises SnapshotError where another process works on that run.
        """
        now = datetime.fromisoformat(current.started_at)
        snapshots = self._newest_snapshots(current.target, now)
        notes = []
        for run in self._unpublished_runs(current.target):
            if (run.group, run.shard) != (current.group, current.shard):
                continue  # another shard's, or a whole run beside shards: it is not meant here
            obstacle = self._obstacle(run, now, snapshots)
            differences = "; ".join(run.differences(current))
            if obstacle or differences:
                reason = obstacle or f"it was begun with other options: {differences}"
                notes.append(
                    f"run {run.run_id} was begun {age_text(run.age(now))} and is not resumed: {reason}; "
                    f"`registry-crawler runs discard {run.run_id}` drops it"
                )
            elif (journal := self._take_over(run, current.started_at)) is not None:
                return Resumption(journal, tuple(notes))
        return Resumption(None, tuple(notes))

    def resumable_runs(self, current: RunParameters) -> list[RunParameters]:
        """The runs that `resume` would take over and that no process works on, the newest first."""
        now = datetime.fromisoformat(current.started_at)
        snapshots = self._newest_snapshots(current.target, now)
        return [
            run
            for run in self._unpublished_runs(current.target)
            if not (self._obstacle(run, now, snapshots) or run.differences(current) or self.is_held(run))
            and (self._folder / run.run_id).is_dir()  # a run that has nothing recorded removes itself at its end
        ]

    def unreadable_runs(self, target: str) -> list[str]:
        """A line for each run that this version cannot read, unless the run is known to be of another target."""
        runs = (run for run in self.all_runs() if isinstance(run, UnreadableRun) and run.target in {"", target})
        return [
            f"run {printable(run.run_id)} in {quoted_path(self._folder)} cannot be resumed and is left: {run.reason}; "
            f"`registry-crawler runs discard {printable(run.run_id)}` drops it"
            for run in runs
        ]

    def clean_up(self, target: str, now: datetime) -> None:
        """Drop the runs of a target that can no longer be resumed, except the newest of them.

        A run that began in the future is kept: on a machine whose clock is not set yet, every run is in the future.
        """
        snapshots = self._newest_snapshots(target, now)
        past = [run for run in self._unpublished_runs(target) if run.age(now) >= timedelta(0)]
        stale = [run for run in past if self._obstacle(run, now, snapshots) and not self.is_held(run)]
        for run in stale[1:]:
            self._drop(run.run_id)

    def discard(self, run_id: str) -> None:
        """Drop one run, readable or not. Raises LookupError, with the ids of all runs, where there is no such run."""
        run_ids = self._run_ids()
        if run_id not in run_ids:
            raise LookupError(", ".join(map(printable, run_ids)) or "none")
        if not self._drop(run_id):
            raise SnapshotError(f"run {printable(run_id)} is not discarded: another process works on it")

    def all_runs(self) -> Iterator[RunParameters | UnreadableRun]:
        """Every run in the folder, by its id. A kill may have left one whose snapshot is published."""
        for run_id in self._run_ids():
            try:
                yield RunParameters.parse((self._folder / run_id / PARAMETERS).read_bytes(), run_id)
            except (FileNotFoundError, NotADirectoryError):
                continue  # not a run, or removed by now
            except UnreadableParametersError as exc:
                yield UnreadableRun(run_id, exc.target, str(exc))
            except OSError as exc:
                yield UnreadableRun(run_id, "", f"its {PARAMETERS} cannot be read: {exc.strerror}")

    def is_held(self, run: RunParameters) -> bool:
        """Whether a process works on the run."""
        folder = self._folder / run.run_id
        with wrap_os_errors(folder):
            try:
                return self._locks.is_held(folder)
            except FileNotFoundError:
                return False

    def _take_over(self, run: RunParameters, resumed_at: str) -> Journal | None:
        """The run's journal, locked for this process; None where the run is gone by now."""
        folder = self._folder / run.run_id
        with wrap_os_errors(folder), suppress(FileNotFoundError):
            lock = self._lock(folder, run)
            resumed = replace(run, resumed_at=(*run.resumed_at, resumed_at))
            with _released_on_failure(lock):
                write_durably(folder / f"{PARAMETERS}.new", resumed.dump())
                (folder / f"{PARAMETERS}.new").replace(folder / PARAMETERS)
                _try_rename(folder / "probe", run, self._output)
            return Journal(folder, resumed, lock)
        return None

    def _lock(self, folder: Path, run: RunParameters) -> Lock:
        lock = self._locks.take(folder)
        if lock is None:
            raise SnapshotError(f"run {run.run_id} of {run.target} cannot be resumed: another process works on it")
        return lock

    def _obstacle(self, run: RunParameters, now: datetime, snapshots: Sequence[PublishedRun]) -> str:
        """Why a run can no longer be resumed; "" where it can.

        The clock may have been put back. A run that began in the future counts as old as it is ahead, and a snapshot
        from the future does not count as newer than a run from the past: otherwise one night with a wrong clock would
        stop all resuming until that date.

        A shard is missed in its group even where the group was merged without it.
        """
        now_text = timestamp(now)
        for snapshot in snapshots if run.group is None else ():
            is_newer = snapshot.started_at > run.started_at
            if is_newer and (snapshot.started_at <= now_text or run.started_at > now_text):
                return f"snapshot {printable(snapshot.run_id)} is newer"
        if abs(run.age(now)) > self._within:
            return f"resume.within is {duration_text(self._within)}"
        return ""

    def _newest_snapshots(self, target: str, now: datetime) -> list[PublishedRun]:
        """Every snapshot of a target that began in the future, and the newest one that did not."""
        snapshots, now_text = [], timestamp(now)
        for snapshot in published_runs(self._output, target):
            snapshots.append(snapshot)
            if snapshot.started_at <= now_text:
                break
        return snapshots

    def _unpublished_runs(self, target: str) -> list[RunParameters]:
        """A target's runs that have no snapshot, the newest first."""
        runs = [run for run in self.all_runs() if isinstance(run, RunParameters) and run.target == target]
        unpublished = [run for run in runs if not self._is_published(run)]
        return sorted(unpublished, key=lambda run: (run.started_at, run.run_id), reverse=True)

    def _is_published(self, run: RunParameters) -> bool:
        """Whether the run's snapshot exists. A kill between the rename and the journal's removal leaves both."""
        return (self._output / run.folder).exists()

    def _run_ids(self) -> list[str]:
        with wrap_os_errors(self._folder):
            try:
                return sorted(run.name for run in self._folder.iterdir() if not run.name.startswith("."))
            except FileNotFoundError:
                return []

    def _remove_published(self) -> None:
        """Remove what kills leave: journals whose snapshot is published, and folders half made or half removed."""
        for run in self.all_runs():
            if isinstance(run, RunParameters) and self._is_published(run):
                self._drop(run.run_id)
        for folder in self._folder.glob(".*.dropped"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folder.glob(".*.new"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _LEFTOVER_AFTER_S and not self._locks.is_held(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _drop(self, run_id: str) -> bool:
        """Remove a run that no process works on. Returns whether the run is gone."""
        folder = self._folder / run_id
        with wrap_os_errors(folder):
            try:
                if not folder.is_dir():
                    folder.unlink()
                    return True
                lock = self._locks.take(folder)
            except FileNotFoundError:
                return True
        if lock is None:
            return False
        remove_folder(folder)
        lock.release()
        return not folder.exists()


@contextmanager
def _released_on_failure(lock: Lock) -> Iterator[None]:
    try:
        yield
    except BaseException:
        lock.release()
        raise


def duration_text(duration: timedelta) -> str:
    """A duration in its largest unit: `3 days`, `20 h`, `12 min`."""
    seconds = duration.total_seconds()
    for unit, size in ((" days", 86_400), (" h", 3600), (" min", 60)):
        if seconds >= 2 * size or (size == 60 and seconds >= 60):
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f} s"


def age_text(age: timedelta) -> str:
    """How long ago something began: `20 h ago`, or `3 days in the future` where the clock was put back since."""
    return f"{duration_text(age)} ago" if age >= timedelta(0) else f"{duration_text(-age)} in the future"


def _try_rename(probe: Path, run: RunParameters, output: Path) -> None:
    """Rename a folder with a file in it towards the snapshot's place, as publishing will do, and remove it again.

    A rename across devices fails (EXDEV, rename(2)). gcsfuse renames empty folders, and no others unless the bucket has
    a hierarchical namespace (GoogleCloudPlatform/gcsfuse#518, docs/semantics.md): hence the file. Raises SnapshotError.
    """
    beside = next(folder for folder in (output / run.folder).parents if folder.is_dir())
    moved = beside / f".probe-{run.run_id}"  # two runs may be the same shard, and have the same place
    for left_by_a_kill in (probe, moved):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)
    probe.mkdir()
    write_durably(probe / "file", b"")
    try:
        probe.rename(moved)
    except OSError as exc:
        shutil.rmtree(probe, ignore_errors=True)
        raise SnapshotError(
            f"{quoted_path(beside)}: a folder cannot be renamed from {quoted_path(probe.parent)} to here "
            f"({exc.strerror}), and that is how a snapshot is published: choose an output.path on one file system that "
            "can"
        ) from None
    shutil.rmtree(moved, ignore_errors=True)
    sync_folder(beside)
