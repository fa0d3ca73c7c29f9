"""The digest caches of shards become one, and the bases of all images are found in it.

A base may have been read by another shard than the images that are built on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crawler.config import MergeConfig
from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.union import unite
from crawler.inspect.bases import Bases
from crawler.model.depth import Depth
from crawler.model.shard import Shard
from crawler.scale.group import Group
from crawler.snapshot.parts import LineFinisher

_SIDE_FILES: Final = ("", "-wal", "-shm", ".lock")


@dataclass(slots=True)
class Finishing:
    """How lines are finished; None where they stay as the shards wrote them.

    Attributes:
        notes: what the operator should know of the caches, a line each.
    """

    finish_line: LineFinisher | None
    notes: list[str]


@contextmanager
def united_caches(group: Group, config: MergeConfig) -> Iterator[Finishing]:
    """Unite the caches of a group's shards in the file that all runs use. Nothing here fails.

    Where a lake holds the cache, shards with disks of their own have put there what they read, and the file has been
    fetched from there. The workers of one command have not: their files are here, and the command puts it there.
    """
    reads_configs = group.shards[0].run_manifest.depth == Depth.CONFIGS
    into, files = config.cache_file, _shard_files(config, (each.shard for each in group.shards))
    absent = [file for file in files if not file.exists()]
    if absent and into is not None and config.cache.url is not None:
        absent = [] if into.exists() else [into]
    if into is None or absent:
        why = "no cache is kept (--cache none)" if into is None else f"{absent[0].name} is not in {absent[0].parent}"
        note = f"base images that another shard has read are not found: {why}"
        yield Finishing(None, [note] if reads_configs else [])
        return
    notes: list[str] = []
    others = [file for file in files if file != into and file.exists()]
    if others:
        union = unite(into, others)
        notes += [*union.notes, *map(str, union.left_out)]
    if not reads_configs:
        yield Finishing(None, notes)
        return
    with DigestCache.open(into) as cache:
        finishing = Finishing(Bases(cache).finish_line, notes)
        yield finishing
    finishing.notes += cache.notes


def remove_shard_caches(config: MergeConfig, count: int) -> None:
    """Remove the caches of shards, once all of it is in the file that all runs use. The next night begins with that."""
    for file in _shard_files(config, (Shard(index, count) for index in range(count))):
        if file != config.cache_file:
            for suffix in _SIDE_FILES:
                with suppress(OSError):
                    file.with_name(f"{file.name}{suffix}").unlink()


def _shard_files(config: MergeConfig, shards: Iterator[Shard]) -> list[Path]:
    files = (config.cache_file_of(shard) for shard in shards)
    return list(dict.fromkeys(file for file in files if file is not None))
