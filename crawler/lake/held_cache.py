"""A digest cache that a lake holds: on this disk before a run, and back in the lake after it.

A run works with a file of its own (`Config.cache_file`). What it has read is united with the lake's object, as that is
by then. So of runs that end at once, none loses what the others have read.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeAlias

from crawler.digest_cache.compact_copy import write_compact_copy
from crawler.digest_cache.file import Unfit
from crawler.digest_cache.union import count, unite
from crawler.errors import LakeError
from crawler.lake.opening import open_versioned
from crawler.lake.versioned import Version, VersionedStore
from crawler.untrusted_text import printable, quoted_path

Notes: TypeAlias = list[tuple[str, int]]
"""Lines for the operator, each with one of `logging`'s levels."""

PATIENCE_S: Final = 600.0
"""How long a run tries to put its cache back while other runs are quicker: one of them succeeds each time."""

_LONGEST_PAUSE_S: Final = 4.0
"""Before another attempt. It is random, so that runs that ended together do not stay together."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The object when it was last read: its version, and how many contents and images it had."""

    version: Version | None
    found: int


class HeldCache:
    """An object and its file on this disk, for one run. Nothing here is fatal: what fails is a note.

    Attributes:
        label: what it is called in a note.
    """

    def __init__(self, url: str, store: VersionedStore, name: str, file: Path, patience_s: float) -> None:
        self._store = store
        self._name = name
        self._file = file
        self._patience_s = patience_s
        self.label = f"digest cache {printable(url)}"
        self._seen: _Seen | None = None

    @classmethod
    def open(cls, url: str, file: Path, environ: Mapping[str, str], patience_s: float = PATIENCE_S) -> Self:
        """`environ` has the provider's endpoint and credentials. Raises ConfigError where they make no sense."""
        store, name = open_versioned(url, environ)
        return cls(url, store, name, file, patience_s)

    def fetch(self, scratch: Path) -> Notes:
        """Add what the object has to the file on this disk. Files are made in the folder `scratch`."""
        return self._noted(self._fetch, scratch, f"this run begins with {quoted_path(self._file)} as it is")

    def put_back(self, scratch: Path) -> Notes:
        """Add to the object what the file on this disk has, unless it has nothing more. See `fetch` for `scratch`."""
        return self._noted(self._put_back, scratch, self._kept)

    def interrupted(self) -> Notes:
        """What is to be said where a signal has ended either."""
        return [(f"{self.label}: interrupted; {self._kept}", logging.WARNING)]

    @property
    def _kept(self) -> str:
        return f"{quoted_path(self._file)} keeps what was read, and the next run with this output folder puts it back"

    def _noted(self, work: Callable[[Path], Notes], scratch: Path, otherwise: str) -> Notes:
        try:
            return work(scratch)
        except Unfit as exc:
            reason = f"{quoted_path(self._file)}: {exc}"
        except (LakeError, OSError) as exc:
            reason = str(exc)
        return [(f"{self.label}: {reason}; {otherwise}", logging.WARNING)]

    def _fetch(self, scratch: Path) -> Notes:
        """Raises LakeError, also where the object is no cache, and where this disk fails; and OSError."""
        fetched = scratch / "fetched.sqlite"
        version = self._store.download(self._name, fetched)
        if version is None:
            self._seen = _Seen(None, 0)
            return []
        size = fetched.stat().st_size
        union = unite(self._file, [fetched])
        fetched.unlink()
        for left_out in union.left_out:
            raise LakeError(f"{left_out.reason}; the object is left as it is: look at it, and remove it")
        if not union.is_whole:
            raise LakeError("; ".join(union.notes))
        self._seen = _Seen(version, union.found)
        line = f"{size / 1e6:,.1f} MB fetched, {union.added:,} of {union.found:,} entries are new on this disk"
        return [*((note, logging.WARNING) for note in union.notes), (f"{self.label}: {line}", logging.INFO)]

    def _put_back(self, scratch: Path) -> Notes:
        """Raises LakeError, Unfit and OSError."""
        notes: Notes = []
        deadline = time.monotonic() + self._patience_s
        while True:
            if self._seen is None or self._seen.version != self._store.version(self._name):
                notes += self._fetch(scratch)
            if self._seen is None or (more := count(self._file) - self._seen.found) <= 0:
                return notes
            if (size := self._replace(scratch, self._seen.version)) is not None:
                return [*notes, (f"{self.label}: {size / 1e6:,.1f} MB put back, {more:,} entries more", logging.INFO)]
            if time.monotonic() >= deadline:
                raise LakeError(f"other runs replaced it for {self._patience_s:.0f} s, again and again")
            time.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311  (no secret)

    def _replace(self, scratch: Path, known: Version | None) -> int | None:
        """Replace the object of this version by a copy of the file. Returns its bytes; None where it has changed."""
        copy = scratch / "copy.sqlite"
        write_compact_copy(self._file, copy)
        try:
            return copy.stat().st_size if self._store.replace_version(self._name, copy, known) else None
        finally:
            copy.unlink()
