"""Snapshots as a loader sees them: read from the disk without any code of the crawler."""

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

OPENERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": lambda data: data,
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    folder: Path
    manifest: dict[str, Any]
    records: list[dict[str, Any]]
    has_success: bool

    @property
    def by_name(self) -> dict[str, dict[str, Any]]:
        named = {record["repository"]: record for record in self.records}
        assert len(named) == len(self.records), "a repository has more than one record"
        return named

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: record["outcome"] for name, record in self.by_name.items()}


def folders(output: Path) -> list[Path]:
    """Every published run under an output folder, the oldest first."""
    return sorted(output.glob("source=*/date=*/run=*"), key=_age_order)


def _age_order(folder: Path) -> tuple[str, int]:
    """The second in which the run began, and for runs of one second when they were published."""
    return folder.name.partition("-")[0], folder.stat().st_mtime_ns


def read_snapshot(output: Path) -> Snapshot:
    """The newest snapshot. Its files are checked against its run manifest."""
    folder = folders(output)[-1]
    run_manifest = json.loads((folder / "_run.json").read_bytes())
    records = [record for file in run_manifest["files"] for record in _read(folder, file)]
    listed = {file["name"] for file in run_manifest["files"]} | {"_run.json", "_SUCCESS"}
    assert {path.name for path in folder.iterdir()} <= listed
    return Snapshot(folder=folder, manifest=run_manifest, records=records, has_success=(folder / "_SUCCESS").exists())


def _read(folder: Path, file: dict[str, Any]) -> list[dict[str, Any]]:
    data = (folder / file["name"]).read_bytes()
    assert len(data) == file["bytes"]
    assert hashlib.sha256(data).hexdigest() == file["sha256"]
    lines = OPENERS[Path(file["name"]).suffix](data).splitlines()
    assert len(lines) == file["rows"]
    return [json.loads(line) for line in lines]
