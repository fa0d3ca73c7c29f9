"""`.unfinished/`: runs that were begun and not published; how one is begun, found, resumed and dropped."""

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
from crawler.snapshot.disk import quoted_path, remove_folder, sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import Lock, Locks
from crawler.snapshot.reader import PublishedRun, published_runs
from crawler.untrusted_text import printable

UNFINISHED: Final = ".unfinished"
_BEGUN: Final = "begun.json"
_LEFTOVER_AFTER_S: Final = 3600.0
"""A folder that was not made complete within this time was left by a kill."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The run to go on with, if there is one, and a line for each that is left, with the reason."""

    journal: Journal | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A run that this version cannot go on with; `target` is "" where it does not say which it is of."""

    run_id: str
    target: str
    why: str


class UnfinishedRuns:
    """The unfinished runs of one output folder, of which those younger than `within` can be resumed.

    Every method blocks on the disk, and raises SnapshotError. Runs of other processes may appear and vanish at any
    time: what has gone was not there.
    """

    def __init__(self, output: Path, locks: Locks, within: timedelta = timedelta.max) -> None:
        self._output = output
        self._folder = output / UNFINISHED
        self._locks = locks
        self._within = within

    def begin(self, parameters: RunParameters) -> Journal:
        """Make the folder of a new run: complete under another name first, so that no process sees half of it.

        Finds out now whether the folder has locks, and whether a snapshot can be moved out of it by a rename.
        """
        new = self._folder / f".{parameters.run_id}.new"
        folder = self._folder / parameters.run_id
        with wrap_os_errors(new):
            self._remove_published()
            new.mkdir(parents=True)
            try:
                lock = self._lock(new, parameters)
                with _released_on_failure(lock):
                    write_durably(new / _BEGUN, parameters.dump())
                    _try_rename(new / "probe", self._output / parameters.place)
                    new.rename(folder)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        return Journal(folder, parameters, lock)

    def resume(self, now: RunParameters) -> Resumption:
        """Take up the newest run of the same target and parameters that is young and has no newer snapshot.

        Raises SnapshotError where another process works on it.
        """
        moment = datetime.fromisoformat(now.started_at)
        newest = self._newest(now.target, moment)
        notes = []
        for run in self._runs_for(now.target):
            obstacle = self._obstacle(run, moment, newest)
            differences = "; ".join(run.differences(now))
            if obstacle or differences:
                why = obstacle or f"it was begun with other options: {differences}"
                notes.append(
                    f"run {run.run_id} was begun {age_text(run.age(moment))} and is not resumed: {why}; "
                    f"`registry-crawler runs discard {run.run_id}` drops it"
                )
            elif (journal := self._take_over(run, now.started_at)) is not None:
                return Resumption(journal, tuple(notes))
        return Resumption(None, tuple(notes))

    def resumable(self, now: RunParameters) -> list[RunParameters]:
        """The runs that `resume` would go on with, whose process has ended; the newest first."""
        moment = datetime.fromisoformat(now.started_at)
        newest = self._newest(now.target, moment)
        return [
            run
            for run in self._runs_for(now.target)
            if not (self._obstacle(run, moment, newest) or run.differences(now) or self._is_held(run))
        ]

    def unreadable(self, target: str) -> list[str]:
        """A line for each run that this version cannot read, unless it is known to be of another target."""
        found = (run for run in self._all() if isinstance(run, _Unreadable) and run.target in {"", target})
        return [
            f"run {printable(run.run_id)} in {quoted_path(self._folder)} cannot be resumed and is left: {run.why}; "
            f"`registry-crawler runs discard {printable(run.run_id)}` drops it"
            for run in found
        ]

    def clean_up(self, target: str, moment: datetime) -> None:
        """Drop the runs of a target that can no longer be resumed, all but the newest of them.

        One that began in the future is kept: after a start with its clock unset a machine takes every run for such.
        """
        newest = self._newest(target, moment)
        past = [run for run in self._runs_for(target) if run.age(moment) >= timedelta(0)]
        stale = [run for run in past if self._obstacle(run, moment, newest) and not self._is_held(run)]
        for run in stale[1:]:
            self._drop(run.run_id)

    def discard(self, run_id: str) -> None:
        """Drop one run, whatever it is. Raises LookupError with the ids there are, where it is not among them."""
        run_ids = self._run_ids()
        if run_id not in run_ids:
            raise LookupError(", ".join(map(printable, run_ids)) or "none")
        if not self._drop(run_id):
            raise SnapshotError(f"run {printable(run_id)} is not discarded: another process works on it")

    def _take_over(self, run: RunParameters, now: str) -> Journal | None:
        """The run's journal, ours from now on; None where it has gone meanwhile."""
        folder = self._folder / run.run_id
        with wrap_os_errors(folder), suppress(FileNotFoundError):
            lock = self._lock(folder, run)
            resumed = replace(run, resumed_at=(*run.resumed_at, now))
            with _released_on_failure(lock):
                write_durably(folder / f"{_BEGUN}.new", resumed.dump())
                (folder / f"{_BEGUN}.new").replace(folder / _BEGUN)
                _try_rename(folder / "probe", self._output / run.place)
            return Journal(folder, resumed, lock)
        return None

    def _lock(self, folder: Path, run: RunParameters) -> Lock:
        lock = self._locks.take(folder)
        if lock is None:
            raise SnapshotError(f"run {run.run_id} of {run.target} cannot be resumed: another process works on it")
        return lock

    def _obstacle(self, run: RunParameters, moment: datetime, newest: Sequence[PublishedRun]) -> str:
        """Why a run can no longer be resumed; "" where it can.

        A clock may have been put back. What began in the future then is taken for as old as it is ahead, and a snapshot
        from the future is no newer than a run from before it: else no run could be resumed until its date has come.
        """
        now = timestamp(moment)
        for snapshot in newest:
            if snapshot.started_at > run.started_at and (snapshot.started_at <= now or run.started_at > now):
                return f"snapshot {printable(snapshot.run_id)} is newer"
        if abs(run.age(moment)) > self._within:
            return f"resume.within is {duration_text(self._within)}"
        return ""

    def _newest(self, target: str, moment: datetime) -> list[PublishedRun]:
        """The newest snapshot of a target, after those that began in the future, if any did."""
        found, now = [], timestamp(moment)
        for snapshot in published_runs(self._output, target):
            found.append(snapshot)
            if snapshot.started_at <= now:
                break
        return found

    def _runs_for(self, target: str) -> list[RunParameters]:
        """A target's runs, the newest first, but for those whose snapshot stands."""
        runs = [run for run in self._all() if isinstance(run, RunParameters) and run.target == target]
        ours = [run for run in runs if not (self._output / run.place).exists()]
        return sorted(ours, key=lambda run: (run.started_at, run.run_id), reverse=True)

    def _all(self) -> Iterator[RunParameters | _Unreadable]:
        for run_id in self._run_ids():
            try:
                yield RunParameters.parse((self._folder / run_id / _BEGUN).read_bytes(), run_id)
            except (FileNotFoundError, NotADirectoryError):
                continue  # dropped meanwhile, or no run
            except UnreadableParametersError as exc:
                yield _Unreadable(run_id, exc.target, str(exc))
            except OSError as exc:
                yield _Unreadable(run_id, "", f"its {_BEGUN} cannot be read: {exc.strerror}")

    def _run_ids(self) -> list[str]:
        with wrap_os_errors(self._folder):
            try:
                return sorted(run.name for run in self._folder.iterdir() if not run.name.startswith("."))
            except FileNotFoundError:
                return []

    def _remove_published(self) -> None:
        """Drop what kills left behind: journals whose snapshot stands, and folders half made or half removed."""
        for run in self._all():
            if isinstance(run, RunParameters) and (self._output / run.place).exists():
                self._drop(run.run_id)
        for folder in self._folder.glob(".*.dropped"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folder.glob(".*.new"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _LEFTOVER_AFTER_S and not self._locks.is_held(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _is_held(self, run: RunParameters) -> bool:
        folder = self._folder / run.run_id
        with wrap_os_errors(folder):
            try:
                return self._locks.is_held(folder)
            except FileNotFoundError:
                return False

    def _drop(self, run_id: str) -> bool:
        """Remove a run that no process works on, and say whether it has gone."""
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
    """A duration as people say it: `3 days`, `20 h`, `12 min`."""
    seconds = duration.total_seconds()
    for unit, size in ((" days", 86_400), (" h", 3600), (" min", 60)):
        if seconds >= 2 * size or (size == 60 and seconds >= 60):
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f} s"


def age_text(age: timedelta) -> str:
    """How long ago something began: `20 h ago`, or `3 days in the future` where the clock was put back since."""
    return f"{duration_text(age)} ago" if age >= timedelta(0) else f"{duration_text(-age)} in the future"


def _try_rename(probe: Path, place: Path) -> None:
    """Move a folder with a file in it to where the snapshot will stand, or as near as there is, and remove it.

    Renames across devices fail, and some file systems (gcsfuse, of folders that are not empty) refuse them all.
    Raises SnapshotError.
    """
    beside = next(folder for folder in place.parents if folder.is_dir())
    moved = beside / f".probe-{place.name}"
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
