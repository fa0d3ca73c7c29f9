"""Builds the house from a `Config`, runs it, and turns what happened into a `RunManifest`."""

import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

from crawler.auth.basic import Credentials, Fixed, User
from crawler.auth.flow import NOBODY, Flow, authorize
from crawler.auth.google import ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, AccessTokens, json_key_user
from crawler.config import STANDARD_STREAM, AuthConfig, Config, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.listed import ListDiscovery
from crawler.discovery.selection import Selection
from crawler.errors import ConfigError, CrawlerError, CredentialsError, OutputClosed
from crawler.model import (
    SCHEMA,
    VERSION,
    Counts,
    Discovered,
    Evidence,
    Record,
    Requests,
    RunManifest,
    SnapshotFile,
    Target,
    Tool,
    Verdict,
    timestamp,
)
from crawler.pace import Pace, Quota, published_quota
from crawler.registry import Registry
from crawler.scheduler import Scheduler, Tally
from crawler.sinks import Sink
from crawler.sinks.jsonl import JsonLinesFile, JsonLinesPipe
from crawler.snapshot import UnfinishedRun
from crawler.transport import Patience, Transport, open_transport

TOOL = Tool(name="registry-crawler", version=VERSION)


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
    """One run over one registry: `run` once, `progress` at any time."""

    def __init__(self, config: Config, registry: RegistryConfig) -> None:
        self.started = datetime.now(UTC)
        self.run_id = f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self._began = time.monotonic()
        self._config = config
        self._of = registry
        self._tally = Tally()
        self._transport: Transport | None = None

    @property
    def target(self) -> Target:
        return self._of.target

    @property
    def quota(self) -> Quota | None:
        """The quota that this run keeps: the configured rate, or its host's published one; None where there is none."""
        rate = self._config.limits.rate
        if rate == "auto":
            return published_quota(self.target.host)
        return None if rate is None else Quota(rate.count, rate.seconds, "the configured rate")

    @property
    def troubles(self) -> tuple[Record, ...]:
        """The first few records that make a snapshot partial."""
        return tuple(self._tally.troubles)

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

    async def run(self) -> RunManifest:
        """Crawl, and publish the snapshot; or stream the records where the output is standard output."""
        if self._config.output.path == STANDARD_STREAM:
            discovery = await self.into(JsonLinesPipe(sys.stdout.buffer))
            return self._manifest(discovery, ())
        unfinished = await anyio.to_thread.run_sync(UnfinishedRun.begin, self._config.output.path, self.run_id)
        try:
            with unfinished.part() as part:
                discovery = await self.into(JsonLinesFile(part))
        finally:
            if self._tally.done == 0 and not self._tally.walked:
                unfinished.discard()
        compression = self._config.output.compression
        files = await anyio.to_thread.run_sync(unfinished.seal, compression, self._tally.done)
        manifest = self._manifest(discovery, files)
        await anyio.to_thread.run_sync(unfinished.publish, manifest)
        return manifest

    async def into(self, sink: Sink) -> Discovery:
        """Crawl into a sink; returns the discovery, which has its evidence now."""
        limits = self._config.limits
        pace = Pace(concurrency=limits.concurrency, quota=self.quota)
        with _one_failure():
            async with open_transport(
                user_agent=f"{TOOL.name}/{TOOL.version}",
                pace=pace,
                patience=Patience(
                    attempts=limits.attempts, connect_s=limits.connect_timeout, read_s=limits.read_timeout
                ),
                concurrency=limits.concurrency,
                scheme=self._of.scheme,
                ca_file=self._of.ca_file,
            ) as self._transport:
                registry = await _open_registry(self._of, self._transport)
                discovery = _discovery(self._of, registry)
                await Scheduler(
                    run_id=self.run_id,
                    registry_name=self.target.registry,
                    discovery=discovery,
                    selection=Selection(self.target, include=self._of.include, exclude=self._of.exclude),
                    registry=registry,
                    sink=sink,
                    concurrency=limits.concurrency,
                    tally=self._tally,
                ).run()
        return discovery

    def _manifest(self, discovery: Discovery, files: tuple[SnapshotFile, ...]) -> RunManifest:
        assert self._transport is not None
        assert self._tally.done == self._tally.known
        counts = self._tally.counts
        reasons = reasons_for_doubt(discovery.evidence, counts)
        return RunManifest(
            schema=SCHEMA,
            run_id=self.run_id,
            target=str(self.target),
            registry=self.target.registry,
            tool=TOOL,
            started_at=timestamp(self.started),
            finished_at=timestamp(datetime.now(UTC)),
            verdict=Verdict.PARTIAL if reasons else Verdict.COMPLETE,
            reasons=reasons,
            discovery=Discovered(
                method=discovery.method,
                pages=discovery.pages_read,
                repositories=self._tally.known,
                complete=discovery.evidence.complete,
                evidence=discovery.evidence.text,
            ),
            counts=counts,
            requests=Requests(**asdict(self._transport.exchanges), wait_s=round(self._transport.pace.wait_s, 3)),
            files=files,
            config=self._config.effective(self._of),
            slowest=self._tally.slowest,
        )


