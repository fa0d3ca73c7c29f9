"""Builds the house from a `Config`, runs it, and turns what happened into a `RunManifest`."""

import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

from crawler.config import STANDARD_STREAM, Config, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import AT_ONCE
from crawler.discovery.selection import Selection
from crawler.errors import ConfigError, CrawlerError, Interrupted, OutputClosed
from crawler.model import (
    Quota,
    Record,
    Requests,
    RunManifest,
    SnapshotFile,
    Target,
    timestamp,
)
from crawler.pace import Pace
from crawler.rates import Starts
from crawler.run.account import TOOL, account
from crawler.run.identity import Identity, identify, open_registry
from crawler.run.names import discovery_of
from crawler.scheduler import Scheduler
from crawler.sinks import Sink
from crawler.sinks.jsonl import JsonLinesFile, JsonLinesPipe
from crawler.snapshot.journal import Journal, Terms, abandoned_runs, begin, resume
from crawler.snapshot.publish import Draft
from crawler.tally import Tally
from crawler.transport.certificates import Certificates
from crawler.transport.fetch import Transport, open_transport
from crawler.transport.patience import Patience
from crawler.ways import API_QUOTA

GRACE_S: Final = 5.0
"""How long exchanges under way may go on when a run is asked to stop."""


async def crawl(config: Config) -> RunManifest:
    """Take the snapshot of the configuration's one registry, and return its manifest.

    The snapshot lies in `config.output.path / manifest.folder`. Raises CrawlerError where nothing was published: then
    there was no first page of names, or the disk refused. Trouble with single repositories is in the manifest.
    """
    return await Crawl(config, _only(config)).run()


@asynccontextmanager
async def open_records(config: Config) -> AsyncIterator[AsyncIterator[Record]]:
    """The records of the configuration's one registry as they come, in no order, without a snapshot.

    Leaving the block early ends the crawl. Raises what `crawl` raises.
    """
    run = Crawl(config, _only(config))
    send, receive = anyio.create_memory_object_stream[Sequence[Record]](1)

    async def produce() -> None:
        async with send:
            await run.into(_Handed(send))

    async def consume() -> AsyncIterator[Record]:
        async for batch in receive:
            for record in batch:
                yield record

    with _one_failure():
        async with receive, anyio.create_task_group() as group:
            group.start_soon(produce)
            yield consume()
            group.cancel_scope.cancel()


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


