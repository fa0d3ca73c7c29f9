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

from crawler.config import STANDARD_STREAM, Config, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import AT_ONCE
from crawler.discovery.name_filter import Selection
from crawler.errors import Interrupted, SnapshotError
from crawler.limiter import Pace
from crawler.model.limits import Quota
from crawler.model.names import Target
from crawler.model.record import Record
from crawler.model.run_manifest import Counts, PaceKept, RunManifest, SnapshotFile
from crawler.model.run_parameters import RunParameters
from crawler.pipeline.pipeline import Scheduler
from crawler.profiles import API_QUOTA
from crawler.rate_limiter import Starts
from crawler.run.credentials import Identity, identify, open_registry
from crawler.run.failures import unwrap_group
from crawler.run.parameters import parameters_of, resumed_in_words
from crawler.run.run_manifest import TOOL, account
from crawler.run.sources import discovery_of
from crawler.run.throughput import SAMPLE_S, Throughput, in_words
from crawler.sinks import Sink
from crawler.sinks.jsonl import JsonLinesFile, JsonLinesPipe
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import FileLocks, NoLocks
from crawler.snapshot.publish import Draft
from crawler.snapshot.reader import PublishedRun, last_complete
from crawler.snapshot.unfinished import UnfinishedRuns
from crawler.stats import Tally
from crawler.transport.fetch import RunLimits, Transport, open_transport
from crawler.transport.retry import Patience
from crawler.transport.tls import Certificates

T = TypeVar("T")

log = logging.getLogger(__name__)

GRACE_S: Final = 4.0
"""How long exchanges under way may go on when a run is asked to stop."""


