"""One run over one registry: begun or resumed, crawled, published."""

import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from crawler.config import STDIO, Config, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.name_filter import NameFilter
from crawler.errors import Interrupted, SnapshotError
from crawler.model.names import Target
from crawler.model.record import Record
from crawler.model.run_manifest import Counts, RunManifest, SnapshotFile
from crawler.model.run_parameters import RunParameters
from crawler.old_names import OldName
from crawler.pipeline.pipeline import Pipeline
from crawler.pipeline.records import RecordBuilder
from crawler.run.assemble import OpenParts, open_parts
from crawler.run.credentials import ResolvedAuth, resolve_credentials
from crawler.run.depth import open_inspection
from crawler.run.failures import unwrap_group
from crawler.run.once import Once
from crawler.run.parameters import build_run_parameters, resumed_message
from crawler.run.plan import RateLimits, SharedRateLimits, make_plan
from crawler.run.progress import Notice, Progress, log_notice
from crawler.run.run_manifest import build_run_manifest
from crawler.run.stages import Stage, Stages
from crawler.run.throughput import SAMPLE_S, Throughput
from crawler.sinks import Sink
from crawler.sinks.jsonl import JsonLinesFile, JsonLinesPipe
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import configured_locks
from crawler.snapshot.publish import Draft
from crawler.snapshot.reader import PublishedRun, last_complete
from crawler.snapshot.unfinished import UnfinishedRuns
from crawler.stats import RunStats

if TYPE_CHECKING:
    from crawler.discovery.ownership import Ownership
    from crawler.run.inspection import Inspection
    from crawler.run.shares import SharedGroup

T = TypeVar("T")

GRACE_PERIOD_S: Final = 4.0
"""How long exchanges may go on after the run was asked to stop."""


