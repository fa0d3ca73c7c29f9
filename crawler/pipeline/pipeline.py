"""Names in, records out: walk, work and write, joined by bounded streams.

One task walks the discovery's pages, a fixed crew lists repositories, one task writes. Every name ends in one record.
What failed is set aside, and asked once more when nothing else is left to ask.
"""

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from crawler.discovery import Discovery, ListResult, Page
from crawler.discovery.name_filter import NameFilter
from crawler.errors import CrawlerError, CredentialsError, Denied, MalformedResponse, Missing, RegistryError
from crawler.model.names import RepositoryName
from crawler.model.record import SCHEMA, ErrorDetail, Listing, Outcome, Record
from crawler.registry.registry import Registry
from crawler.sinks import Sink
from crawler.stats import RunStats
from crawler.untrusted_text import printable

T = TypeVar("T")

log = logging.getLogger(__name__)

NAME_QUEUE_SIZE: Final = 65_536
"""Names that wait for a worker, a few megabytes of them: so many that most catalogs are read to their end at once, and
the time left can be told."""

_EMPTY_LISTING: Final = Listing(tags=())


class SecondPass:
    """Names that are asked about, and those of them that failed: each is asked once more, last of all.

    `open` counts names that were given out and have no final answer yet.
    """

    def __init__(self) -> None:
        self.open = 0
        self._failed: list[RepositoryName] = []
        self._asked_again: set[RepositoryName] = set()
        self._changed = anyio.Event()

    def set_aside(self, name: RepositoryName, error: CrawlerError) -> bool:
        """Whether the name is kept for later: its first failure, and no refusal."""
        if _outcome(error) is not Outcome.FAILED or name in self._asked_again:
            return False
        self._failed.append(name)
        self.retry_changed()
        return True

    def close(self) -> None:
        """A name has its final answer."""
        self.open -= 1
        if self.open == len(self._failed):
            self.retry_changed()

    def take(self) -> list[RepositoryName]:
        """What failed, to be asked about for the last time."""
        failed, self._failed = self._failed, []
        self._asked_again.update(failed)
        log.warning("repositories that failed and are listed once more: %d", len(failed))
        return failed

    async def all_but_failed(self) -> None:
        """Wait until some failed and no others are open."""
        while not self._failed or self.open > len(self._failed):
            await self.news()

    async def all_closed(self) -> None:
        while self.open:
            await self.news()

    def retry_changed(self) -> None:
        """Wake whoever waits for `news`."""
        self._changed.set()

    async def news(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One crawl of one registry. `run` may be called once; it raises what ends a run, in an ExceptionGroup."""

    run_id: str
    target: str
    registry_name: str
    discovery: Discovery
    name_filter: NameFilter
    registry: Registry
    sink: Sink
    concurrency: int
    stats: RunStats
    stopping: anyio.Event
    _second_pass: SecondPass = field(default_factory=SecondPass)
    _invalid_names: set[str] = field(default_factory=set)
    """Names that no registry may have, as their records print them: two that print alike have one record."""

    async def run(self) -> None:
        send_name, names = anyio.create_memory_object_stream[RepositoryName](NAME_QUEUE_SIZE)
        # a record of each worker may wait, so that none waits for the writer; no more, as a processor's cache is small
        send_record, records = anyio.create_memory_object_stream[Record](self.concurrency)
        async with anyio.create_task_group() as watch:
            watch.start_soon(self._drain_on_stop, names.clone())
            async with anyio.create_task_group() as crew:
                crew.start_soon(self._writer, records)
                crew.start_soon(self._discover, send_name, send_record.clone())
                for _ in range(self.concurrency):
                    crew.start_soon(self._worker, names.clone(), send_record.clone())
                names.close()
                send_record.close()
            watch.cancel_scope.cancel()

    async def _drain_on_stop(self, names: MemoryObjectReceiveStream[RepositoryName]) -> None:
        """Leave nothing to the workers but what they work on."""
        async with names:
            await self.stopping.wait()
            _drain_nowait(names)

    async def _discover(
        self, names: MemoryObjectSendStream[RepositoryName], records: MemoryObjectSendStream[Record]
    ) -> None:
        async with names, records, anyio.create_task_group() as walk:
            walk.start_soon(self._cancel_on_stop, walk.cancel_scope)
            walk.start_soon(self._second_pass_names, names)
            async for page in self.discovery.pages():
                asked = [name async for name in self._pending(page, records)]
                self.registry.prefetch_hint(asked)
                self._second_pass.open += len(asked)
                for name in asked:
                    await _send(names, name)
            self.stats.no_longer_listed = len(self.stats.resumed)
            self.stats.discovered += self.stats.no_longer_listed
            self.stats.discovery_done = True
            self._second_pass.retry_changed()
            await self._second_pass.all_closed()
            walk.cancel_scope.cancel()

    async def _second_pass_names(self, names: MemoryObjectSendStream[RepositoryName]) -> None:
        """Ask once more about what failed, whenever nothing else is left to ask.

        A source whose names lie below others waits for what was set aside, so it cannot be waited for.
        """
        while True:
            await self._second_pass.all_but_failed()
            if self.stats.discovery_done or self.discovery.requires_all_listings:
                for name in self._second_pass.take():
                    await _send(names, name)
            else:
                await self._second_pass.news()

    async def _cancel_on_stop(self, scope: anyio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel()

    async def _pending(self, page: Page, records: MemoryObjectSendStream[Record]) -> AsyncIterator[RepositoryName]:
        """The names of a page that the registry is to be asked about; the others have their records afterwards."""
        opened_or_wanted = self.discovery.requires_all_listings or self.name_filter.matches_all
        for name, listing in page.items():
            if not (opened_or_wanted or self.name_filter.matches(name)):
                self.stats.filtered_out += 1
                continue
            self.stats.discovered += 1
            try:
                repository = RepositoryName(name)
            except ValueError as fault:
                await self._record_invalid_name(name, listing or MalformedResponse(str(fault)), records)
                continue
            if self.stats.resumed and self._already_recorded(name):
                continue
            if listing is None:
                yield repository
            else:
                await _send(records, self._record(repository, listing))

    async def _record_invalid_name(
        self, name: str, answer: ListResult, records: MemoryObjectSendStream[Record]
    ) -> None:
        """A name that we never put into a request: what its source listed with it counts all the same."""
        shown = printable(name)
        if shown in self._invalid_names:
            self.stats.discovered -= 1
            return
        self._invalid_names.add(shown)
        if not self._already_recorded(shown):
            if isinstance(answer, MalformedResponse):
                self.discovery.on_listed(name, answer)
            await _send(records, self._record(shown, answer))

    def _already_recorded(self, name: str) -> bool:
        """Whether the run was resumed, and had recorded this name before."""
        children = self.stats.resumed.pop(name, None)
        if children is None:
            return False
        self.discovery.on_listed(name, Listing(tags=(), children=children))
        return True

    async def _worker(
        self, names: MemoryObjectReceiveStream[RepositoryName], records: MemoryObjectSendStream[Record]
    ) -> None:
        async with names, records:
            while (name := await _receive(names)) is not None:
                began = time.monotonic()
                answer: ListResult
                try:
                    answer = await self.registry.list_tags(name)
                except (RegistryError, CredentialsError) as error:
                    log.info("%s: %s", name, error)
                    if self._second_pass.set_aside(name, error):
                        continue
                    answer = error
                seconds = time.monotonic() - began
                if seconds > self.stats.slowest_threshold_s:
                    self.stats.add_duration(name, seconds)
                self._second_pass.close()
                if self.discovery.on_listed(name, answer) and (self.name_filter.matches_all or self._is_selected(name)):
                    await _send(records, self._record(name, answer))
                else:
                    self.stats.discovered -= 1

    def _is_selected(self, name: str) -> bool:
        """Whether a name that was asked about for what lies below it gets a record of its own."""
        if not self.discovery.requires_all_listings or self.name_filter.matches(name):
            return True
        self.stats.filtered_out += 1
        return False

    async def _writer(self, records: MemoryObjectReceiveStream[Record]) -> None:
        async with records:
            while (first := await _receive(records)) is not None:
                batch = [first, *_drain_nowait(records)]
                await self.sink.write(batch)
                self.stats.add(batch)

    def _record(self, name: str, answer: ListResult) -> Record:
        if isinstance(answer, Listing):
            listing, outcome, error = answer, Outcome.OK, None
        else:
            listing, outcome, error = _EMPTY_LISTING, _outcome(answer), _fault(answer)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")  # ends in +00:00; timestamp() takes twice as long
        return Record(
            schema=SCHEMA,
            run_id=self.run_id,
            target=self.target,
            registry=self.registry_name,
            repository=name,
            outcome=outcome,
            tags=listing.tags,
            images=listing.images,
            children=listing.children,
            problems=(),
            suspect=listing.suspect,
            error=error,
            observed_at=f"{now[:-6]}Z",
        )


def _outcome(error: CrawlerError) -> Outcome:
    kinds = {Missing: Outcome.MISSING, Denied: Outcome.DENIED, MalformedResponse: Outcome.INVALID}
    return kinds.get(type(error), Outcome.FAILED)


def _fault(error: CrawlerError) -> ErrorDetail:
    if isinstance(error, RegistryError):
        return ErrorDetail(code=error.code, http_status=error.http_status, message=error.message)
    code = "NAME_INVALID" if isinstance(error, MalformedResponse) else "CREDENTIALS"
    return ErrorDetail(code=code, http_status=None, message=printable(str(error)))


# anyio's streams take a turn of the event loop for every item that they await, which costs more than a listing's
# parsing: so what is there is taken at once, and awaited only where it would block.


async def _send(stream: MemoryObjectSendStream[T], item: T) -> None:
    try:
        stream.send_nowait(item)
    except anyio.WouldBlock:
        await stream.send(item)


async def _receive(stream: MemoryObjectReceiveStream[T]) -> T | None:
    """The next item, or None at the end."""
    try:
        return stream.receive_nowait()
    except anyio.WouldBlock:
        pass
    except anyio.EndOfStream:
        return None
    try:
        return await stream.receive()
    except anyio.EndOfStream:
        return None


def _drain_nowait(stream: MemoryObjectReceiveStream[T]) -> list[T]:
    """All that waits in the stream now."""
    items = []
    try:
        while True:
            items.append(stream.receive_nowait())
    except (anyio.WouldBlock, anyio.EndOfStream):
        return items