class SharedStarts:
    """One line of starts per quota, for all the runs of a process: who shares a quota shares its pace."""

    def __init__(self) -> None:
        self._lines: dict[Quota, Starts] = {}

    def under(self, quota: Quota | None) -> Starts | None:
        if quota is None:
            return None
        return self._lines.setdefault(quota, Starts(quota))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. `known` repositories are all there are once `walked`; `unwell` are denied or failed."""

    seconds: float
    known: int
    walked: bool
    done: int
    unwell: int
    exchanges: int


@dataclass(frozen=True, slots=True)
class Crawled:
    """What a crawl ends with, for its account."""

    identity: Identity
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
        starts: "SharedStarts | None" = None,
        notice: Notice = _log_notice,
    ) -> None:
        self.parameters = parameters_of(registry, datetime.now(UTC))
        self._began = time.monotonic()
        self._config = config
        self._of = registry
        self._starts = starts or SharedStarts()
        self._notice = notice
        self._tally = Tally()
        self._selection = Selection(registry.target, include=registry.include, exclude=registry.exclude)
        self._throughput = Throughput(self._began)
        self._limits = RunLimits.of(_patience(config))
        self._unfinished = UnfinishedRuns(
            config.output.path, FileLocks() if config.output.lock else NoLocks(), config.resume.within
        )
        self._transport: Transport | None = None
        self._identity: Identity | None = None
        self._stopping = anyio.Event()

    @property
    def target(self) -> Target:
        return self._of.target

    @property
    def registry(self) -> RegistryConfig:
        """What this run was told about its registry."""
        return self._of

    @property
    def quota(self) -> Quota | None:
        """The quota that this run keeps: the configured rate, or its host's published one; None where there is none."""
        rate = self._config.limits.rate
        if rate == "auto":
            return self._of.ways.quota(self.target)
        if rate is None:
            return None
        return Quota(f"the configured rate for {self.target.registry}", (rate,))

    @property
    def pace_set_by(self) -> str:
        """What held the exchanges back most, in words."""
        return "" if self._transport is None else self._transport.pace.held_by

    @property
    def pays_for_tokens(self) -> bool:
        """Whether each repository costs a token that Google does without: its access tokens open the registry, too."""
        return self._identity is not None and self._identity.could_go_straight

    @property
    def troubles(self) -> tuple[Record, ...]:
        """The first few records that make a snapshot partial."""
        return tuple(self._tally.troubles)

    @property
    def is_journaled(self) -> bool:
        """Whether records go to the disk, from where a run can be resumed, rather than to standard output."""
        return self._config.output.path != STANDARD_STREAM

    @property
    def recorded(self) -> int:
        """How many repositories have their record on the disk, or with the sink."""
        return self._tally.done

    @property
    def counts(self) -> Counts:
        """What is recorded so far."""
        return self._tally.counts

    @property
    def progress(self) -> Progress:
        counts = self._tally.counts
        return Progress(
            seconds=time.monotonic() - self._began,
            known=self._tally.known,
            walked=self._tally.walked,
            done=counts.repositories,
            unwell=counts.denied + counts.failed,
            exchanges=0 if self._transport is None else self._transport.exchanges.total,
        )

    def stop(self) -> None:
        """Take no new work, finish what is under way within a few seconds, and raise Interrupted from `run`."""
        self._stopping.set()

    async def resumable(self) -> list[RunParameters]:
        """The unfinished runs of the same target that `resume` would go on with, the newest first."""
        if not self.is_journaled:
            return []
        await self._identify()
        return await anyio.to_thread.run_sync(self._unfinished.resumable, self.parameters)

    async def run(self) -> RunManifest:
        """Crawl, and publish the snapshot; or stream the records where the output is standard output."""
        await self._identify()
        if not self.is_journaled:
            with FileIO(sys.stdout.fileno(), "w", closefd=False) as pipe:
                crawled = await self.into(JsonLinesPipe(pipe))
            return self._account(crawled, (), None)
        await self._name_unreadable_runs()
        journal = await anyio.to_thread.run_sync(self._unfinished.begin, self.parameters)
        try:
            await self._clean_up()
            return await self._journaled(journal)
        finally:
            if self._tally.done == 0:
                journal.discard()
            journal.close()

    async def resume(self) -> RunManifest | None:
        """Go on with the newest unfinished run of the same target and publish it.

        None where there is none to go on with, for reasons that are noticed: then `run` begins a new one.
        """
        await self._identify()
        resumption = await anyio.to_thread.run_sync(self._unfinished.resume, self.parameters)
        for note in resumption.notes:
            self._notice(f"{self.target}: {note}", logging.INFO)
        journal = resumption.journal
        if journal is None:
            return None
        self.parameters = journal.parameters
        try:
            await self._name_unreadable_runs()
            await anyio.to_thread.run_sync(self._tally.recall, journal.entries())
            self._notice(f"{self.target}: {resumed_in_words(journal, self._tally.done)}", logging.INFO)
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
            crawled = await self.into(JsonLinesFile(file))
        draft = Draft(journal)
        files = await anyio.to_thread.run_sync(draft.write, output.compression, self._tally.done)
        earlier = partial(last_complete, output.path, self.parameters.target, self.parameters.started_at)
        manifest = self._account(crawled, files, await anyio.to_thread.run_sync(earlier))
        await anyio.to_thread.run_sync(draft.publish, output.path, manifest)
        await self._clean_up()
        return manifest

    async def _identify(self) -> Identity:
        """Find the credentials, which a run is known by, and which need no registry. Raises CredentialsError."""
        if self._identity is None:
            self._identity = await self._until_stopped(partial(identify, self._of, self._limits.outage))
            self.parameters = replace(self.parameters, identity=self._identity.label)
            for warning in self._identity.warnings:
                self._notice(f"{self.target}: {warning}")
        return self._identity

    async def into(self, sink: Sink) -> Crawled:
        """Crawl into a sink; the discovery returned has its evidence."""
        identity = await self._identify()
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
        await anyio.sleep(GRACE_S)
        scope.cancel()

    async def _crawl(self, sink: Sink, identity: Identity) -> Crawled:
        limits = self._config.limits
        async with open_transport(
            user_agent=f"{TOOL.name}/{TOOL.version}",
            pace=Pace(concurrency=limits.concurrency, starts=self._starts.under(self.quota)),
            patience=_patience(self._config),
            limits=self._limits,
            concurrency=limits.concurrency,
            scheme=self._of.scheme,
            certificates=Certificates(
                ca_file=self._of.ca_file,
                client_certificate=self._of.client_certificate,
                client_key=self._of.client_key,
            ),
        ) as transport:
            self._transport = transport
            registry = await open_registry(self._of, identity, transport)
            apis = transport.paced(Pace(concurrency=AT_ONCE, starts=self._starts.under(API_QUOTA)))
            discovery = await discovery_of(self._of, registry, identity, apis)
            scheduler = Scheduler(
                run_id=self.parameters.run_id,
                target=self.parameters.target,
                registry_name=self.target.registry,
                discovery=discovery,
                selection=self._selection,
                registry=registry,
                sink=sink,
                concurrency=limits.concurrency,
                tally=self._tally,
                stopping=self._stopping,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(self._measure, transport)
                await scheduler.run()
                group.cancel_scope.cancel()
            self._throughput.sample(time.monotonic(), transport.exchanges.total)
        is_whole = self._tally.walked and self._tally.done >= self._tally.known
        if self._stopping.is_set() and not is_whole:
            raise Interrupted("stopped before the end, as asked")
        return Crawled(identity, transport, discovery)

    async def _measure(self, transport: Transport) -> None:
        while True:
            await anyio.sleep(SAMPLE_S)
            self._throughput.sample(time.monotonic(), transport.exchanges.total)

    def _account(self, crawled: Crawled, files: tuple[SnapshotFile, ...], previous: PublishedRun | None) -> RunManifest:
        return account(
            parameters=self.parameters,
            registry=self.target.registry,
            identity=crawled.identity.label,
            expected=self._config.verdict,
            config=self._config.effective(self._of),
            discovery=crawled.discovery,
            selection=self._selection,
            tally=self._tally,
            transport=crawled.transport,
            pace=PaceKept(
                configured=in_words(self._config.limits.concurrency, self.quota),
                median_per_s=round(self._throughput.median_per_s, 1),
                lowest_concurrency=crawled.transport.pace.lowest,
                set_by=crawled.transport.pace.held_by,
            ),
            files=files,
            previous=previous,
        )


def _patience(config: Config) -> Patience:
    limits = config.limits
    return Patience(
        attempts=limits.attempts,
        connect_s=limits.connect_timeout,
        read_s=limits.read_timeout,
        total_s=limits.total_timeout,
        give_up_s=limits.give_up_after,
    )
