"""A run's life on disk: begun under `.unfinished/`, sealed, and published in one rename."""

import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from crawler.errors import SnapshotError
from crawler.model import RunManifest, SnapshotFile, Verdict

UNFINISHED: Final = ".unfinished"
_PART: Final = "part-00000.jsonl"
_CHUNK: Final = 1024**2
_SUFFIX: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class UnfinishedRun:
    """A run that nobody loads yet: its records as they come, uncompressed and unbuffered, so that a kill loses none.

    Every method blocks on the disk, and raises SnapshotError.
    """

    def __init__(self, output: Path, run_id: str) -> None:
        self._output = output
        self._folder = output / UNFINISHED / run_id

    @classmethod
    def begin(cls, output: Path, run_id: str) -> "UnfinishedRun":
        """Make the run's folder."""
        run = cls(output, run_id)
        with _explained(run._folder):
            run._folder.mkdir(parents=True)
        return run

    @contextmanager
    def part(self) -> Iterator[BinaryIO]:
        """The file that records are appended to."""
        with _explained(self._folder):
            file = (self._folder / _PART).open("ab", buffering=0)
        with file:
            yield file

    def discard(self) -> None:
        """Leave no trace of a run that never found anything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def seal(self, compression: str, rows: int) -> tuple[SnapshotFile, ...]:
        """Compress the part if asked to, bring it to the disk for good, and describe it."""
        with _explained(self._folder):
            part = self._folder / _PART
            if compression != "none":
                part = _compressed(part, compression)
            return (_described(part, rows),)

    def publish(self, manifest: RunManifest) -> Path:
        """Write `run.json`, and `_SUCCESS` where it is deserved; then move the whole into its place."""
        place = self._output / manifest.folder
        with _explained(place):
            account = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            _write(self._folder / "run.json", account)
            if manifest.verdict is Verdict.COMPLETE:
                _write(self._folder / "_SUCCESS", b"")
            _sync(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folder.rename(place)
            for folder in (place.parent, place.parent.parent, self._output, self._folder.parent):
                _sync(folder)
        return place


def _compressed(part: Path, compression: str) -> Path:
    target = part.with_name(part.name + _SUFFIX[compression])
    with part.open("rb") as source, target.open("wb") as file, _compressor(file, compression) as sink:
        shutil.copyfileobj(source, sink, _CHUNK)
    part.unlink()
    return target


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


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a folder's entries last: a rename that the disk has not seen is undone by a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        where = fault.filename or path
        raise SnapshotError(f"{where}: {fault.strerror or fault}; the run's output folder must be writable") from None
