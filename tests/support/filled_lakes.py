"""Lakes with runs in them, for tests of what is removed from a lake."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from crawler.lake.layout import LakeFormat
from crawler.lake.publish import open_lake, publish_snapshot
from crawler.tables.selection import select_folder

LAST_ONLY = ("--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0")


def publish_all(url: str, form: str, folders: Sequence[Path], scratch: Path) -> list[str]:
    """Publish snapshots to a lake. The environment has its credentials."""
    scratch.mkdir(exist_ok=True)
    lake = open_lake(url, LakeFormat(form), os.environ)
    return [publish_snapshot(select_folder(folder), lake, scratch).run_id for folder in folders]


def files_of(lake: Path) -> dict[str, bytes]:
    """Every file of a lake in a folder, by its name below the lake."""
    return {str(path.relative_to(lake)): path.read_bytes() for path in sorted(lake.rglob("*")) if path.is_file()}


def data_of(names: Iterable[str], run_id: str) -> list[str]:
    """The names that have a run's id in them."""
    return [name for name in names if f"run={run_id}/" in name or name == f"_runs/{run_id}.json"]
