"""The journal: a run's records as they come, under `.unfinished/RUN_ID/`, and what a resumed run needs to know.

The journal is the truth. Records are appended as whole lines by an unbuffered file, so that a kill leaves at most the
last line torn. A run that is resumed drops the lines that are no records, or that are to be asked for again. The
journal goes only after the snapshot made from it stands in its place.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from crawler.model.record import JournalEntry, Outcome
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.disk import remove_folder, sync_folder, wrap_os_errors
from crawler.snapshot.locks import Lock

_JOURNAL: Final = "part-00000.jsonl"
_REWRITTEN: Final = "rewritten.jsonl"


@dataclass(slots=True)
class Dropped:
    """How many lines of a journal a resumed run dropped, and why."""

    unreadable: int = 0
    doubled: int = 0
    asked_again: int = 0


class Journal:
    """One unfinished run, and ours alone: its folder is locked until `close` or the end of the process.

    Every method blocks on the disk, and raises SnapshotError.
    """

    def __init__(self, folder: Path, parameters: RunParameters, lock: Lock) -> None:
        self.folder = folder
        self.parameters = parameters
        self.dropped = Dropped()
        self._lock = lock

    @property
    def path(self) -> Path:
        return self.folder / _JOURNAL

    @contextmanager
    def appended(self) -> Iterator[BinaryIO]:
        """The file that records are appended to."""
        with wrap_os_errors(self.path):
            file = self.path.open("ab", buffering=0)
        with file:
            yield file

    def entries(self) -> Iterator[JournalEntry]:
        """What a resumed run keeps. After the last of them the journal is rewritten without the rest, if there is any.

        Dropped are lines that no run wrote whole, a repository's second record, and records that are not final.
        """
        with wrap_os_errors(self.path):
            dropped: set[int] = set()
            names: set[str] = set()
            with self.path.open("a+b") as lines:  # which makes it where a kill came before the first record
                lines.seek(0)
                for number, line in enumerate(lines):
                    entry = _entry(line)
                    if entry is None or not self._is_kept(entry, names):
                        self.dropped.unreadable += entry is None
                        dropped.add(number)
                    else:
                        names.add(entry.repository)
                        yield entry
            if dropped:
                self._rewrite(dropped)

    def _is_kept(self, entry: JournalEntry, names: set[str]) -> bool:
        is_new = entry.repository not in names
        self.dropped.asked_again += not entry.is_final
        self.dropped.doubled += entry.is_final and not is_new
        return entry.is_final and is_new

    def _rewrite(self, dropped: set[int]) -> None:
        """The journal without some of its lines. A kill leaves the one or the other, whole."""
        rewritten = self.folder / _REWRITTEN
        with self.path.open("rb") as lines, rewritten.open("wb") as kept:
            kept.writelines(line for number, line in enumerate(lines) if number not in dropped)
            kept.flush()
            os.fsync(kept.fileno())
        rewritten.replace(self.path)
        sync_folder(self.folder)

    def copy_to(self, part: BinaryIO) -> None:
        """Write all that the journal holds."""
        with wrap_os_errors(self.path), self.path.open("rb") as lines:
            shutil.copyfileobj(lines, part, 1024**2)

    def discard(self) -> None:
        """Leave no trace: for a run that never found anything, and for one whose snapshot stands."""
        remove_folder(self.folder)

    def close(self) -> None:
        self._lock.release()


def _entry(line: bytes) -> JournalEntry | None:
    """The entry of a line, or None for one that no run wrote whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        record: dict[str, Any] = orjson.loads(line)
        repository, children = record["repository"], record["children"] or ()
        if not isinstance(repository, str) or not all(isinstance(child, str) for child in children):
            return None
        return JournalEntry(
            repository=repository,
            outcome=Outcome(record["outcome"]),
            tags=len(record["tags"]),
            images=None if record["images"] is None else len(record["images"]),
            children=tuple(children),
            problems=len(record["problems"]),
            suspect=record["suspect"] is not None,
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return None
