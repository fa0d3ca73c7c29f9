"""The data files of a run: `part-00000.jsonl`, `part-00001.jsonl` and so on, in the journal and in the snapshot.

The journal's parts are never compressed. A snapshot's parts have the names of the journal's parts, with a suffix that
names their compression.
"""

import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from crawler.errors import SnapshotError
from crawler.model.run_manifest import SnapshotFile
from crawler.untrusted_text import quoted_path

FIRST_PART: Final = "part-00000.jsonl"

LineFinisher = Callable[[bytes], bytes]
"""Makes a line of the snapshot from a line of the journal, with what was known only at the end of the run."""

_PART_NAME: Final = re.compile(r"part-\d{5}\.jsonl")
_SUFFIXES: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_CHUNK_BYTES: Final = 256 * 1024


def journal_parts(folder: Path) -> list[Path]:
    """The parts in a journal's folder, in their order. Raises OSError."""
    return sorted(path for path in folder.iterdir() if _PART_NAME.fullmatch(path.name))


def draft_part(journal_part: Path, folder: Path, compression: str, finish_line: LineFinisher | None) -> Path:
    """Make a part of the snapshot from a journal's part, in a folder, and bring it to the disk. Raises OSError.

    With `finish_line` it has what that makes of each line. A part that stays as it is becomes a second name of the
    journal's file, which may not be appended to then; it is copied only where the file system has no hard links.
    """
    part = folder / f"{journal_part.name}{_SUFFIXES[compression]}"
    if compression == "none" and finish_line is None and _link(journal_part, part):
        with part.open("r+b") as file:  # CIFS flushes what is open for writing
            os.fsync(file.fileno())
    else:
        with journal_part.open("rb") as lines:
            write_lines(lines if finish_line is None else map(finish_line, lines), part, compression)
    return part


def _link(file: Path, name: Path) -> bool:
    """Give a file a second name. Returns whether the file system can: FAT, many FUSE and some network ones cannot."""
    try:
        name.hardlink_to(file)
    except OSError:
        return False  # each of them has an error of its own for it, and a disk that fails will fail the copy, too
    return True


def part_name(number: int, compression: str) -> str:
    """The name of a snapshot's part, counted from 0."""
    return f"part-{number:05d}.jsonl{_SUFFIXES[compression]}"


def write_lines(lines: Iterable[bytes], part: Path, compression: str) -> None:
    """Write a part from its lines, compressed if asked to, and bring it to the disk.

    Raises OSError, also where the file is there already: it may be a second name of a journal's.
    """
    with part.open("xb") as file:
        with _compressor(file, compression) as sink:
            for line in lines:
                sink.write(line)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def open_part(part: Path) -> Iterator[io.BufferedIOBase]:
    """The content of a part, decompressed as its name says. Raises OSError."""
    with part.open("rb") as file, _decompressed(file, part.suffix) as content:
        yield content


def read_lines(part: Path) -> Iterator[bytes]:
    """The lines of a part. Raises OSError, and SnapshotError where the part is damaged."""
    import zstandard

    try:
        with open_part(part) as content:
            yield from content
    except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError):
        raise SnapshotError(f"{quoted_path(part)}: it is damaged, and cannot be decompressed") from None


def describe_part(part: Path) -> SnapshotFile:
    """Count and hash what a part holds, as it is read back from the disk.

    Raises OSError, and SnapshotError where the part ends within a line.
    """
    lines = _LineCounter()
    with FileIO(part) as file:
        hashed = _HashedFile(file)
        with _decompressed(hashed, part.suffix) as content:
            while chunk := content.read(_CHUNK_BYTES):
                lines.add(chunk)
        while hashed.read(_CHUNK_BYTES):  # what a decompressor may have left
            pass
    if lines.unfinished:
        raise SnapshotError(
            f"{quoted_path(part)} ends within a line, after {lines.rows:,} whole ones: "
            "nothing is published; rerun with --resume to continue"
        )
    return SnapshotFile(
        name=part.name,
        rows=lines.rows,
        bytes=hashed.size,
        sha256=hashed.digest.hexdigest(),
        longest_line=lines.longest,
    )


class _HashedFile:
    """A file that is hashed as it is read, so that it is read once.

    Attributes:
        digest: of what was read so far.
        size: its bytes.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        self.size += len(data)
        return data


class _LineCounter:
    """Counts lines as they come, in pieces of any size.

    Attributes:
        rows: the whole lines so far.
        longest: the bytes of the longest of them, without its end.
        unfinished: the bytes after the last whole line.
    """

    def __init__(self) -> None:
        self.rows = self.longest = self.unfinished = 0

    def add(self, chunk: bytes) -> None:
        rows, longest, start = 0, self.longest, -self.unfinished
        end = chunk.find(b"\n")
        while end >= 0:  # split() and count() look at each byte, and take twice as long
            rows += 1
            longest = max(longest, end - start)
            start = end + 1
            end = chunk.find(b"\n", start)
        self.rows += rows
        self.longest = longest
        self.unfinished = len(chunk) - start


@contextmanager
def _decompressed(file: Any, suffix: str) -> Iterator[Any]:
    """What a file of a part contains, by the suffix of its name. The file only has to have `read`."""
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=file, mode="rb") as content:
            yield content
    elif suffix == ".zst":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as stream:
            yield io.BufferedReader(stream)
    else:
        yield file


@contextmanager
def _compressor(file: BinaryIO, compression: str) -> Iterator[Any]:
    """What to write a file's content to. It leaves the file open."""
    if compression == "none":
        yield file
        return
    if compression == "zstd":
        import zstandard

        stream: Any = zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False)
    else:
        # no file name and no time in gzip's header: equal records make equal files, whose checksums can be compared
        stream = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)
    with stream:
        yield stream
