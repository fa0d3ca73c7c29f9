"""Snapshots that were published, as far as a later run needs to know of them."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.model.run_manifest import Verdict, source_folder

RUN_MANIFEST: Final = "_run.json"
SUCCESS: Final = "_SUCCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One snapshot of a target; `ok` counts its repositories of that outcome."""

    run_id: str
    started_at: str
    is_complete: bool
    ok: int


def published_runs(output: Path, target: str) -> Iterator[PublishedRun]:
    """A target's snapshots, the newest first. One that cannot be read, or vanishes meanwhile, is passed over."""
    try:
        folders = list((output / source_folder(target)).glob("date=*/run=*"))
    except OSError:
        return
    for folder in sorted(folders, key=lambda folder: folder.name, reverse=True):
        run = _read(folder, target)
        if run is not None:
            yield run


def last_complete(output: Path, target: str, started_at: str) -> PublishedRun | None:
    """The newest complete snapshot of a target that was begun before `started_at`; None where there is none.

    Where all were begun later, the clock was put back, or another run was quicker: the newest, which is the best there
    is to compare with.
    """
    newest = None
    for run in published_runs(output, target):
        if run.is_complete and run.started_at < started_at:
            return run
        if run.is_complete and newest is None:
            newest = run
    return newest


@contextmanager
def open_part(part: Path) -> Iterator[io.BufferedIOBase]:
    """The content of a data file, decompressed as its name says. Raises OSError."""
    if part.suffix == ".gz":
        with gzip.open(part) as content:
            yield content
    elif part.suffix == ".zst":
        import zstandard

        with part.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            yield io.BufferedReader(stream)
    else:
        with part.open("rb") as file:
            yield file


def _read(folder: Path, target: str) -> PublishedRun | None:
    try:
        manifest: dict[str, Any] = orjson.loads((folder / RUN_MANIFEST).read_bytes())
        run_id, started_at, ok = manifest["run_id"], manifest["started_at"], manifest["counts"]["ok"]
        is_complete = manifest["verdict"] == Verdict.COMPLETE
        is_ours = manifest["target"] == target
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
        return None
    if not (is_ours and isinstance(run_id, str) and isinstance(started_at, str) and isinstance(ok, int)):
        return None
    return PublishedRun(run_id=run_id, started_at=started_at, is_complete=is_complete, ok=ok)
