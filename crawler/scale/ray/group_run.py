"""One run over one registry by the workers of a cluster: its shards are crawled at once, and merged."""

import glob
import logging
import secrets
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import anyio
import anyio.to_thread

from crawler.config import Config, LakeConfig, MergeConfig, RegistryConfig, ScaleConfig
from crawler.errors import EngineError, Interrupted, SnapshotError
from crawler.model.names import Target
from crawler.model.record import Record
from crawler.model.run_manifest import SHARDS, Counts, RunManifest, group_folder, source_folder
from crawler.model.run_parameters import RunParameters
from crawler.model.shard import Shard
from crawler.run.failures import unwrap_group
from crawler.run.parameters import build_run_parameters
from crawler.run.progress import Notice, Progress
from crawler.scale.merge import is_merged_whole, merge_group, remove_group, remove_left_folders
from crawler.scale.ray.coordinator import GroupStatus
from crawler.scale.ray.shard_task import EndedShard, ShardTask
from crawler.scale.shard_numbers import shards_text
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.locks import configured_locks
from crawler.snapshot.shards import merged_runs
from crawler.snapshot.unfinished import UnfinishedRuns
from crawler.stats import FAILURES_KEPT

_LOOK_EVERY_S: Final = 0.25

_STOP_WITHIN_S: Final = 2.5
"""How long shards have to stop. Then they are killed, with the cluster: their journals are kept all the same."""

_PREFIX: Final = "ray-"
"""The beginning of the groups that no user has named."""


class Cluster(Protocol):
    """The workers that crawl shards; see `cluster.RayCluster`."""

    def crawl(self, task: ShardTask, /) -> Awaitable[EndedShard]: ...

    def status(self, target: str, /) -> Awaitable[GroupStatus]: ...

    def stop(self) -> Awaitable[None]: ...


