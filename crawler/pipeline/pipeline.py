"""Names in, records out: discover, list, write, joined by bounded streams.

One task reads the pages of the discovery, a fixed crew of workers lists repositories, one task writes. Every name ends
in one record. A name that failed is listed once more when nothing else is left.

A crew instead of a task for each repository: at two hundred thousand repositories a task costs 25 to 32 µs each and 240
to 334 MB, the crew 1 to 2 µs and 41 MB.
"""

import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from crawler.discovery import Discovery
from crawler.discovery.name_filter import NameFilter
from crawler.discovery.pending import ListResult
from crawler.errors import CredentialsError, MalformedResponse, RegistryError
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage, Record
from crawler.pipeline.records import RecordBuilder
from crawler.pipeline.second_pass import SecondPass
from crawler.pipeline.streams import drain_nowait, receive, send, try_receive, try_send
from crawler.sinks import Sink
from crawler.stats import RunStats
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.discovery.ownership import Ownership
    from crawler.inspect.inspector import Inspector

log = logging.getLogger(__name__)

NAME_QUEUE_SIZE: Final = 65_536
"""Names that may wait for a worker. They take a few megabytes, and most catalogs are read to their end at once, so that
the progress can say how much time is left."""

LISTINGS_HELD: Final = 256
"""Listings that came with their names, and may wait for a worker to read their images."""

_Names = MemoryObjectSendStream[RepositoryName]
_Records = MemoryObjectSendStream[Record]


