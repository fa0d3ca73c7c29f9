"""Crawls of an emulated registry by several shards, and what their merged snapshot is compared with."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import crawler
from crawler.model.run_manifest import RunManifest

from .snapshots import read_snapshot

GROUP = "2026-11-27"


def shard_config(google: Any, shard: str | None, output: Path, **tables: Any) -> crawler.Config:
    """The configuration of one shard, or of a whole run. `registry` among the tables adds to the registry's."""
    registry = {"target": google.emulator.registry, "auth": {"key_file": google.key_file}, **tables.pop("registry", {})}
    scale = {} if shard is None else {"shard": shard, "group": GROUP}
    tables = {"limits": {"concurrency": 16}, **tables}
    return crawler.Config(registry=[registry], output={"path": output}, scale=scale, **tables)


async def crawl_shards(google: Any, count: int, output: Path, *, but: int = -1, **tables: Any) -> list[RunManifest]:
    """Crawl with `count` shards at once, without the shard `but`."""
    shards = [f"{index}/{count}" for index in range(count) if index != but]
    return await asyncio.gather(*(crawler.crawl(shard_config(google, shard, output, **tables)) for shard in shards))


async def crawl_whole(google: Any, output: Path, **tables: Any) -> RunManifest:
    return await crawler.crawl(shard_config(google, None, output, **tables))


def comparable(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Records by their names, without what differs between two runs. Fails where a name has two records."""
    compared: dict[str, dict[str, Any]] = {}
    for record in records:
        assert record["repository"] not in compared, "a repository has more than one record"
        compared[record["repository"]] = {k: v for k, v in record.items() if k not in {"run_id", "observed_at"}}
    return compared


def records_in(output: Path) -> dict[str, dict[str, Any]]:
    """The records of the newest snapshot in an output folder; its files are checked against its run manifest."""
    snapshot = read_snapshot(output)
    assert {record["run_id"] for record in snapshot.records} <= {snapshot.manifest["run_id"]}
    return comparable(snapshot.records)


def shard_folders(output: Path, group: str = GROUP) -> list[str]:
    """The names of the shards that are published, and not merged."""
    return sorted(folder.name for folder in output.glob(f".shards/{group}/source=*/shard=*"))
