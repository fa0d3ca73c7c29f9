"""Builds the house from a `Config`, runs it, and turns what happened into a `RunManifest`."""

import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from typing import Final, Protocol, TypeVar

import anyio
import anyio.to_thread

from crawler.config import STDIO, Config, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import MAX_CONCURRENT_LISTS
from crawler.discovery.name_filter import NameFilter
from crawler.errors import Interrupted, SnapshotError
from crawler.limiter import AdaptiveLimiter
from crawler.model.limits import Quota
from crawler.model.names import Target
from crawler.model.record import Record
from crawler.model.run_manifest import Counts, PaceKept, RunManifest, SnapshotFile
from crawler.model.run_parameters import RunParameters
from crawler.pipeline.pipeline import Pipeline
from crawler.profiles import API_QUOTA
from crawler.rate_limiter import RateLimiter
from crawler.run.credentials import ResolvedAuth, connect, resolve_credentials
from crawler.run.failures import unwrap_group
from crawler.run.parameters import build_run_parameters, resumed_message
from crawler.run.run_manifest import TOOL, build_run_manifest
from crawler.run.sources import build_discovery
from crawler.run.throughput import SAMPLE_S, Throughput, describe_pace
from crawler.sinks import Sink
from crawler.sinks.jsonl import JsonLinesFile, JsonLinesPipe
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import FileLocks, NoLocks
from crawler.snapshot.publish import Draft
from crawler.snapshot.reader import PublishedRun, last_complete
from crawler.snapshot.unfinished import UnfinishedRuns
from crawler.stats import RunStats
from crawler.transport.fetch import Transport, open_transport
from crawler.transport.retry import RetryPolicy, Timeouts
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates

T = TypeVar("T")

log = logging.getLogger(__name__)

GRACE_PERIOD_S: Final = 4.0
"""How long exchanges under way may go on when a run is asked to stop."""


class SharedRateLimits:
    """One line of starts per quota, for all the runs of a process: who shares a quota shares its pace."""

    def __init__(self) -> None:
        self._limiters: dict[Quota, RateLimiter] = {}

    def for_quota(self, quota: Quota | None) -> RateLimiter | None:
        if quota is None:
            return None
        return self._limiters.setdefault(quota, RateLimiter(quota))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. `known` repositories are all there are once `walked`; `unwell` are denied or failed."""

    seconds: float
    discovered: int
    discovery_done: bool
    done: int
    failed: int
    exchanges: int


@dataclass(frozen=True, slots=True)
class Crawled:
    """What a crawl ends with, for its account."""

    identity: ResolvedAuth
    transport: Transport
    discovery: Discovery


class Notice(Protocol):
    """Takes a line for the operator; `level` is one of `logging`'s."""

    def __call__(self, line: str, level: int = logging.WARNING, /) -> None: ...


def _log_notice(line: str, level: int = logging.WARNING, /) -> None:
    log.log(level, "%s", line)


