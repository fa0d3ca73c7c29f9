"""Names that the shards of a group share: one shard reads the source and writes a list, the others follow the list.

For sources that every shard would read alike. It does not matter which shard reads. Where it ends before the names do,
another one takes over: it reads the source from its beginning, and adds to the list what the list does not have. So all
shards see the same names, and the evidence is that of one whole reading.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import anyio
import anyio.to_thread

from crawler.discovery.pending import UNREPORTED, PendingName
from crawler.errors import CredentialsError, GaveUp, RegistryError, SnapshotError
from crawler.model.group_names import ListedEntry, ListedPage, NamesBegun, NamesEnd, NamesFailed
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence
from crawler.untrusted_text import printable

log = logging.getLogger(__name__)

POLL_S: Final = 0.25
"""How long a shard waits before it looks again whether the list has grown."""

POLLS_PER_TRY: Final = 8
"""So many looks are between two tries to take over: each try costs a network file system several exchanges."""

POLLS_BEFORE_NOTICE: Final = 1200
"""After so many looks without news, five minutes, the operator hears of it: the shard that reads may hang."""


class Source(Protocol):
    """What is shared: a `Discovery` that yields names without their listings, and needs no results."""

    @property
    def method(self) -> str: ...

    def pages(self) -> AsyncIterator[NamePage]: ...

    @property
    def pages_read(self) -> int: ...

    @property
    def evidence(self) -> Evidence: ...


class GroupNames(Protocol):
    """The list, as one process reads and writes it. Every method blocks on the disk, and raises SnapshotError."""

    def next_entry(self) -> ListedEntry | None:
        """The next entry of the list; None where there is none yet."""

    def try_to_write(self) -> bool:
        """Whether this process may write the list from now on, until `release`: no other process does."""

    def append(self, entry: ListedEntry) -> None:
        """Add an entry. Call it only after `try_to_write`, with nothing left to read."""

    def names_so_far(self) -> set[str]:
        """All names on the pages that `next_entry` has returned. Raises SnapshotError where they are not there now."""

    def release(self) -> None:
        """Leave the list to the others. It does not block."""


class GroupNamesDiscovery:
    """The names of a source, by way of the group's list. Where the list cannot be used, the source is read for itself.

    `pages` raises what the source raises, where this shard is the one that reads it.
    """

    requires_all_listings = False

    def __init__(
        self,
        source: Source,
        methods: Sequence[str],
        names: GroupNames,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`methods` are the discovery methods that the source tries, in order."""
        self.method = source.method
        self._source = source
        self._methods = tuple(methods)
        self._names = names
        self._reader = ""
        self._followed = 0
        self._sleep = sleep
        self._polls = 0
        self._idle_polls = 0
        self._writes = False
        self._end: NamesEnd | None = None

    async def pages(self) -> AsyncIterator[NamePage]:
        try:
            try:
                async for page in self._follow():
                    yield page
            except SnapshotError as exc:
                self._leave(exc)
            if self._end is None:
                async for page in self._read():
                    yield page
        finally:
            self._names.release()

    async def _follow(self) -> AsyncIterator[NamePage]:
        """The names of the list, until it ends, or until this shard has to read the source. Raises SnapshotError."""
        while self._end is None:
            match await anyio.to_thread.run_sync(self._names.next_entry):
                case ListedPage(method, names):
                    self._idle_polls = 0
                    self._followed += 1
                    self.method = method
                    yield dict.fromkeys(names)
                case NamesBegun(sources, reader):
                    if sources != self._methods:
                        raise SnapshotError(f"shard {reader} looks for names by {printable(', '.join(sources))}")
                    log.info("names come from the group's list: shard %s reads them", reader)
                    self._reader = reader
                case NamesEnd(method) as end:
                    self._end, self.method = end, method
                case NamesFailed(reason) if self._polls and not self._writes:
                    # Each shard tries for itself, as without a list: one after the other would take all night. A shard
                    # that begins later meets an old failure, and takes over.
                    log.info("shard %s could not read the names: %s", self._reader, reason)
                    return
                case None if self._writes:
                    return
                case None:
                    await self._wait_or_take_over()

    async def _wait_or_take_over(self) -> None:
        if self._polls % POLLS_PER_TRY == 0:
            self._writes = await anyio.to_thread.run_sync(self._names.try_to_write)
        self._polls += 1
        self._idle_polls += 1
        if self._idle_polls == POLLS_BEFORE_NOTICE:
            log.warning(
                "no new names for %.0f minutes: %s reads them for the group; if it hangs, stop it: another one takes "
                "over",
                POLLS_BEFORE_NOTICE * POLL_S / 60,
                f"shard {self._reader}" if self._reader else "another shard",
            )
        if not self._writes:
            await self._sleep(POLL_S)

    async def _read(self) -> AsyncIterator[NamePage]:
        """The names of the source that the list does not have. They are added to the list."""
        known = await self._taken()
        await self._append(NamesBegun(self._methods))
        try:
            async for page in self._source.pages():
                self.method = self._source.method
                fresh = [name for name in page if name not in known]
                await self._append(ListedPage(self.method, fresh))
                yield dict.fromkeys(fresh)
        except (RegistryError, CredentialsError, GaveUp) as exc:
            await self._append(NamesFailed(str(exc)))
            raise
        self.method = self._source.method
        await self._append(NamesEnd(self.method, self._source.evidence))

    async def _taken(self) -> Collection[str]:
        """The names that this shard has taken from the list. Raises SnapshotError where the list has lost them.

        Without them it would take names twice. A resumed run knows by its journal which it has recorded.
        """
        if not self._followed:
            return ()
        try:
            return await anyio.to_thread.run_sync(self._names.names_so_far)
        except SnapshotError as exc:
            raise SnapshotError(
                f"{exc}; this shard took names from the group's list, which is lost: start the shard again"
            ) from None

    async def _append(self, entry: ListedEntry) -> None:
        if self._writes:
            try:
                await anyio.to_thread.run_sync(self._names.append, entry)
            except SnapshotError as exc:
                self._leave(exc)

    def _leave(self, error: SnapshotError) -> None:
        """Go on without the list. What the others make of it is up to them."""
        log.warning("the group's list of names is not used: %s; this shard reads the names itself", error)
        self._writes = False
        self._names.release()

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return UNREPORTED

    @property
    def pages_read(self) -> int:
        """Pages that this shard has read itself: the pages of the list are those of the shard that read them."""
        return self._source.pages_read

    @property
    def evidence(self) -> Evidence:
        if self._end is None:
            return self._source.evidence
        evidence = self._end.evidence
        return Evidence(evidence.complete, f"{evidence.text} (read by shard {self._reader} for the group)")
