"""Records as JSON lines, into a file or down a pipe."""

import errno
import os
import select
from collections.abc import Sequence
from io import FileIO
from typing import Any, BinaryIO, Final

import anyio.to_thread
import orjson

from crawler.errors import OutputClosed, SnapshotError
from crawler.model.record import Record

_THREAD_THRESHOLD_BYTES: Final = 1024**2
"""From this many bytes on a slow disk would be felt by every exchange under way."""


def encode(records: Sequence[Record]) -> bytes:
    """The records as whole lines, their keys in the contract's order."""
    return b"".join([orjson.dumps(_as_dict(record), option=orjson.OPT_APPEND_NEWLINE) for record in records])


def _as_dict(record: Record) -> dict[str, Any]:
    """Written out, because orjson takes twice as long to find a dataclass's fields by itself.

    Every key of the contract is always there; what nothing asks for yet is null.
    """
    images = record.images
    return {
        "schema": record.schema,
        "run_id": record.run_id,
        "target": record.target,
        "registry": record.registry,
        "repository": record.repository,
        "outcome": record.outcome,
        "tags": record.tags,
        "images": None
        if images is None
        else [
            {
                "digest": digest,
                "tags": tags,
                "kind": None,
                "media_type": media_type,
                "artifact_type": None,
                "subject_digest": None,
                "size_bytes": size_bytes,
                "created_at": created_at,
                "uploaded_at": uploaded_at,
                "updated_at": None,
                "pulled_at": None,
                "platforms": None,
                "manifest": None,
                "config": None,
                "referrers": None,
            }
            for digest, tags, media_type, size_bytes, created_at, uploaded_at in images
        ],
        "children": record.children,
        "problems": record.problems,
        "suspect": record.suspect,
        "error": record.error,
        "observed_at": record.observed_at,
    }


class JsonLinesFile:
    """An unbuffered file: when `write` returns the lines are the kernel's, and outlive this process."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def write(self, records: Sequence[Record]) -> None:
        lines = encode(records)
        try:
            if len(lines) < _THREAD_THRESHOLD_BYTES:
                _write_all(self._file, lines)
            else:
                await anyio.to_thread.run_sync(_write_all, self._file, lines)
        except OSError as fault:
            raise SnapshotError(f"{self._file.name}: cannot be written: {os.strerror(fault.errno or 0)}") from None


class JsonLinesPipe:
    """A pipe, whose reader may be slow, or go; unbuffered, as a buffer's lock would be held while its reader sleeps.

    A cancelled write is abandoned: it goes on in its thread, and may end within a line.
    """

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe

    async def write(self, records: Sequence[Record]) -> None:
        try:
            await anyio.to_thread.run_sync(_write_all, self._pipe, encode(records), abandon_on_cancel=True)
        except BrokenPipeError:
            raise OutputClosed("the output pipe was closed") from None
        except OSError as exc:
            why = "it is closed" if exc.errno == errno.EBADF else os.strerror(exc.errno or 0)
            raise SnapshotError(f"standard output cannot be written: {why}") from None


def _write_all(file: BinaryIO | FileIO, lines: bytes) -> None:
    """Write every byte: an unbuffered file may take fewer than it is given.

    It takes none where another process that shares it made it non-blocking, as some parents of ours do to pipes.
    """
    rest = memoryview(lines)
    while rest:
        written: int | None = file.write(rest)
        if written is None:
            select.select([], [file], [])
        else:
            rest = rest[written:]
