"""Which connection serves the next exchange: a kept one, or a new one where there are not too many."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from crawler.transport.connection import Connection
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.opening import Opener
from crawler.transport.request_bytes import Origin
from crawler.transport.write_queue import WriteQueue

KEEP_S: Final = 15.0
"""Seconds for which an idle connection is kept: most servers close one after a minute or more."""


_OPEN_PER_USED: Final = 2
"""How many times as many connections may be open as may be in use. An exchange with a registry and one with its token
server take turns, and each finds a kept connection."""

_CLOSE_WITHIN_S: Final = 5.0


class ConnectionPool:
    """The connections of one run, to all origins. Made by `open_pool`.

    No more than `limit` are in use at once: an exchange waits for its place. Where twice as many are open, a kept one
    is closed for each new one.
    """

    def __init__(self, opener: Opener, timer: DeadlineTimer, *, limit: int, open_within_s: float) -> None:
        self._opener = opener
        self._timer = timer
        self._queue = WriteQueue()
        self._limit = limit
        self._keep_ticks = timer.ticks(KEEP_S)
        self._open_within_s = open_within_s
        self._in_use = 0
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        """The connection that was used last is the last one of its list, and serves the next exchange."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._open: set[Connection] = set()
        self._all_closed = asyncio.Event()

    def take(self, origin: Origin) -> Connection | None:
        """A kept connection, for the caller alone until `give_back`. None where there is none, or no place."""
        if self._in_use >= self._limit:
            return None
        connection = self._pop(origin)
        if connection is not None:
            self._in_use += 1
        return connection

    async def open(self, origin: Origin) -> Connection:
        """A connection that is new, or was given back while the caller waited for a place.

        Raises what `Opener.open` raises, and a bare TimeoutError where it takes longer than an exchange may.
        """
        async with asyncio.timeout(self._open_within_s):
            await self._take_place()
            try:
                connection = self._pop(origin)
                if connection is None:
                    self._make_room()
                    transport, early = await self._opener.open(origin)
                    connection = Connection(transport, self._timer, self._queue, self._on_lost, early)
                    self._open.add(connection)
            except BaseException:
                self._free_place()
                raise
        return connection

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """The exchange is over. The connection is kept, unless it was not read to its end or is to be closed."""
        if connection.finish():
            self._idle[origin].append(connection)
        if self._waiting:
            self._free_place()
        else:
            self._in_use -= 1

    async def close(self) -> None:
        """Close all connections, and return when they are closed."""
        self._all_closed.clear()
        for connection in tuple(self._open):
            connection.close()
        if self._open:
            with suppress(TimeoutError):  # none takes as long, and the end of a run waits for none that does
                async with asyncio.timeout(_CLOSE_WITHIN_S):
                    await self._all_closed.wait()

    def close_unused(self) -> None:
        """Close the connections that were idle for too long. The timer calls it at each tick."""
        oldest = self._timer.now - self._keep_ticks
        for origin, connections in tuple(self._idle.items()):
            while connections and connections[0].idle_since < oldest:
                connections.pop(0).close()
            if not connections:
                del self._idle[origin]

    def _pop(self, origin: Origin) -> Connection | None:
        """A kept connection that can be used. Those that cannot are closed on the way."""
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def _make_room(self) -> None:
        """Close a kept connection of any origin, where there are too many."""
        if len(self._open) >= _OPEN_PER_USED * self._limit:
            for connections in self._idle.values():
                if connections:
                    connections.pop(0).close()
                    return

    async def _take_place(self) -> None:
        if self._in_use < self._limit:
            self._in_use += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it got the place, and does not need it
                self._free_place()
            raise

    def _free_place(self) -> None:
        """Hand the place to whoever waits the longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._in_use -= 1

    def _on_lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        for connections in self._idle.values():
            if connection in connections:
                connections.remove(connection)
        if not self._open:
            self._all_closed.set()


@asynccontextmanager
async def open_pool(
    opener: Opener, timer: DeadlineTimer, *, limit: int, open_within_s: float
) -> AsyncIterator[ConnectionPool]:
    """A pool whose connections are closed when the block ends. `timer` calls it as long as the timer runs."""
    pool = ConnectionPool(opener, timer, limit=limit, open_within_s=open_within_s)
    timer.on_every_tick(pool.close_unused)
    try:
        yield pool
    finally:
        await pool.close()