class Crawl:
    """One run over one registry: `run` once; `progress` and `stop` at any time. Make it within the event loop.

    `starts` keeps registries that share a quota to it together.
    """

    def __init__(self, config: Config, registry: RegistryConfig, starts: "SharedStarts | None" = None) -> None:
        now = datetime.now(UTC)
        self.terms = Terms(
            run_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
            started_at=timestamp(now),
            target=str(registry.target),
            discovery=registry.discovery,
            repositories_from=None if registry.repositories_from is None else str(registry.repositories_from),
            include=registry.include,
            exclude=registry.exclude,
        )
        self._began = time.monotonic()
        self._config = config
        self._of = registry
        self._starts = starts or SharedStarts()
        self._tally = Tally()
        self._selection = Selection(registry.target, include=registry.include, exclude=registry.exclude)
        self._transport: Transport | None = None
        self._identity: Identity | None = None
        self._stopping = anyio.Event()

    @property
    def target(self) -> Target:
        return self._of.target

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

    async def abandoned(self) -> list[str]:
        """The ids of earlier runs over the same target that were never finished, the newest first."""
        if not self.is_journaled:
            return []
        runs = await anyio.to_thread.run_sync(abandoned_runs, self._config.output.path, self.terms.target)
        return [terms.run_id for terms in runs]

    async def run(self) -> RunManifest:
        """Crawl, and publish the snapshot; or stream the records where the output is standard output."""
        if not self.is_journaled:
            discovery = await self.into(JsonLinesPipe(sys.stdout.buffer))
            return self._account(discovery, ())
        journal = await anyio.to_thread.run_sync(begin, self._config.output.path, self.terms)
        try:
            return await self._journaled(journal)
        finally:
            if self._tally.done == 0:
                journal.discard()

    async def resume(self) -> RunManifest | None:
        """Go on with the newest unfinished run of the same target and publish it; None where there is none."""
        journal = await anyio.to_thread.run_sync(resume, self._config.output.path, self.terms)
        if journal is None:
            return None
        self.terms = journal.terms
        return await self._journaled(journal)

    async def _journaled(self, journal: Journal) -> RunManifest:
        try:
            await anyio.to_thread.run_sync(self._tally.recall, journal.entries())
            with journal.appended() as file:
                discovery = await self.into(JsonLinesFile(file))
            draft = Draft(journal)
            compression = self._config.output.compression
            files = await anyio.to_thread.run_sync(draft.write, compression, self._tally.done)
            manifest = self._account(discovery, files)
            await anyio.to_thread.run_sync(draft.publish, self._config.output.path, manifest)
            return manifest
        finally:
            journal.close()

    async def into(self, sink: Sink) -> Discovery:
        """Crawl into a sink; returns the discovery, which has its evidence now."""
        with _one_failure():
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_after_grace, group.cancel_scope)
                discovery = await self._crawl(sink)
                group.cancel_scope.cancel()
                return discovery
        raise Interrupted("stopped before the end, as asked")

    async def _end_after_grace(self, scope: anyio.CancelScope) -> None:
        await self._stopping.wait()
        await anyio.sleep(GRACE_S)
        scope.cancel()

    async def _crawl(self, sink: Sink) -> Discovery:
        limits = self._config.limits
        async with open_transport(
            user_agent=f"{TOOL.name}/{TOOL.version}",
            pace=Pace(concurrency=limits.concurrency, starts=self._starts.under(self.quota)),
            patience=Patience(
                attempts=limits.attempts,
                connect_s=limits.connect_timeout,
                read_s=limits.read_timeout,
                total_s=limits.total_timeout,
                give_up_s=limits.give_up_after,
            ),
            concurrency=limits.concurrency,
            scheme=self._of.scheme,
            certificates=Certificates(
                ca_file=self._of.ca_file,
                client_certificate=self._of.client_certificate,
                client_key=self._of.client_key,
            ),
        ) as self._transport:
            identity = self._identity = await identify(self._of, self._transport.outage)
            registry = await open_registry(self._of, identity, self._transport)
            apis = self._transport.paced(Pace(concurrency=AT_ONCE, starts=self._starts.under(API_QUOTA)))
            discovery = await discovery_of(self._of, registry, identity, apis)
            await Scheduler(
                run_id=self.terms.run_id,
                target=self.terms.target,
                registry_name=self.target.registry,
                discovery=discovery,
                selection=self._selection,
                registry=registry,
                sink=sink,
                concurrency=limits.concurrency,
                tally=self._tally,
                stopping=self._stopping,
            ).run()
        if self._tally.done < self._tally.known or not self._tally.walked:
            raise Interrupted("stopped before the end, as asked")
        return discovery

    def _account(self, discovery: Discovery, files: tuple[SnapshotFile, ...]) -> RunManifest:
        assert self._transport is not None
        return account(
            terms=self.terms,
            registry=self.target.registry,
            config=self._config.effective(self._of),
            discovery=discovery,
            selection=self._selection,
            tally=self._tally,
            requests=_requests(self._transport),
            files=files,
        )


def _requests(transport: Transport) -> Requests:
    exchanges = transport.exchanges
    return Requests(
        total=exchanges.total,
        token=exchanges.token,
        retries=exchanges.retries,
        throttled=exchanges.throttled,
        bytes=exchanges.bytes,
        wait_s=round(transport.pace.wait_s, 3),
        by_kind={purpose.value: count for purpose, count in sorted(exchanges.by_kind.items())},
    )


def _only(config: Config) -> RegistryConfig:
    if len(config.registry) != 1:
        raise ConfigError([f"registry: one is wanted here, and there are {len(config.registry)}: use Crawl for each"])
    return config.registry[0]


@dataclass(frozen=True, slots=True)
class _Handed:
    """A sink that hands batches to whoever iterates."""

    stream: MemoryObjectSendStream[Sequence[Record]]

    async def write(self, records: Sequence[Record]) -> None:
        await self.stream.send(records)


@contextmanager
def _one_failure() -> Iterator[None]:
    """Open a task group's ExceptionGroup: of several failures the first of ours tells most, and a bug outranks it.

    That a stream's other end is gone is never the cause of a failure, but always one's consequence.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        bugs = [leaf for leaf in leaves if not isinstance(leaf, CrawlerError | anyio.BrokenResourceError)]
        closed = [leaf for leaf in leaves if isinstance(leaf, OutputClosed)]
        ours = [leaf for leaf in leaves if isinstance(leaf, CrawlerError)]
        raise (bugs or closed or ours or leaves)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for failure in group.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _leaves(failure)
        else:
            yield failure
