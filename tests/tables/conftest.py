"""Snapshots on the disk, for tests of the tables."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parent / "golden"

Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publishes a snapshot in the folder `snapshots`, with some records of the golden one. Returns its folder."""
    manifest = json.loads((GOLDEN / "schema-2" / "_run.json").read_text(encoding="utf-8"))
    lines = (GOLDEN / "schema-2" / "part-00000.jsonl").read_text(encoding="utf-8").splitlines()
    golden = [json.loads(line) for line in lines]

    def publish(
        day: str = "2026-11-20",
        *,
        target: str = "registry.example.com",
        verdict: str = "complete",
        records: list[dict[str, Any]] | None = None,
    ) -> Path:
        run_id = f"{day.replace('-', '')}T020000Z-{len(list(tmp_path.rglob('run=*'))):04d}"
        folder = tmp_path / "snapshots" / f"source={target.replace('/', '%2F')}" / f"date={day}" / f"run={run_id}"
        folder.mkdir(parents=True)
        chosen = [{**record, "run_id": run_id, "target": target} for record in (golden if records is None else records)]
        text = "".join(f"{json.dumps(record)}\n" for record in chosen).encode()
        (folder / "part-00000.jsonl").write_bytes(text)
        file = {
            "name": "part-00000.jsonl",
            "rows": len(chosen),
            "bytes": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
            "longest_line": max(map(len, text.splitlines()), default=0),
        }
        changes = {"run_id": run_id, "target": target, "verdict": verdict, "started_at": f"{day}T02:00:00.000Z"}
        (folder / "_run.json").write_text(json.dumps({**manifest, **changes, "files": [file]}), encoding="utf-8")
        return folder

    return publish


@pytest.fixture
def golden_records() -> list[dict[str, Any]]:
    lines = (GOLDEN / "schema-2" / "part-00000.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