def reasons_for_doubt(evidence: Evidence, counts: Counts) -> tuple[str, ...]:
    """Why a snapshot may not be taken for the whole registry, in plain words; none for a complete one."""
    reasons = []
    if not evidence.complete:
        reasons.append(f"there may be repositories that nobody told of: {evidence.text}")
    if counts.denied:
        reasons.append(f"{_repositories(counts.denied)} denied")
    if counts.failed:
        reasons.append(f"{_repositories(counts.failed)} failed")
    if counts.suspect:
        reasons.append(f"{_repositories(counts.suspect)} with a listing that may not be whole")
    return tuple(reasons)


async def _open_registry(of: RegistryConfig, transport: Transport) -> Registry:
    base = f"{of.scheme}://{of.target.registry}/v2/"
    flow, credentials = await anyio.to_thread.run_sync(_way_in, of.auth, of.target)
    authorization = await authorize(
        base, of.target, flow=flow, credentials=credentials, realms=of.realms, transport=transport
    )
    return Registry(base, authorization, transport, page_size=of.page_size)


def _way_in(auth: AuthConfig, target: Target) -> tuple[Flow, Credentials]:
    """The flow and the credentials that a configuration means; reads files, so in a worker thread."""
    user = _written_user(auth)
    method = auth.method
    if method == "auto":
        google = auth.key_file is not None or (target.is_google and user is None)
        method = "token" if google else "anonymous" if user is None else "basic"
    match method:
        case "anonymous":
            return Flow.ANSWER, NOBODY
        case "basic":
            return Flow.ANSWER, Fixed(user)
        case "token" if user is not None:
            return Flow.ANSWER, Fixed(user)
        case "token":
            return Flow.ANSWER, AccessTokens(REGISTRY_TOKEN_USER, key_file=auth.key_file, scope=auth.scope)
        case "access-token":
            return Flow.STRAIGHT, AccessTokens(ACCESS_TOKEN_USER, key_file=auth.key_file, scope=auth.scope)
        case "json-key":
            assert auth.key_file is not None  # AuthConfig saw to it
            return Flow.STRAIGHT, Fixed(json_key_user(auth.key_file))
        case _:
            raise CredentialsError(f"auth method {method} is not there yet: give username and password_file")


def _written_user(auth: AuthConfig) -> User | None:
    if auth.username is None:
        return None
    if auth.password_file is None:
        assert auth.password is not None  # AuthConfig saw to it
        return User(auth.username, auth.password.get_secret_value())
    try:
        return User(auth.username, auth.password_file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise CredentialsError(f"{auth.password_file}: the password file cannot be read: {why}") from None


def _discovery(of: RegistryConfig, registry: Registry) -> Discovery:
    source = of.repositories_from
    if source is None:
        return CatalogDiscovery(registry, empty_is_unknown=of.target.is_google)
    if source == STANDARD_STREAM:
        return ListDiscovery("standard input", sys.stdin.buffer.read)
    return ListDiscovery(str(source), Path(source).read_bytes)


def _only(config: Config) -> RegistryConfig:
    if len(config.registry) != 1:
        raise ConfigError([f"registry: one is wanted here, and there are {len(config.registry)}: use Crawl for each"])
    return config.registry[0]


def _repositories(count: int) -> str:
    return f"{count:,} {'repository' if count == 1 else 'repositories'}"


@dataclass(frozen=True, slots=True)
class _Handed:
    """A sink that hands batches to whoever iterates."""

    stream: MemoryObjectSendStream[Sequence[Record]]

    async def write(self, records: Sequence[Record]) -> None:
        await self.stream.send(records)


@contextmanager
def _one_failure() -> Iterator[None]:
    """Open a task group's ExceptionGroup: of several failures the first of ours tells most, and a bug outranks it."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        bugs = [leaf for leaf in leaves if not isinstance(leaf, CrawlerError)]
        closed = [leaf for leaf in leaves if isinstance(leaf, OutputClosed)]
        raise (bugs or closed or leaves)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for failure in group.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _leaves(failure)
        else:
            yield failure
