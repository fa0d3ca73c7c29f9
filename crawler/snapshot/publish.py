"""From a journal to a snapshot: built beside the journal, brought to the disk, and moved to its place in one rename."""

import gzip
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from crawler.model import RunManifest, SnapshotFile, Verdict
from crawler.snapshot.journal import Journal, explained, write_durably

RUN_MANIFEST: Final = "_run.json"
_CHUNK: Final = 1024**2
_SUFFIX: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class Draft:
    """A snapshot in the making, within the journal's folder, which nobody loads. A draft left by a kill is made anew.

    Both methods block on the disk, and raise SnapshotError.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / "draft"

    def write(self, compression: str, rows: int) -> tuple[SnapshotFile, ...]:
        """Make the data file of the journal, compressed if asked to, and describe it."""
        journal = self._journal.path
        part = self._folder / (journal.name + _SUFFIX[compression])
        with explained(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            if compression == "none":
                _copy(journal, part)
            else:
                _compress(journal, part, compression)
            return (_described(part, rows),)

    def publish(self, output: Path, manifest: RunManifest) -> Path:
        """Write `_run.json`, and `_SUCCESS` where it is deserved; move the whole to its place, and drop the journal."""
        place = output / manifest.folder
        with explained(place):
            account = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            write_durably(self._folder / RUN_MANIFEST, account)
            if manifest.verdict is Verdict.COMPLETE:
                write_durably(self._folder / "_SUCCESS", b"")
            _sync(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folder.rename(place)
            for folder in (place.parent, place.parent.parent, output):
                _sync(folder)
        self._journal.discard()
        return place


def _copy(journal: Path, part: Path) -> None:
    try:
        part.hardlink_to(journal)
    except OSError:  # not every file system has links
        shutil.copyfile(journal, part)


def _compress(journal: Path, part: Path, compression: str) -> None:
    with journal.open("rb") as source, part.open("wb") as file, _compressor(file, compression) as sink:
        shutil.copyfileobj(source, sink, _CHUNK)


def _compressor(file: BinaryIO, compression: str) -> Any:
    """A stream that is written to and closed with `with`, leaving the file open."""
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False)
    # no name and no time inside: the same records make the same file
    return gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)


def _described(part: Path, rows: int) -> SnapshotFile:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell()
        os.fsync(file.fileno())
    return SnapshotFile(name=part.name, rows=rows, bytes=size, sha256=digest.hexdigest())


def _sync(folder: Path) -> None:
    """Make a folder's entries last: a rename that the disk has not seen is undone by a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
