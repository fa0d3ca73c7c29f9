"""Snapshots written straight to the disk, for tests of what is asked of snapshots."""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

GOLDEN = Path(__file__).parent / "golden"
"""A snapshot of each schema version that is kept, as the crawler of that time wrote it."""

Record = dict[str, Any]

_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": lambda data: data,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def golden_snapshot(version: int = 2) -> Path:
    """The folder of the golden snapshot of a schema version."""
    return GOLDEN / f"schema-{version}"


def golden_records(version: int = 2) -> list[Record]:
    """The records of a golden snapshot."""
    lines = (golden_snapshot(version) / "part-00000.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@dataclass(frozen=True, slots=True)
class SnapshotWriter:
    """Publishes snapshots in an output folder, without the crawler's own code."""

    output: Path

    def __call__(
        self,
        day: str = "2026-11-20",
        *,
        target: str = "registry.example.com",
        verdict: str = "complete",
        records: Sequence[Record] | None = None,
        suffix: str = ".jsonl",
        **run_manifest: Any,
    ) -> Path:
        """Publish a snapshot begun on `day`; return its folder.

        `records` are the golden ones, if none are given; `run_manifest` are fields of `_run.json` that differ.
        """
        run_id = f"{day.replace('-', '')}T020000Z-{len(list(self.output.rglob('run=*'))):04d}"
        source = target.replace("/", "%2F").replace(":", "%3A")
        folder = self.output / f"source={source}" / f"date={day}" / f"run={run_id}"
        folder.mkdir(parents=True)
        chosen = golden_records() if records is None else records
        lines = [json.dumps({**record, "run_id": run_id, "target": target}).encode() for record in chosen]
        data = _COMPRESS[suffix](b"".join(line + b"\n" for line in lines))
        (folder / f"part-00000{suffix}").write_bytes(data)
        file = {
            "name": f"part-00000{suffix}",
            "rows": len(chosen),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "longest_line": max(map(len, lines), default=0),
        }
        written = {
            **json.loads((golden_snapshot() / "_run.json").read_text(encoding="utf-8")),
            "run_id": run_id,
            "target": target,
            "verdict": verdict,
            "started_at": f"{day}T02:00:00.000Z",
            "files": [file],
            **run_manifest,
        }
        (folder / "_run.json").write_text(json.dumps(written), encoding="utf-8")
        if verdict == "complete":
            (folder / "_SUCCESS").touch()
        return folder