class Crawl:
    """One run over one registry: `run` once; `progress` and `stop` at any time. Make it within the event loop.

    `starts` keeps registries that share a quota to it together. `notice` takes lines for the operator: what is
    resumed, and what is left.
    """

    def __init__(
        self,
        config: Config,
        registry: RegistryConfig,
        starts: "SharedRateLimits | None" = None,
        notice: Notice = _log_notice,
    ) -> None:
        self.parameters = build_run_parameters(registry, datetime.now(UTC))
        self._began = time.monotonic()
        self._config = config
        self._registry = registry
        self._rate_limits = starts or SharedRateLimits()
        self._notice = notice
        self._stats = RunStats()
        self._name_filter = NameFilter(registry.target, include=registry.include, exclude=registry.exclude)
        self._throughput = Throughput(self._began)
        self._limits = RunLimits(_retry_policy(config))
        self._unfinished = UnfinishedRuns(
            config.output.path, FileLocks() if config.output.lock else NoLocks(), config.resume.within
        )
        self._transport: Transport | None = None
        self._auth: ResolvedAuth | None = None
        self._stopping = anyio.Event()

    @property
    def target(self) -> Target:
        return self._registry.target

    @property
    def registry(self) -> RegistryConfig:
        """What this run was told about its registry."""
        return self._registry

    @property
    def quota(self) -> Quota | None:
        """The quota that this run keeps: the configured rate, or its host's published one; None where there is none."""
        rate = self._config.limits.rate
        if rate == "auto":
            return self._registry.profile.quota(self.target)
        if rate is None:
            return None
        return Quota(f"the configured rate for {self.target.registry}", (rate,))

    @property
    def pace_set_by(self) -> str:
        """What held the exchanges back most, in words."""
        return "" if self._transport is None else self._transport.limiter.held_by

    @property
    def cheaper_auth_exists(self) -> bool:
        """Whether each repository costs a token that Google does without: its access tokens open the registry, too."""
        return self._auth is not None and self._auth.could_skip_token

    @property
    def sample_failures(self) -> tuple[Record, ...]:
        """The first few records that make a snapshot partial."""
        return tuple(self._stats.sample_failures)

    @property
    def writes_snapshot(self) -> bool:
        """Whether records go to the disk, from where a run can be resumed, rather than to standard output."""
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
    def progress(self) -> Progress:
        counts = self._stats.counts
        return Progress(
            seconds=time.monotonic() - self._began,
            discovered=self._stats.discovered,
            discovery_done=self._stats.discovery_done,
            done=counts.repositories,
            failed=counts.denied + counts.failed,
            exchanges=self._limits.requests.total,
        )

    def stop(self) -> None:
        """Take no new work, finish what is under way within a few seconds, and raise Interrupted from `run`."""
        self._stopping.set()

    async def unfinished_runs(self) -> list[RunParameters]:
        """The unfinished runs of the same target that `resume` would go on with, the newest first."""
        if not self.writes_snapshot:
            return []
        await self._authenticate()
        return await anyio.to_thread.run_sync(self._unfinished.resumable, self.parameters)

    async def run(self) -> RunManifest:
        """Crawl, and publish the snapshot; or stream the records where the output is standard output."""
        await self._authenticate()
        if not self.writes_snapshot:
            with FileIO(sys.stdout.fileno(), "w", closefd=False) as pipe:
                crawled = await self.run_into(JsonLinesPipe(pipe))
            return self._account(crawled, (), None)
        await self._name_unreadable_runs()
        journal = await anyio.to_thread.run_sync(self._unfinished.begin, self.parameters)
        try:
            await self._clean_up()
            return await self._journaled(journal)
        finally:
            if self._stats.recorded == 0:
                journal.discard()
            journal.close()

    async def resume(self) -> RunManifest | None:
        """Go on with the newest unfinished run of the same target and publish it.

        None where there is none to go on with, for reasons that are noticed: then `run` begins a new one.
        """
        await self._authenticate()
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
            return await self._journaled(journal)
        finally:
            journal.close()

    async def _name_unreadable_runs(self) -> None:
        for note in await anyio.to_thread.run_sync(self._unfinished.unreadable, self.parameters.target):
            self._notice(note)

    async def _clean_up(self) -> None:
        """Drop what can no longer be resumed. That it cannot be dropped is no failure of this run, or its snapshot."""
        try:
            await anyio.to_thread.run_sync(self._unfinished.clean_up, self.parameters.target, datetime.now(UTC))
        except SnapshotError as exc:
            self._notice(f"{self.target}: old unfinished runs are left: {exc}")

    async def _journaled(self, journal: Journal) -> RunManifest:
        output = self._config.output
        with journal.appended() as file:
            crawled = await self.run_into(JsonLinesFile(file))
        draft = Draft(journal)
        files = await anyio.to_thread.run_sync(draft.write, output.compression, self._stats.recorded)
        earlier = partial(last_complete, output.path, self.parameters.target, self.parameters.started_at)
        manifest = self._account(crawled, files, await anyio.to_thread.run_sync(earlier))
        await anyio.to_thread.run_sync(draft.publish, output.path, manifest)
        await self._clean_up()
        return manifest

    async def _authenticate(self) -> ResolvedAuth:
        """Find the credentials, which a run is known by, and which need no registry. Raises CredentialsError."""
        if self._auth is None:
            self._auth = await self._until_stopped(partial(resolve_credentials, self._registry, self._limits.outage))
            self.parameters = replace(self.parameters, identity=self._auth.label)
            for warning in self._auth.warnings:
                self._notice(f"{self.target}: {warning}")
        return self._auth

    async def run_into(self, sink: Sink) -> Crawled:
        """Crawl into a sink; the discovery returned has its evidence."""
        identity = await self._authenticate()
        return await self._until_stopped(partial(self._crawl, sink, identity))

    async def _until_stopped(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the work gives; Interrupted where the run is asked to stop, and the work goes on for long."""
        with unwrap_group():
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_after_grace, group.cancel_scope)
                result = await work()
                group.cancel_scope.cancel()
                return result
        raise Interrupted("stopped before the end, as asked")

    async def _end_after_grace(self, scope: anyio.CancelScope) -> None:
        await self._stopping.wait()
        await anyio.sleep(GRACE_PERIOD_S)
        scope.cancel()

    async def _crawl(self, sink: Sink, identity: ResolvedAuth) -> Crawled:
        limits = self._config.limits
        async with open_transport(
            user_agent=f"{TOOL.name}/{TOOL.version}",
            limiter=AdaptiveLimiter(concurrency=limits.concurrency, rate=self._rate_limits.for_quota(self.quota)),
            timeouts=_timeouts(self._config),
            limits=self._limits,
            concurrency=limits.concurrency,
            scheme=self._registry.scheme,
            certificates=Certificates(
                ca_file=self._registry.ca_file,
                client_certificate=self._registry.client_certificate,
                client_key=self._registry.client_key,
            ),
        ) as transport:
            self._transport = transport
            registry = await connect(self._registry, identity, transport)
            apis = transport.with_limiter(
                AdaptiveLimiter(concurrency=MAX_CONCURRENT_LISTS, rate=self._rate_limits.for_quota(API_QUOTA))
            )
            discovery = await build_discovery(self._registry, registry, identity, apis)
            scheduler = Pipeline(
                run_id=self.parameters.run_id,
                target=self.parameters.target,
                registry_name=self.target.registry,
                discovery=discovery,
                name_filter=self._name_filter,
                registry=registry,
                sink=sink,
                concurrency=limits.concurrency,
                stats=self._stats,
                stopping=self._stopping,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(self._measure, transport)
                await scheduler.run()
                group.cancel_scope.cancel()
            self._throughput.sample(time.monotonic(), transport.limits.requests.total)
        is_whole = self._stats.discovery_done and self._stats.recorded >= self._stats.discovered
        if self._stopping.is_set() and not is_whole:
            raise Interrupted("stopped before the end, as asked")
        return Crawled(identity, transport, discovery)

    async def _measure(self, transport: Transport) -> None:
        while True:
            await anyio.sleep(SAMPLE_S)
            self._throughput.sample(time.monotonic(), transport.limits.requests.total)

    def _account(self, crawled: Crawled, files: tuple[SnapshotFile, ...], previous: PublishedRun | None) -> RunManifest:
        return build_run_manifest(
            parameters=self.parameters,
            registry=self.target.registry,
            identity=crawled.identity.label,
            expected=self._config.verdict,
            config=self._config.effective(self._registry),
            discovery=crawled.discovery,
            name_filter=self._name_filter,
            stats=self._stats,
            transport=crawled.transport,
            pace=PaceKept(
                configured=describe_pace(self._config.limits.concurrency, self.quota),
                median_per_s=round(self._throughput.median_per_s, 1),
                lowest_concurrency=crawled.transport.limiter.lowest_limit,
                set_by=crawled.transport.limiter.held_by,
            ),
            files=files,
            previous=previous,
        )


def _retry_policy(config: Config) -> RetryPolicy:
    return RetryPolicy(attempts=config.limits.attempts, give_up_s=config.limits.give_up_after)


def _timeouts(config: Config) -> Timeouts:
    limits = config.limits
    return Timeouts(connect_s=limits.connect_timeout, read_s=limits.read_timeout, total_s=limits.total_timeout)