class GroupRun:
    """The run of a group over one target: `run` once; `progress` and `stop` at any time, as those of a `Crawl`."""

    writes_snapshot: Final = True

    def __init__(self, config: Config, registry: RegistryConfig, group: str, cluster: Cluster, notice: Notice) -> None:
        self.registry = registry
        self.parameters = replace(build_run_parameters(registry, config.images, datetime.now(UTC)), run_id=group)
        """Its `run_id` is the group's id until there is a merged run."""
        self.counts = Counts()
        self._began = monotonic()
        self._progress = Progress(seconds=0, discovered=0, discovery_done=False, done=0, failed=0, exchanges=0)
        self._ended: list[EndedShard] = []
        self._config = config
        self._group = group
        self._cluster = cluster
        self._notice = notice
        self._is_stopping = False

    @property
    def target(self) -> Target:
        return self.registry.target

    @property
    def progress(self) -> Progress:
        return replace(self._progress, seconds=monotonic() - self._began)

    @property
    def recorded(self) -> int:
        """How many repositories have their record, as far as the shards have reported."""
        return self._progress.done

    @property
    def sample_failures(self) -> tuple[Record, ...]:
        return tuple(record for shard in self._ended for record in shard.sample_failures)[:FAILURES_KEPT]

    @property
    def cheaper_auth_exists(self) -> bool:
        return any(shard.cheaper_auth_exists for shard in self._ended)

    def stop(self) -> None:
        """Let all shards stop within a few seconds, and raise Interrupted from `run`."""
        self._is_stopping = True

    async def run(self) -> RunManifest:
        """Crawl all shards, or go on with those that were begun, and merge them.

        A shard that fails is missed in the snapshot, which is partial then. Raises EngineError where all of them fail.
        """
        await anyio.to_thread.run_sync(self._make_group_folder)
        with unwrap_group():
            async with anyio.create_task_group() as group:
                group.start_soon(self._follow, group.cancel_scope)
                await self._crawl_all()
                await self._look()
                group.cancel_scope.cancel()
        self._report_failures()
        return self._conclude(await anyio.to_thread.run_sync(self._merge))

    async def resume(self) -> RunManifest:
        """The same for a command that may have been interrupted after it had merged this target."""
        merged = await anyio.to_thread.run_sync(self._merged_before)
        if merged is None:
            return await self.run()
        self._notice(f"{self.target}: group {self._group} is merged already, as run {merged.run_id}", logging.INFO)
        return self._conclude(merged)

    async def _crawl_all(self) -> None:
        async def crawl(task: ShardTask) -> None:
            self._ended.append(await self._cluster.crawl(task))

        async with anyio.create_task_group() as group:
            for task in self._tasks():
                group.start_soon(crawl, task)

    def _tasks(self) -> Iterator[ShardTask]:
        count = shard_count(self._config)
        for index in range(count):
            shard = Shard(index, count)
            scale = ScaleConfig(shard=shard, group=self._group, names_from=self._config.scale.names_from)
            # no worker needs the lake, or (of_part) the secret in the URL of a webhook
            own = {"registry": (self.registry,), "scale": scale, "lake": LakeConfig()}
            config = self._config.model_copy(update=own).of_part
            yield ShardTask(config=config, registry=self.registry, shard=shard, folder=Path.cwd())

    async def _follow(self, scope: anyio.CancelScope) -> None:
        """Ask how far the shards are, again and again, and have them stop where this run shall."""
        while True:
            await anyio.sleep(_LOOK_EVERY_S)
            if self._is_stopping:
                scope.deadline = min(scope.deadline, anyio.current_time() + _STOP_WITHIN_S)
                await self._cluster.stop()
            await self._look()

    async def _look(self) -> None:
        status = await self._cluster.status(str(self.target))
        self._progress = status.progress
        for line, level in status.notes:
            self._notice(line, level)

    def _report_failures(self) -> None:
        """Say which shards failed, and why. Raises Interrupted where one was stopped, EngineError where all failed."""
        if any(shard.is_interrupted for shard in self._ended) or len(self._ended) < shard_count(self._config):
            raise Interrupted(f"stopped before the end, as asked; the shards are those of group {self._group}")
        failures: dict[str, list[Shard]] = {}
        for ended in sorted(self._ended, key=lambda each: each.shard.index):
            if ended.error:
                failures.setdefault(ended.error, []).append(ended.shard)
        if sum(map(len, failures.values())) == len(self._ended):
            remove_left_folders(self._config.output.path / SHARDS / self._group)
            raise EngineError("; ".join(f"{shards_text(shards)}: {error}" for error, shards in failures.items()))
        for error, shards in failures.items():
            self._notice(f"{self.target}: {shards_text(shards)}, group {self._group}: {error}", logging.ERROR)

    def _merge(self) -> RunManifest:
        config = self._config
        merged = merge_group(
            config.output.path / group_folder(self._group, str(self.target)),
            MergeConfig(
                output=config.output,
                cache=config.cache,
                verdict=config.verdict,
                metrics=config.metrics,
                notify=config.notify,
                lake=config.lake,
                resume=config.resume,
            ),
        )
        for note in merged.notes:
            self._notice(f"{self.target}: {note}")
        self._remove_old_groups()
        return merged.run_manifest

    def _remove_old_groups(self) -> None:
        """Drop what commands like this one left of the target and no --resume goes on with, except the newest of it.

        No user knows the names of these groups, and a partial one holds as much as its snapshot. One that a process
        works on is kept.
        """
        output, within = self._config.output, self._config.resume.within
        try:
            with wrap_os_errors(output.path / SHARDS):
                locks = configured_locks(output)
                runs = UnfinishedRuns(output.path, locks, within).all_runs()
                in_use = {run.group for run in runs if isinstance(run, RunParameters)}
                groups = _own_groups(output.path, self.target, datetime.now(UTC))
                for folder in [folder for folder, age in groups if age > within][1:]:
                    if folder.parent.name not in in_use and not locks.is_held(folder):
                        remove_group(folder)
        except SnapshotError as exc:  # the snapshot is published all the same
            self._notice(f"{self.target}: old shards are left: {exc}")

    def _conclude(self, run_manifest: RunManifest) -> RunManifest:
        self.counts = run_manifest.counts
        done = {name: getattr(run_manifest, name) for name in ("run_id", "started_at", "identity")}
        self.parameters = replace(self.parameters, **done)
        return run_manifest

    def _merged_before(self) -> RunManifest | None:
        """The complete snapshot of the group, where an interrupted command has merged it; None where it is to be made.

        An older one is another night's: the shards refuse to join its group.
        """
        now = datetime.now(UTC)
        for merged in merged_runs(self._config.output.path, self._group, source_folder(str(self.target))):
            if abs(now - datetime.fromisoformat(merged.started_at)) <= self._config.resume.within:
                return merged
        return None

    def _make_group_folder(self) -> None:
        """Make the folder by which a worker sees that it has the same output folder. Raises SnapshotError."""
        folder = self._config.output.path / SHARDS / self._group
        with wrap_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)


def shard_count(config: Config) -> int:
    """Into how many shards the workers of a cluster divide a snapshot. An engine is configured with its workers."""
    return config.scale.workers or 1


def new_group() -> str:
    """An id for the shards of one command."""
    return f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def unfinished_group(config: Config, registry: RegistryConfig) -> str | None:
    """The newest group of a target that an earlier command began, named itself, and did not complete; None without one.

    It must be younger than `resume.within`, and have something left to crawl or to merge. Raises SnapshotError.
    """
    output, within = config.output.path, config.resume.within
    young = [folder for folder, age in _own_groups(output, registry.target, datetime.now(UTC)) if abs(age) <= within]
    if not young or is_merged_whole(young[0], output, within):
        return None
    return young[0].parent.name


def _own_groups(output: Path, target: Target, now: datetime) -> list[tuple[Path, timedelta]]:
    """The folders of a target in the groups that commands named themselves, the newest first, and how old each is.

    Raises SnapshotError.
    """
    shards = output / SHARDS
    with wrap_os_errors(shards):
        folders = sorted(shards.glob(f"{_PREFIX}*/{glob.escape(source_folder(str(target)))}"), reverse=True)
    begun = [(folder, _began_at(folder.parent.name)) for folder in folders]
    return [(folder, now - began) for folder, began in begun if began is not None]


def _began_at(group: str) -> datetime | None:
    try:
        return datetime.strptime(group.removeprefix(_PREFIX)[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
