"""`.shards/GROUP/source=TARGET/names/`: the list of names that the shards of a group share, and who writes it.

list.jsonl      a line an entry: who begins to read, pages of names, and the evidence at the end
lock            held by the shard that reads the names and writes the list

The list only grows. A line counts once its newline is there. A shard that takes over cuts off what another one has left
of a line. Lines of a shard that has lost its lock, and writes on after another one has begun, do not count. The json
module writes and reads names that are no UTF-8 (lone surrogates), which orjson refuses.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from crawler.errors import SnapshotError
from crawler.model.group_names import ListedEntry, ListedPage, NamesBegun, NamesEnd, NamesFailed
from crawler.model.run_manifest import Evidence
from crawler.model.run_parameters import RunParameters, UnreadableParametersError
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.locks import Lock, Locks
from crawler.snapshot.shards import differences
from crawler.untrusted_text import quoted_path

NAMES: Final = "names"
"""The folder's name, in the group's folder of a target."""

LIST_VERSION: Final = 1


class GroupNamesFile:
    """See `discovery.group_names.GroupNames`. `folder` is that of the names; the folder above it has to be there."""

    def __init__(self, folder: Path, parameters: RunParameters, locks: Locks | None) -> None:
        """`parameters` are those of this shard. Without locks nothing is ever written."""
        self._folder = folder
        self._path = folder / "list.jsonl"
        self._parameters = parameters
        self._locks = locks
        self._lock: Lock | None = None
        self._offset = 0
        self._lines = 0
        self._writer = ""  # the run whose lines count
        self._pages = 0  # of this writer

    # ------------------------------------------------------------------------------------------------------- reading

    def next_entry(self) -> ListedEntry | None:
        while (line := self._next_line()) is not None:
            self._lines += 1
            entry = self._parse(line)
            self._offset += len(line)
            if entry is not None:
                return entry
        return None

    def names_so_far(self) -> set[str]:
        names: set[str] = set()
        again = GroupNamesFile(self._folder, self._parameters, None)
        while again._offset < self._offset and (entry := again.next_entry()) is not None:
            if isinstance(entry, ListedPage):
                names.update(entry.names)
        if again._offset != self._offset:
            raise SnapshotError(f"{quoted_path(self._path)}: what was read from it before is not there")
        return names

    def _next_line(self) -> bytes | None:
        """The next whole line. The file is opened anew each time: only then NFS asks its server for what is new."""
        with wrap_os_errors(self._path):
            try:
                file = self._path.open("rb")
            except FileNotFoundError:
                return None
            with file:
                file.seek(self._offset)
                line = file.readline()
        return line if line.endswith(b"\n") else None

    def _parse(self, line: bytes) -> ListedEntry | None:
        """The entry of a line; None for a line that does not count. Raises SnapshotError."""
        try:
            fields = json.loads(line)
            if "begun_by" in fields:
                return self._begun(fields)
            return self._entry(fields) if fields["run_id"] == self._writer else None
        except (KeyError, TypeError, ValueError):
            raise SnapshotError(f"{quoted_path(self._path)}: line {self._lines:,} is damaged") from None

    def _begun(self, fields: dict[str, Any]) -> NamesBegun:
        if fields["version"] != LIST_VERSION:
            raise SnapshotError(f"{quoted_path(self._path)}: another version of the program has written it")
        begun_by = fields["begun_by"]
        try:
            theirs = RunParameters.parse(json.dumps(begun_by).encode(), begun_by["run_id"])
        except UnreadableParametersError as exc:
            raise SnapshotError(f"{quoted_path(self._path)}: line {self._lines:,}: {exc}") from None
        if different := differences(self._parameters, theirs):
            raise SnapshotError(f"{quoted_path(self._path)}: written with other options: {different}")
        self._writer, self._pages = theirs.run_id, 0
        return NamesBegun(tuple(fields["sources"]), str(theirs.part))

    def _entry(self, fields: dict[str, Any]) -> ListedEntry:
        if "names" in fields:
            self._pages += 1
            if fields["page"] != self._pages:
                raise ValueError
            return ListedPage(fields["method"], fields["names"])
        if "failed" in fields:
            return NamesFailed(fields["failed"])
        return NamesEnd(fields["method"], Evidence(fields["complete"], fields["evidence"]))

    # ------------------------------------------------------------------------------------------------------- writing

    def try_to_write(self) -> bool:
        if self._locks is None:
            raise SnapshotError("it needs locks, and output.lock is false (--no-lock)")
        with wrap_os_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            if self._lock is None and not self._locks.is_held(self._folder):
                self._lock = self._locks.take(self._folder)
        return self._lock is not None

    def append(self, entry: ListedEntry) -> None:
        is_beginning, is_end = isinstance(entry, NamesBegun), isinstance(entry, NamesEnd)
        self._pages = 0 if is_beginning else self._pages + isinstance(entry, ListedPage)
        line = json.dumps(self._fields(entry), separators=(",", ":")).encode() + b"\n"
        # Closed after each line: NFS sends to its server what is written when the file is closed.
        with wrap_os_errors(self._path), self._path.open("ab") as file:
            if file.tell() != self._offset:
                if not is_beginning:
                    raise SnapshotError(f"{quoted_path(self._path)}: another shard writes to it, too")
                file.truncate(self._offset)  # what is left of a line
            file.write(line)
            file.flush()
            if is_end:
                os.fsync(file.fileno())
        self._offset += len(line)

    def _fields(self, entry: ListedEntry) -> dict[str, Any]:
        run_id = self._parameters.run_id
        match entry:
            case NamesBegun(sources):
                return {"version": LIST_VERSION, "begun_by": asdict(self._parameters), "sources": sources}
            case ListedPage(method, names):
                return {"run_id": run_id, "page": self._pages, "method": method, "names": names}
            case NamesFailed(reason):
                return {"run_id": run_id, "failed": reason}
            case NamesEnd(method, evidence):
                proof = {"complete": evidence.complete, "evidence": evidence.text}
                return {"run_id": run_id, "method": method, **proof}

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
