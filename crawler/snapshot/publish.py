"""From a journal to a snapshot: built beside the journal, counted, and moved to its place in one rename."""

import gzip
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, SnapshotFile, Verdict
from crawler.snapshot.disk import quoted_path, sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.journal import Journal
from crawler.snapshot.reader import RUN_MANIFEST, SUCCESS, open_part

log = logging.getLogger(__name__)

_CHUNK: Final = 1024**2
_SUFFIX: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class Draft:
    """A snapshot in the making, within the journal's folder, where no loader looks. One left by a kill is made anew.

    Both methods block on the disk, and raise SnapshotError.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / "draft"

    def write(self, compression: str, rows: int) -> tuple[SnapshotFile, ...]:
        """Make the data file of the journal, compressed if asked to, and describe what it holds.

        It is a copy: the journal may still be appended to. `rows` is how many records were written to the journal.
        """
        part = self._folder / (self._journal.path.name + _SUFFIX[compression])
        with wrap_os_errors(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            with part.open("wb") as file:
                with _compressor(file, compression) as sink:
                    self._journal.copy_to(sink)
                file.flush()
                os.fsync(file.fileno())
            described = _described(part)
        if described.rows != rows:
            raise SnapshotError(
                f"{quoted_path(self._journal.path)} holds {described.rows:,} lines, but {rows:,} records were "
                "written to it: nothing is published; rerun with --resume to continue"
            )
        return (described,)

    def publish(self, output: Path, manifest: RunManifest) -> Path:
        """Write `_run.json`, and `_SUCCESS` where it is deserved; move the whole to its place, and drop the journal."""
        place = output / manifest.folder
        with wrap_os_errors(place):
            content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            write_durably(self._folder / RUN_MANIFEST, content)
            if manifest.verdict is Verdict.COMPLETE:
                write_durably(self._folder / SUCCESS, b"")
            sync_folder(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folder.rename(place)
        _make_last(place, output)
        self._journal.discard()
        return place


def _make_last(place: Path, output: Path) -> None:
    """Bring the rename to the disk. The snapshot stands by now, so that a failure is no failure of the run."""
    try:
        for folder in (place.parent, place.parent.parent, output):
            sync_folder(folder)
    except OSError as exc:
        log.warning("%s is published, but a power cut may undo it: %s", quoted_path(place), exc.strerror)


@contextmanager
def _compressor(file: BinaryIO, compression: str) -> Iterator[Any]:
    """What to write a file's content to; it leaves the file open."""
    if compression == "none":
        yield file
        return
    if compression == "zstd":
        import zstandard

        stream: Any = zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False)
    else:  # no name and no time inside: the same records make the same file
        stream = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)
    with stream:
        yield stream


def _described(part: Path) -> SnapshotFile:
    """What the file holds, read back: whatever was meant to be in it."""
    rows = longest = begun = 0
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell()
    with open_part(part) as content:
        while chunk := content.read(_CHUNK):
            first, *rest = chunk.split(b"\n")
            begun += len(first)
            if rest:
                rows += len(rest)
                longest = max(longest, begun, *map(len, rest[:-1]))
                begun = len(rest[-1])
    if begun:
        raise SnapshotError(
            f"{quoted_path(part)} ends within a line, after {rows:,} whole ones: "
            "nothing is published; rerun with --resume to continue"
        )
    return SnapshotFile(name=part.name, rows=rows, bytes=size, sha256=digest.hexdigest(), longest_line=longest)
