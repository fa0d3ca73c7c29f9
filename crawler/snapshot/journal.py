"""The journal: a run's records as they come, under `.unfinished/RUN_ID/`, and what a resumed run needs to know.

The journal is the truth. Records are appended as whole lines by an unbuffered file, so that a kill leaves at most the
last line torn; nothing in it is ever changed, and it goes only after the snapshot made from it stands in its place.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from crawler.errors import SnapshotError, printable
from crawler.model import Outcome, snapshot_folder

UNFINISHED: Final = ".unfinished"
_JOURNAL: Final = "part-00000.jsonl"
_TERMS: Final = "begun.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run was begun with: its target, by which it is found again, and the filters, which may not change."""

    run_id: str
    started_at: str
    target: str
    discovery: str
    repositories_from: str | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where the run's snapshot will lie, relative to the output folder."""
        return snapshot_folder(self.target, self.started_at, self.run_id)

    def differences(self, now: "Terms") -> list[str]:
        """What is not as it was, each in words."""
        names = ("discovery", "repositories_from", "include", "exclude")
        return [
            f"{name} was {_words(getattr(self, name))} and is {_words(getattr(now, name))}"
            for name in names
            if getattr(self, name) != getattr(now, name)
        ]


@dataclass(frozen=True, slots=True)
class Entry:
    """What of a journaled record its run's counts are made of."""

    repository: str
    outcome: Outcome
    tags: int
    images: int
    children: tuple[str, ...]
    suspect: bool


class Journal:
    """One unfinished run, and ours alone: its folder is locked until `close` or the end of the process.

    Every method blocks on the disk, and raises SnapshotError.
    """

    def __init__(self, folder: Path, terms: Terms, lock: int) -> None:
        self.folder = folder
        self.terms = terms
        self._lock = lock

    @property
    def path(self) -> Path:
        return self.folder / _JOURNAL

    @contextmanager
    def appended(self) -> Iterator[BinaryIO]:
        """The file that records are appended to."""
        with explained(self.path):
            file = self.path.open("ab", buffering=0)
        with file:
            yield file

    def entries(self) -> Iterator[Entry]:
        """What the journal holds so far. A torn last line is cut off, so that the next record begins a line."""
        with explained(self.path):
            whole = 0
            with self.path.open("a+b") as file:
                file.seek(0)
                for line in file:
                    entry = _entry(line)
                    if entry is None:
                        break
                    whole += len(line)
                    yield entry
                file.truncate(whole)

    def discard(self) -> None:
        """Leave no trace: for a run that never found anything, and for one whose snapshot stands."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        os.close(self._lock)


def begin(output: Path, terms: Terms) -> Journal:
    """Make the folder of a new run. Raises SnapshotError."""
    _sweep(output)
    folder = output / UNFINISHED / terms.run_id
    with explained(folder):
        folder.mkdir(parents=True)
        lock = _locked(folder)
        assert lock is not None  # nobody else knows of it yet
        write_durably(folder / _TERMS, orjson.dumps(terms, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return Journal(folder, terms, lock)


def resume(output: Path, now: Terms) -> Journal | None:
    """Take up the newest unfinished run of the same target; None where there is none.

    Raises SnapshotError where another process works on it, or where it was begun with other filters.
    """
    _sweep(output)
    begun = next(iter(unfinished_runs(output, now.target)), None)
    if begun is None:
        return None
    folder = output / UNFINISHED / begun.run_id
    lock = _locked(folder)
    if lock is None:
        raise SnapshotError(f"run {begun.run_id} of {begun.target} cannot be resumed: another process works on it")
    differences = begun.differences(now)
    if differences:
        os.close(lock)
        raise SnapshotError(
            f"run {begun.run_id} of {begun.target} cannot be resumed: {'; '.join(differences)} "
            f"(begin anew without --resume, or ask for the same)"
        )
    return Journal(folder, begun, lock)


def unfinished_runs(output: Path, target: str) -> list[Terms]:
    """The terms of a target's unfinished runs, the newest first, whether or not a process works on them."""
    ours = [terms for terms in _all_terms(output) if terms.target == target and not (output / terms.place).exists()]
    return sorted(ours, key=lambda terms: (terms.started_at, terms.run_id), reverse=True)


def abandoned_runs(output: Path, target: str) -> list[Terms]:
    """The unfinished runs of a target that no process works on, the newest first."""
    return [terms for terms in unfinished_runs(output, target) if _is_free(output / UNFINISHED / terms.run_id)]


def _sweep(output: Path) -> None:
    """Drop journals whose snapshot stands: a kill came between the two."""
    for terms in _all_terms(output):
        if (output / terms.place).exists():
            shutil.rmtree(output / UNFINISHED / terms.run_id, ignore_errors=True)


def _all_terms(output: Path) -> list[Terms]:
    return [terms for folder in (output / UNFINISHED).glob("*") if (terms := _terms(folder)) is not None]


def _is_free(folder: Path) -> bool:
    lock = _locked(folder)
    if lock is not None:
        os.close(lock)
    return lock is not None


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole file and bring it to the disk for good. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """An OSError as a SnapshotError that names the path."""
    try:
        yield
    except OSError as fault:
        raise SnapshotError(f"{fault.filename or path}: {fault.strerror or fault}") from None


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock, or None where another process holds it."""
    with explained(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def _terms(folder: Path) -> Terms | None:
    """The terms of a run, or None where they were never written whole: such a run had not begun."""
    path = folder / _TERMS
    try:
        said = orjson.loads(path.read_bytes())
        return Terms(**{**said, "include": tuple(said["include"]), "exclude": tuple(said["exclude"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise SnapshotError(f"{path}: {fault.strerror}: is the run another user's?") from None
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None


def _entry(line: bytes) -> Entry | None:
    """The entry of a line, or None for one that no run wrote whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        record: dict[str, Any] = orjson.loads(line)
        return Entry(
            repository=record["repository"],
            outcome=Outcome(record["outcome"]),
            tags=len(record["tags"]),
            images=len(record["images"] or ()),
            children=tuple(record["children"] or ()),
            suspect=record["suspect"] is not None,
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def _words(value: Any) -> str:
    return printable(orjson.dumps(value).decode())