class Crawl:
    """One run over one registry: `run` once; `progress` and `stop` at any time. Make it inside the event loop.

    Registries that share a quota keep it together where they are given the same `rate_limits`. `notice` takes lines
    for the operator: what is resumed, and what is left. A shard agrees with the others in `shared_group`, where that is
    given.
    """

    pays_for_tokens = OldName("cheaper_auth_exists")
    troubles = OldName("sample_failures")
    is_journaled = OldName("writes_snapshot")
    resumable = OldName("unfinished_runs")
    into = OldName("run_into")

    def __init__(
        self,
        config: Config,
        registry: RegistryConfig,
        rate_limits: RateLimits | None = None,
        notice: Notice = log_notice,
        shared_group: "SharedGroup | None" = None,
    ) -> None:
        config = config.of_part
        self.parameters = build_run_parameters(registry, config.images, datetime.now(UTC), config.scale)
        self.registry: Final = registry
        self.cheaper_auth_exists = False
        """Whether each repository costs a token that Google does not need: an access token opens the registry, too."""
        self._began = time.monotonic()
        self._plan = make_plan(config, registry, rate_limits or SharedRateLimits())
        self._config = config
        self._notice = notice
        self._shared_group = shared_group
        self._stats = RunStats()
        self._ownership: Ownership | None = None
        """What a shard owns, once it has joined its group."""
        self._name_filter = NameFilter(registry.target, include=registry.include, exclude=registry.exclude)
        self._throughput = Throughput(self._began)
        self._stages = Stages()
        self._unfinished = UnfinishedRuns(config.output.path, configured_locks(config.output), config.resume.within)
        self._auth = Once(self._resolve_credentials)
        self._stopping = anyio.Event()

    @property
    def target(self) -> Target:
        return self.registry.target

    @property
    def sample_failures(self) -> tuple[Record, ...]:
        """The first few records that make the snapshot partial."""
        return tuple(self._stats.sample_failures)

    @property
    def writes_snapshot(self) -> bool:
        """Whether records go to the disk, where a run can be resumed, and not to standard output."""
        return self._config.output.path != STDIO

    @property
    def recorded(self) -> int:
        """How many repositories have their record on the disk, or with the sink."""
        return self._stats.recorded

    @property
    def counts(self) -> Counts:
        """What is recorded so far."""
        return self._stats.counts

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What the run has done so far, stage by stage."""
        return self._stages.ended

    @property
    def progress(self) -> Progress:
        counts = self._stats.counts
        return Progress(
            seconds=time.monotonic() - self._began,
            discovered=self._stats.discovered,
            discovery_done=self._stats.discovery_done,
            done=counts.repositories,
            failed=counts.denied + counts.failed,
            exchanges=self._exchanges,
        )

    @property
    def _exchanges(self) -> int:
        return self._plan.limits.requests.total

    def stop(self) -> None:
        """Take no new work, finish what is under way within a few seconds, and raise Interrupted from `run`."""
        self._stopping.set()

    async def unfinished_runs(self) -> list[RunParameters]:
        """The unfinished runs of the same target that `resume` would continue, the newest first."""
        if not self.writes_snapshot:
            return []
        await self._auth.get()
        return await anyio.to_thread.run_sync(self._unfinished.resumable_runs, self.parameters)

    async def run(self) -> RunManifest:
        """Crawl, and publish the snapshot; or stream the records where the output is standard output."""
        auth = await self._auth.get()
        if not self.writes_snapshot:
            with FileIO(sys.stdout.fileno(), "w", closefd=False) as pipe, self._open_inspection() as inspection:
                parts = await self._until_stopped(partial(self._crawl, JsonLinesPipe(pipe), auth, inspection))
                return self._build_run_manifest(auth, parts, (), None, inspection)
        await self._name_unreadable_runs()
        await self._join_group()
        if (published := await self._published_before()) is not None:
            return published
        journal = await anyio.to_thread.run_sync(self._unfinished.begin, self.parameters)
        try:
            await self._clean_up()
            return await self._crawl_and_publish(journal, auth)
        finally:
            if self._stats.recorded == 0:
                journal.discard()
            journal.close()

    async def resume(self) -> RunManifest | None:
        """Continue the newest unfinished run of the same target, and publish its snapshot.

        None where there is no run to continue; a notice says why. `run` then begins a new one.
        """
        auth = await self._auth.get()
        await self._join_group()
        resumption = await anyio.to_thread.run_sync(self._unfinished.resume, self.parameters)
        for note in resumption.notes:
            self._notice(f"{self.target}: {note}", logging.INFO)
        journal = resumption.journal
        if journal is None:
            return None
        self.parameters = journal.parameters
        try:
            await self._name_unreadable_runs()
            await anyio.to_thread.run_sync(self._stats.restore, journal.entries())
            self._notice(f"{self.target}: {resumed_message(journal, self._stats.recorded)}", logging.INFO)
            return await self._crawl_and_publish(journal, auth)
        finally:
            journal.close()

    async def run_into(self, sink: Sink) -> Discovery:
        """Crawl into a sink. Returns the discovery, which has its evidence then."""
        auth = await self._auth.get()
        await self._join_group()
        with self._open_inspection() as inspection:
            parts = await self._until_stopped(partial(self._crawl, sink, auth, inspection))
        return parts.discovery

    @contextmanager
    def _open_inspection(self) -> "Iterator[Inspection | None]":
        """What images are inspected with. What its cache has to say reaches the operator at once, and at the end."""
        with open_inspection(self._config) as inspection:
            reported = self._report_notes(inspection, 0)
            yield inspection
        self._report_notes(inspection, reported)  # closing the cache may add some

    def _report_notes(self, inspection: "Inspection | None", reported: int) -> int:
        """Report the notes of the cache that were not reported before. Returns how many there are."""
        notes = [] if inspection is None else inspection.cache.notes
        for note in notes[reported:]:
            self._notice(f"{self.target}: {note}")
        return len(notes)

    async def _resolve_credentials(self) -> ResolvedAuth:
        """Find the credentials; the registry is not asked yet. Raises CredentialsError."""
        outage = self._plan.limits.outage
        with self._stages.timed("credentials"):
            auth = await self._until_stopped(partial(resolve_credentials, self.registry, outage))
        self.parameters = replace(self.parameters, identity=auth.label)
        self.cheaper_auth_exists = auth.could_skip_token
        for warning in auth.warnings:
            self._notice(f"{self.target}: {warning}")
        return auth

    async def _join_group(self) -> None:
        """Where the run is a shard: agree with the other shards of its group on who owns what.

        Raises SnapshotError and LakeError.
        """
        part = self.parameters.part
        if part is not None and self._ownership is None:
            from crawler.run.shards import join

            work = partial(join, self._config, self.registry, self.parameters, part, self._shared_group)
            in_thread = partial(anyio.to_thread.run_sync, work, abandon_on_cancel=True)  # a lake may not answer
            self.parameters, self._ownership = await self._until_stopped(in_thread)

    async def _published_before(self) -> RunManifest | None:
        """The manifest of the shard with this number that another run has published; None where there is none."""
        if self.parameters.group is None:
            return None
        from crawler.run.shards import published_shard

        run_manifest = await anyio.to_thread.run_sync(published_shard, self._config.output.path, self.parameters)
        if run_manifest is not None:
            self._notice(
                f"{self.target}: shard {run_manifest.shard} of group {run_manifest.group} is there already, as run "
                f"{run_manifest.run_id}, and counts; this run adds nothing"
            )
        return run_manifest

    async def _name_unreadable_runs(self) -> None:
        for note in await anyio.to_thread.run_sync(self._unfinished.unreadable_runs, self.parameters.target):
            self._notice(note)

    async def _clean_up(self) -> None:
        """Drop the runs that can no longer be resumed. A run that cannot be dropped is no failure of this one."""
        try:
            await anyio.to_thread.run_sync(self._unfinished.clean_up, self.parameters.target, datetime.now(UTC))
        except SnapshotError as exc:
            self._notice(f"{self.target}: old unfinished runs are left: {exc}")

    async def _crawl_and_publish(self, journal: Journal, auth: ResolvedAuth) -> RunManifest:
        draft = Draft(journal)
        with self._open_inspection() as inspection:
            with journal.appended() as file:
                parts = await self._until_stopped(partial(self._crawl, JsonLinesFile(file), auth, inspection))
            with self._stages.timed("writing"):
                manifest = await self._write(draft, auth, parts, inspection)
        with self._stages.timed("publishing"):
            publish = partial(draft.publish, self._config.output.path, manifest, self._shard_report(parts))
            place = await anyio.to_thread.run_sync(publish)
        await self._clean_up()
        return manifest if place is not None else await self._published_before() or manifest

    def _shard_report(self, parts: OpenParts) -> dict[str, bytes]:
        """The file that a shard adds to its part of the snapshot, for the merge."""
        if self._ownership is None:
            return {}
        from crawler.run.shards import shard_report_file

        seen = self._ownership.seen(parts.discovery.method)
        return shard_report_file(self.parameters, self._plan, self._stats, self._name_filter, seen)

    async def _write(
        self, draft: Draft, auth: ResolvedAuth, parts: OpenParts, inspection: "Inspection | None"
    ) -> RunManifest:
        """Write the snapshot's files beside the journal. They are not published yet."""
        output = self._config.output
        finish_line = None
        if inspection is not None and self._config.images.depth.reads_configs:
            finish_line = inspection.bases.finish_line
        write = partial(draft.write, output.compression, self._stats.recorded, finish_line)
        files = await anyio.to_thread.run_sync(write)
        earlier = partial(last_complete, output.path, self.parameters.target, self.parameters.started_at)
        previous = await anyio.to_thread.run_sync(earlier)
        return self._build_run_manifest(auth, parts, files, previous, inspection)

    async def _crawl(self, sink: Sink, auth: ResolvedAuth, inspection: "Inspection | None") -> OpenParts:
        async with open_parts(self._plan, auth, inspection, self._ownership) as parts:
            with self._timed_crawl():
                pipeline = self._pipeline(parts, sink)
                async with anyio.create_task_group() as group:
                    group.start_soon(self._sample_throughput)
                    await pipeline.run()
                    group.cancel_scope.cancel()
            self._throughput.sample(time.monotonic(), self._exchanges)
        is_whole = self._stats.discovery_done and self._stats.recorded >= self._stats.discovered
        if self._stopping.is_set() and not is_whole:
            raise Interrupted("stopped before the end, as asked")
        return parts

    @contextmanager
    def _timed_crawl(self) -> Iterator[None]:
        """Time the crawl, and the discovery within it, which ends earlier."""
        began = time.monotonic()
        try:
            with self._stages.timed("crawl"):
                yield
        finally:
            if self._stats.discovery_ended is not None:
                self._stages.add("discovery", began, self._stats.discovery_ended)

    def _pipeline(self, parts: OpenParts, sink: Sink) -> Pipeline:
        return Pipeline(
            records=RecordBuilder(self.parameters.run_id, self.parameters.target, self.target.registry),
            discovery=parts.discovery,
            name_filter=self._name_filter,
            ownership=self._ownership,
            lister=parts.lister,
            inspector=parts.inspector,
            sink=sink,
            concurrency=self._config.limits.concurrency,
            stats=self._stats,
            stopping=self._stopping,
        )

    async def _sample_throughput(self) -> None:
        while True:
            await anyio.sleep(SAMPLE_S)
            self._throughput.sample(time.monotonic(), self._exchanges)

    async def _until_stopped(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work. Raises Interrupted where the run is asked to stop, and the work does not end."""
        with unwrap_group():
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_after_grace_period, group.cancel_scope)
                result = await work()
                group.cancel_scope.cancel()
                return result
        raise Interrupted("stopped before the end, as asked")

    async def _cancel_after_grace_period(self, scope: anyio.CancelScope) -> None:
        await self._stopping.wait()
        await anyio.sleep(GRACE_PERIOD_S)
        scope.cancel()

    def _build_run_manifest(
        self,
        auth: ResolvedAuth,
        parts: OpenParts,
        files: tuple[SnapshotFile, ...],
        previous: PublishedRun | None,
        inspection: "Inspection | None",
    ) -> RunManifest:
        return build_run_manifest(
            self._plan,
            parameters=self.parameters,
            identity=auth.label,  # some accounts are known only after the first token
            parts=parts,
            nothing_matched=self._name_filter.nothing_matched,
            stats=self._stats,
            median_per_s=self._throughput.median_per_s,
            files=files,
            inspection=inspection,
            previous=previous,
        )
