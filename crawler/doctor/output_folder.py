"""Can a snapshot be written and published? A run is begun in the output folder, as a crawl does, and taken back.

That tries the folder, fsync, the lock and the rename; a journal that a kill has left beside its snapshot goes as well.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crawler.config import STDIO, Config, RegistryConfig
from crawler.doctor.step import Finding, ok, skipped, warning
from crawler.model.run_manifest import source_folder
from crawler.model.words import size_text
from crawler.run.parameters import build_run_parameters
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.locks import Locks, NoLocks
from crawler.snapshot.unfinished import UNFINISHED, UnfinishedRuns
from crawler.untrusted_text import quoted_path

_COMPRESSED: Final = 10
"""How many times as long a journal is as its compressed copy: it is never compressed itself."""


def output_folder(config: Config, registry: RegistryConfig, locks: Locks, free_bytes: Callable[[Path], int]) -> Finding:
    """Blocks on the disk. Raises SnapshotError where a crawl could not begin.

    `free_bytes` returns how many bytes are free where a folder is.
    """
    path = config.output.path
    if path == STDIO:
        return skipped("records go to standard output")
    made = [folder for folder in (path / UNFINISHED, path, *path.parents) if not folder.exists()]
    parameters = build_run_parameters(registry, config.images, datetime.now(UTC))
    try:
        journal = UnfinishedRuns(path, locks).begin(parameters)
        journal.discard()
        journal.close()
        with wrap_os_errors(path):
            free = free_bytes(path)
            needed = _needed_bytes(path, str(registry.target), config.output.compression)
    finally:
        _remove_empty(made)
    tried = "written and renamed in, without a lock" if isinstance(locks, NoLocks) else "written, locked and renamed in"
    found = f"{quoted_path(path)} can be {tried}; {size_text(free)} are free"
    if needed > free:
        return warning(
            f"{found}, and a crawl needs about {size_text(needed)}, by the newest snapshot",
            'free some space: `registry-crawler runs prune` removes old snapshots, output.compression = "zstd" '
            "makes the next ones smaller",
        )
    return ok(found)


def _needed_bytes(output: Path, target: str, compression: str) -> int:
    """What the next snapshot takes while it is published, by the size of the newest one; 0 where there is none.

    It is copied from its journal, so that both are on the disk for a while.
    """
    newest = max((output / source_folder(target)).glob("date=*/run=*"), key=lambda run: run.name, default=None)
    if newest is None:
        return 0
    size = sum(part.stat().st_size for part in newest.glob("part-*"))
    was_compressed = any(part.suffix != ".jsonl" for part in newest.glob("part-*"))
    journal = size * _COMPRESSED if was_compressed else size
    copy = journal if compression == "none" else journal // _COMPRESSED
    return journal + copy


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders that this step has made, the innermost first."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
