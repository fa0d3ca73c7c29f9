"""Groups of shards made by hand: some have reported, and nobody has merged them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from crawler.model.run_manifest import Counts, group_folder
from crawler.model.shard import Shard
from crawler.model.shard_report import ShardReport
from crawler.model.timestamps import timestamp
from crawler.sinks.jsonl import encode
from crawler.snapshot.parts import describe_part

from .run_folders import parameters, record, run_manifest


def left_group(output: Path, group: str, began: datetime, *, shards: int, reported: int, **changes: Any) -> Path:
    """Make a group of which `reported` shards are there, with one record each. Returns the folder of its target.

    `changes` are those of run parameters.
    """
    at = timestamp(began)
    for index in range(reported):
        _write_shard(output, Shard(index, shards), {"group": group, "started_at": at, "agreed_at": at, **changes})
    terms = parameters(f"{group}-terms", started_at=at, agreed_at=at, group=group, shards=shards, shard=0, **changes)
    folder = output / group_folder(group, terms.target)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terms.json").write_bytes(terms.dump())
    return folder


def _write_shard(output: Path, shard: Shard, fields: dict[str, Any]) -> None:
    begun = parameters(f"run-{shard.index}", shards=shard.count, shard=shard.index, **fields)
    folder = output / begun.folder
    folder.mkdir(parents=True)
    part = folder / "part-00000.jsonl"
    part.write_bytes(encode([record(f"team/{shard.index}", run_id=begun.run_id, target=begun.target)]))
    described = run_manifest(
        (describe_part(part),),
        run_id=begun.run_id,
        target=begun.target,
        shard=str(shard),
        group=begun.group,
        started_at=begun.started_at,
        finished_at=begun.started_at,
        counts=Counts(repositories=1, ok=1),
    )
    (folder / "_run.json").write_bytes(orjson.dumps(described))
    report = ShardReport(parameters=begun, names=1, unresolved=0, nothing_matched=None, allowance_spent=None, seen=())
    (folder / "_shard.json").write_bytes(orjson.dumps(report))