class Lister(Protocol):
    """Lists repositories: the registry itself, or the product's own API."""

    def prefetch_hint(self, names: Iterable[RepositoryName]) -> None:
        """Announce the names that will be listed next, in this order."""

    async def list_tags(self, name: RepositoryName) -> Listing:
        """The listing of a repository. Raises RegistryError, CredentialsError and GaveUp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The crawl of one registry. Call `run` once; what ends the run is raised in an ExceptionGroup.

    Attributes:
        ownership: what this shard records; None where one run takes the whole target.
        inspector: reads what is behind the tags; None where the snapshot holds only what listings have.
        concurrency: how many repositories are listed at once.
        stats: counts what happens, as it happens.
        stopping: set to take no new work. What is being listed then is finished and written.
    """

    records: RecordBuilder
    discovery: Discovery
    name_filter: NameFilter
    ownership: "Ownership | None"
    lister: Lister
    inspector: "Inspector | None"
    sink: Sink
    concurrency: int
    stats: RunStats
    stopping: anyio.Event
    _second_pass: SecondPass = field(default_factory=SecondPass)
    _invalid_names: set[str] = field(default_factory=set)
    """Invalid names, as their records print them: two that print alike have one record."""
    _listed: dict[RepositoryName, Listing] = field(default_factory=dict)
    """Listings that came with their names. Their images are to be read."""
    _listed_slots: anyio.Semaphore = field(default_factory=partial(anyio.Semaphore, LISTINGS_HELD))
    _unread: dict[RepositoryName, Listing] = field(default_factory=dict)
    """Listings whose images could not all be read, and are read once more at the end."""

    async def run(self) -> None:
        send_name, names = anyio.create_memory_object_stream[RepositoryName](NAME_QUEUE_SIZE)
        # One record of each worker may wait, so that no worker waits for the writer. More would not stay in the
        # processor's cache.
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
        """Leave to the workers only what they are listing."""
        async with names:
            await self.stopping.wait()
            drain_nowait(names)

    async def _cancel_on_stop(self, scope: anyio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel()

    async def _discover(self, names: _Names, records: _Records) -> None:
        async with names, records, anyio.create_task_group() as group:
            group.start_soon(self._cancel_on_stop, group.cancel_scope)
            group.start_soon(self._run_second_pass, names)
            async for page in self.discovery.pages():
                pending = [name async for name in self._pending(page, names, records)]
                self.lister.prefetch_hint(pending)
                self._second_pass.add(len(pending))
                for name in pending:
                    await send(names, name)
            self.stats.end_discovery()
            self._second_pass.on_discovery_done()
            await self._second_pass.until_closed()
            group.cancel_scope.cancel()

    async def _run_second_pass(self, names: _Names) -> None:
        """List what failed once more, whenever nothing else is left to list.

        A discovery that requires all listings waits for the names that were set aside, so waiting for its end would
        wait forever.
        """
        while True:
            await self._second_pass.until_only_failed()
            if self.stats.discovery_done or self.discovery.requires_all_listings:
                for name in self._second_pass.take():
                    await send(names, name)
            else:
                await self._second_pass.until_changed()

    async def _pending(self, page: NamePage, names: _Names, records: _Records) -> AsyncIterator[RepositoryName]:
        """The names of a page that the registry has to list. The other names of the page are dealt with here."""
        if self.discovery.requires_all_listings or self.name_filter.matches_all:
            selected = page
        else:
            selected = {name: listing for name, listing in page.items() if self.name_filter.matches(name)}
        filtered_out = len(page) - len(selected)
        if self.ownership is not None and not self.discovery.requires_all_listings:
            selected = self.ownership.select_owned(self.discovery.method, selected)
        self.stats.add_names(len(selected), filtered_out=filtered_out)
        for name, listing in selected.items():
            try:
                repository = RepositoryName(name)
            except ValueError as exc:
                await self._record_invalid_name(name, listing or MalformedResponse(str(exc)), records)
                continue
            if self.stats.resumed and self._already_recorded(name, name):
                continue
            if listing is None:
                yield repository
            elif self.inspector is None or not isinstance(listing, Listing):
                await send(records, self.records.build(repository, listing))
            else:
                await self._listed_slots.acquire()
                self._listed[repository] = listing
                self._second_pass.add(1)
                await send(names, repository)

    async def _record_invalid_name(self, name: str, result: ListResult, records: _Records) -> None:
        """Record a name that is never requested; a listing that came with it is recorded all the same."""
        printed = printable(name)
        if printed not in self._invalid_names and self._already_recorded(name, printed):
            self._invalid_names.add(printed)
            return
        with self.discovery.pending(name) as pending:
            pending.resolve(result)
        if printed in self._invalid_names:
            self.stats.remove_name()
        else:
            self._invalid_names.add(printed)
            await send(records, self.records.build(printed, result))

    def _already_recorded(self, name: str, recorded_name: str) -> bool:
        """Whether this run was resumed, and recorded the name before."""
        children = self.stats.take_resumed(recorded_name)
        if children is None:
            return False
        with self.discovery.pending(name) as pending:
            pending.resolve(Listing(tags=(), children=children))
        return True

    async def _worker(self, names: MemoryObjectReceiveStream[RepositoryName], records: _Records) -> None:
        async with names, records:
            while (name := try_receive(names) or await receive(names)) is not None:
                started = time.monotonic()
                if self.inspector is not None and (listing := self._take_listing(name)) is not None:
                    await self._inspect(name, listing, started, records)
                    continue
                result: ListResult
                with self.discovery.pending(name) as pending:
                    try:
                        result = await self.lister.list_tags(name)
                    except (RegistryError, CredentialsError) as error:
                        log.info("%s: %s", name, error)
                        if self._second_pass.set_aside(name, error):
                            pending.postpone()
                            continue
                        result = error
                    is_repository = pending.resolve(result)
                is_selected = is_repository and (
                    (self.name_filter.matches_all and self.ownership is None) or self._is_selected(name)
                )
                if is_selected and self.inspector is not None and isinstance(result, Listing):
                    await self._inspect(name, result, started, records)
                    continue
                self._finish(name, started)
                if not is_selected:
                    self.stats.remove_name()
                elif not try_send(records, record := self.records.build(name, result)):
                    await records.send(record)

    def _take_listing(self, name: RepositoryName) -> Listing | None:
        """The listing that a name waits with for its images to be read; None for a name that is to be listed."""
        listing = self._listed.pop(name, None)
        if listing is None:
            return self._unread.pop(name, None)
        self._listed_slots.release()
        return listing

    async def _inspect(self, name: RepositoryName, listing: Listing, started: float, records: _Records) -> None:
        """Read the images of a repository, and record it; or keep its listing, to read once more what failed."""
        assert self.inspector is not None
        inspected = await self.inspector.inspect(name, listing)
        if inspected.failure is not None and self._second_pass.set_aside(name, inspected.failure):
            log.info("%s: %s", name, inspected.failure)
            self._unread[name] = listing
            return
        self._finish(name, started)
        await send(records, self.records.build(name, inspected.listing))

    def _finish(self, name: RepositoryName, started: float) -> None:
        """A name has its final result."""
        seconds = time.monotonic() - started
        if seconds > self.stats.slowest_threshold_s:
            self.stats.add_duration(name, seconds)
        self._second_pass.close()

    def _is_selected(self, name: str) -> bool:
        """Whether a name that was listed for the names below it gets a record of its own."""
        if not self.discovery.requires_all_listings:
            return True
        if self.ownership is not None and not self.ownership.owns(name):
            return False
        if self.name_filter.matches(name):
            return True
        self.stats.add_names(0, filtered_out=1)
        return False

    async def _writer(self, records: MemoryObjectReceiveStream[Record]) -> None:
        async with records:
            while (first := await receive(records)) is not None:
                batch = [first, *drain_nowait(records)]
                await self.sink.write(batch)
                self.stats.add(batch)
