"""Which digests the snapshots and unfinished runs of an output folder mention: what the digest cache is kept for."""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.parts import read_lines
from crawler.snapshot.reader import run_folders, subfolders
from crawler.snapshot.unfinished import UNFINISHED

_PART_NAME: Final = re.compile(r"part-\d+\.jsonl(\.gz|\.zst)?")


def mentioned_digests(output: Path, without: Collection[Path] = ()) -> Iterator[str]:
    """Every manifest and config that a record in an output folder mentions, as often as it does.

    Snapshots in the folders `without` are left out. One record at a time is in memory. A line that is not a record is
    passed over. Raises SnapshotError where a file cannot be read to its end.
    """
    # Unfinished runs first: one that is published meanwhile is among the snapshots then.
    for folder in subfolders(output / UNFINISHED, ""):
        yield from _digests_in(folder)
    for folder in run_folders(output):
        if folder not in without:
            yield from _digests_in(folder)


def _digests_in(folder: Path) -> Iterator[str]:
    with wrap_os_errors(folder):
        try:
            parts = sorted(path for path in folder.iterdir() if _PART_NAME.fullmatch(path.name))
        except FileNotFoundError:
            return  # published or removed meanwhile
    for part in parts:
        yield from _digests_of_part(part)


def _digests_of_part(part: Path) -> Iterator[str]:
    with wrap_os_errors(part), suppress(FileNotFoundError):
        for line in read_lines(part):
            yield from _digests_of_line(line)


def _digests_of_line(line: bytes) -> list[str]:
    try:
        record = orjson.loads(line)
        return [digest for digest in _digests_of_record(record) if isinstance(digest, str)]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return []  # torn by a kill, or not the crawler's


def _digests_of_record(record: Any) -> Iterator[Any]:
    # base images too: the next crawl must find the same ones in the cache, by their layers
    for image in record.get("images") or ():
        yield image.get("digest")
        yield image.get("subject_digest")
        yield (image.get("manifest") or {}).get("config_digest")
        yield (image.get("config") or {}).get("base_digest")
        for other in (*(image.get("platforms") or ()), *(image.get("referrers") or ())):
            yield other.get("digest")
