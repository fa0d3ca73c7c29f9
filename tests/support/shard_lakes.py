"""Shards that have disks of their own, and a lake in common."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawler.lake.held_shards import HeldGroup, HeldShards, Uploaded
from crawler.model.run_manifest import RunManifest, shard_folder, source_folder
from crawler.model.shard import Shard
from crawler.run.crawl import Crawl

from .run_cli import CommandResult, CommandRunner, google_crawl
from .shard_crawls import GROUP, shard_config


def held_group(google: Any, url: str) -> HeldGroup:
    """The shards of an emulated registry in a lake. The environment has its credentials."""
    return HeldShards.open(url, os.environ).group(GROUP, source_folder(google.emulator.registry))


async def crawl_shard(google: Any, shard: str, output: Path, group: HeldGroup, **tables: Any) -> RunManifest:
    """Crawl a shard that agrees with the others through the lake. It is not uploaded."""
    config = shard_config(google, shard, output, **tables)
    return await Crawl(config, config.registry[0], shared_group=group).run()


async def upload_shard(google: Any, shard: str, output: Path, group: HeldGroup, **tables: Any) -> Uploaded:
    """Crawl a shard, and upload it."""
    return await asyncio.to_thread(upload, await crawl_shard(google, shard, output, group, **tables), output, group)


def upload(run_manifest: RunManifest, output: Path, group: HeldGroup) -> Uploaded:
    """Upload a shard that is published in an output folder."""
    shard = Shard.parse(str(run_manifest.shard))
    return group.upload(output / shard_folder(GROUP, run_manifest.target, shard), run_manifest, shard)


async def upload_shards(google: Any, count: int, folder: Path, group: HeldGroup, *, but: int = -1) -> None:
    """Crawl and upload `count` shards at once, without the shard `but`, each on a disk of its own."""
    shards = [index for index in range(count) if index != but]
    disks = {f"{index}/{count}": folder / f"disk-{index}" for index in shards}
    await asyncio.gather(*(upload_shard(google, shard, disk, group) for shard, disk in disks.items()))


def shard_command(google: Any, shard: str, output: object, url: str, *more: object) -> tuple[object, ...]:
    """Arguments to crawl a shard, and to upload it."""
    return google_crawl(google, "--shard", shard, "--group", GROUP, "--output", output, "--lake", url, *more)


async def merge_of(
    command: CommandRunner, url: str, output: object, *more: object, environment: Mapping[str, str] = {}
) -> CommandResult:
    """Merge the group on a disk of its own."""
    return await command(
        "merge", "--group", GROUP, "--output", output, "--lake", url, *more, environment=dict(environment)
    )
