"""What a worker does: crawl one shard, as `crawl --shard --resume` does, with a leased rate."""

import logging
import os
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import anyio

from crawler.config import Config, RegistryConfig
from crawler.errors import CrawlerError, Interrupted, SnapshotError
from crawler.model.limits import Quota
from crawler.model.record import Record
from crawler.model.run_manifest import SHARDS
from crawler.model.shard import Shard
from crawler.run.crawl import Crawl
from crawler.run.failures import unwrap_group
from crawler.run.hints import hint
from crawler.run.progress import Progress
from crawler.scale.ray.coordinator import Note
from crawler.scale.ray.leased_rate import LeasedRates
from crawler.scale.ray.timetable import Lease
from crawler.untrusted_text import printable, quoted_path

_REPORT_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """One shard of one target.

    Attributes:
        config: with the shard and its group. It may hold a password, so it is never printed.
        folder: the current folder of the command, which relative paths begin at.
    """

    config: Config = field(repr=False)
    registry: RegistryConfig = field(repr=False)
    shard: Shard
    folder: Path

    @property
    def target(self) -> str:
        return str(self.registry.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedShard:
    """How a shard ended.

    Attributes:
        error: why it is not published; "" where it is.
        is_interrupted: whether that is because it was asked to stop.
        sample_failures: see `Crawl`; likewise the next.
    """

    shard: Shard
    error: str = ""
    is_interrupted: bool = False
    sample_failures: tuple[Record, ...] = ()
    cheaper_auth_exists: bool = False


class CoordinatorCalls(Protocol):
    """The coordinator, from another process. `place` is where quotas for each address count."""

    place: str

    async def lease(self, quota: Quota, place: str, wanted: int) -> Lease: ...

    async def report(self, target: str, shard: Shard, progress: Progress, notes: list[Note]) -> bool: ...


async def crawl_shard(task: ShardTask, coordinator: CoordinatorCalls) -> EndedShard:
    """Crawl a shard, or go on with it where another worker left it. An error of the crawler is part of the result."""
    notes: list[Note] = []
    rates = LeasedRates(partial(_lease, task.config, coordinator))
    try:
        _enter(task)
        run = Crawl(task.config, task.registry, rates, lambda line, level=logging.WARNING: notes.append((line, level)))
        with unwrap_group():
            async with rates.kept_leased(), _reported(run, task.shard, coordinator, notes):
                if await run.resume() is None:
                    await run.run()
    except Interrupted as exc:
        return EndedShard(shard=task.shard, error=str(exc), is_interrupted=True)
    except CrawlerError as exc:
        advice = hint(task.registry, exc)
        return EndedShard(shard=task.shard, error=f"{exc} ({advice})" if advice else str(exc))
    return EndedShard(
        shard=task.shard, sample_failures=run.sample_failures, cheaper_auth_exists=run.cheaper_auth_exists
    )


async def _lease(config: Config, coordinator: CoordinatorCalls, quota: Quota, wanted: int) -> Lease:
    is_of_group = config.limits.shared_address or not quota.is_per_address
    return await coordinator.lease(quota, "" if is_of_group else coordinator.place, wanted)


def _enter(task: ShardTask) -> None:
    """Be in the command's folder, and see the command's output folder. Raises SnapshotError."""
    machine = printable(platform.node())
    try:
        os.chdir(task.folder)
    except OSError as exc:
        raise SnapshotError(
            f"{quoted_path(task.folder)}, the current folder of the command, is not on {machine} ({exc.strerror}): "
            "start the command in a folder that all machines have"
        ) from None
    output = task.config.output.path
    if not (output / SHARDS / str(task.config.scale.group)).is_dir():
        raise SnapshotError(
            f"{quoted_path(output)} on {machine} is not the output folder of the command: let all machines have it, "
            "on a file system that they share"
        )


@asynccontextmanager
async def _reported(run: Crawl, shard: Shard, coordinator: CoordinatorCalls, notes: list[Note]) -> AsyncIterator[None]:
    """Report the run while the block runs, and once at its end. The run stops where the answer says so."""

    async def report() -> None:
        new, notes[:] = notes[:], []
        if await coordinator.report(str(run.target), shard, run.progress, new):
            run.stop()

    async def report_again_and_again() -> None:
        while True:
            await report()
            await anyio.sleep(_REPORT_EVERY_S)

    async with anyio.create_task_group() as group:
        group.start_soon(report_again_and_again)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await report()
