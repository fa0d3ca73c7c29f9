"""The journal: a run's records as they come, under `.unfinished/RUN_ID/`, and what a resumed run needs to know.

The journal is the truth. An unbuffered file takes records as whole lines, so that a kill tears the last line at most. A
resumed run drops the lines that are not whole records, and the records that are not final. The journal is removed only
after its snapshot is published.

The file of a journal may become that of the snapshot (`parts.draft_part`), and then it must not be appended to. So a
resumed run has files of its own: who had the run before, and whatever a kill has left, keep the old ones.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.errors import SnapshotError
from crawler.model.record import JournalEntry, Outcome, count_unread
from crawler.model.record_fields import is_record
from crawler.model.run_parameters import RunParameters
from crawler.snapshot.disk import remove_folder, sync_folder, wrap_os_errors
from crawler.snapshot.locks import Lock
from crawler.snapshot.parts import FIRST_PART, journal_parts
from crawler.untrusted_text import quoted_path

_REWRITTEN: Final = "rewritten.jsonl"


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many lines of a journal a resumed run dropped, and why.

    Attributes:
        unreadable: lines that are not whole records, which a kill or a power cut leaves.
        duplicates: further records of a repository that has one already.
        not_final: records of repositories that are listed again; see `JournalEntry.is_final`.
    """

    unreadable: int = 0
    duplicates: int = 0
    not_final: int = 0


class Journal:
    """The journal of one unfinished run, for this process alone: the folder is locked until `close`.

    Every method blocks on the disk, and raises SnapshotError.
    """

    def __init__(self, folder: Path, parameters: RunParameters, lock: Lock) -> None:
        self.folder = folder
        self.parameters = parameters
        self._lock = lock
        self._dropped = Dropped()

    @property
    def parts(self) -> list[Path]:
        """The files that hold the records, in order. There is none before the first `appended`."""
        with wrap_os_errors(self.folder):
            return journal_parts(self.folder)

    @property
    def dropped(self) -> Dropped:
        """What the last walk through `entries` dropped."""
        return self._dropped

    @property
    def draft_folder(self) -> Path:
        """Where the snapshot is made before it is published."""
        return self.folder / "draft"

    @contextmanager
    def appended(self) -> Iterator["AppendedPart"]:
        """The file that records are appended to: the last part."""
        part = (self.parts or [self.folder / FIRST_PART])[-1]
        with wrap_os_errors(part):
            file = FileIO(part, "a")
        with file:
            yield AppendedPart(part, file, self.draft_folder)

    def entries(self) -> Iterator[JournalEntry]:
        """The records that a resumed run keeps.

        When the iterator ends, all other lines have left the journal, and its files are this process's own.
        """
        selection = _Selection()
        for part in self.parts:
            with wrap_os_errors(part):
                yield from _kept_entries(part, selection)
        self._dropped = selection.dropped

    def discard(self) -> None:
        """Remove the run's folder: nothing was recorded, or the snapshot is published."""
        remove_folder(self.folder)

    def close(self) -> None:
        self._lock.release()


class AppendedPart:
    """The part of a journal that records are appended to, as long as it is this process's own.

    The lock may be lost: a machine sleeps, and its locks on NFS expire; or there are none (`output.lock`). Then another
    process may resume the run, and have a file of its own in this one's place, or publish this very file. Whoever wakes
    up must not write there. A further name alone is no sign of that: backups, too, make hard links.
    """

    def __init__(self, part: Path, file: FileIO, draft_folder: Path) -> None:
        self._part = part
        self._path = str(part)
        self._file = file
        self._inode = os.fstat(file.fileno()).st_ino
        self._draft_folder = draft_folder

    @property
    def name(self) -> Path:
        return self._part

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, lines: bytes | memoryview) -> int:
        """Write as much as the file takes, and return how much. Raises SnapshotError where the part is another's."""
        if not self._is_own():
            raise SnapshotError(
                f"{quoted_path(self._part)}: the file was removed, or another process resumed and published this run: "
                "nothing more is written"
            )
        return self._file.write(lines)

    def _is_own(self) -> bool:
        try:
            found = os.stat(self._path)  # noqa: PTH116  (twice as quick, and each batch of records waits)
        except FileNotFoundError:
            return False
        return found.st_ino == self._inode and (found.st_nlink < 2 or not self._draft_folder.exists())


class _Selection:
    """Which records of a journal a resumed run keeps: each repository's first final one. Counts the lines dropped."""

    def __init__(self) -> None:
        self._kept: set[str] = set()
        self._unreadable = self._duplicates = self._not_final = 0

    @property
    def dropped(self) -> Dropped:
        return Dropped(unreadable=self._unreadable, duplicates=self._duplicates, not_final=self._not_final)

    def select(self, line: bytes) -> JournalEntry | None:
        """The line's entry, or None where the line is to be dropped."""
        entry = _parse_entry(line)
        if entry is None:
            self._unreadable += 1
        elif not entry.is_final:
            self._not_final += 1
        elif entry.repository in self._kept:
            self._duplicates += 1
        else:
            self._kept.add(entry.repository)
            return entry
        return None


def _kept_entries(part: Path, selection: _Selection) -> Iterator[JournalEntry]:
    dropped: set[int] = set()
    with part.open("rb") as lines:
        for number, line in enumerate(lines):
            if (entry := selection.select(line)) is not None:
                yield entry
            else:
                dropped.add(number)
    _rewrite_without(part, dropped)


def _rewrite_without(part: Path, dropped: set[int]) -> None:
    """Make a part anew, without some lines. A kill leaves either the old part or the new one, and each is whole."""
    rewritten = part.with_name(_REWRITTEN)
    try:
        with part.open("rb") as lines, rewritten.open("wb") as kept:
            kept.writelines(line for number, line in enumerate(lines) if number not in dropped)
            kept.flush()
            os.fsync(kept.fileno())
        rewritten.replace(part)
    finally:
        rewritten.unlink(missing_ok=True)  # the disk is full
    sync_folder(part.parent)


def _parse_entry(line: bytes) -> JournalEntry | None:
    """The entry of a line, or None where the line is not a whole record of this version."""
    if not line.endswith(b"\n"):
        return None  # torn by a kill, even where the text before the newline is a whole record: nothing may follow it
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not is_record(record):
        return None
    problems = record["problems"]
    unread = count_unread((problem["problem"], problem["code"], problem["digest"]) for problem in problems)
    return JournalEntry(
        repository=record["repository"],
        outcome=Outcome(record["outcome"]),
        tags=len(record["tags"]),
        images=None if record["images"] is None else len(record["images"]),
        children=tuple(record["children"] or ()),
        problems=Counter(problem["problem"] for problem in problems),
        unread=unread.images,
        unresolved=unread.unresolved,
        suspect=record["suspect"] is not None,
    )
