"""Which connection serves an exchange: kept ones, new ones, and waiting where too many are in use."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest
from support.stub_transport import StubTransport
from yarl import URL

from crawler.transport.connection import Connection
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.pool import KEEP_S, ConnectionPool, open_pool
from crawler.transport.request_bytes import Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REGISTRY, TOKENS = (Origin(URL(f"https://{name}.example.com"), None, "") for name in ("registry", "tokens"))


class StubOpener:
    """Opens connections to nowhere. `opened` is all of them; `failure` is raised in their place."""

    def __init__(self) -> None:
        self.opened: list[StubTransport] = []
        self.failure: Exception | None = None

    async def open(self, origin: Origin) -> tuple[StubTransport, bytes]:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.opened.append(StubTransport())
        return self.opened[-1], b""


class Pooled:
    def __init__(self, pool: ConnectionPool, opener: StubOpener, timer: DeadlineTimer) -> None:
        self.pool = pool
        self.opener = opener
        self.timer = timer

    async def begin(self, origin: Origin = REGISTRY) -> Connection:
        connection = self.pool.take(origin) or await self.pool.open(origin)
        connection.begin("GET", b"GET / HTTP/1.1\r\n\r\n", self.timer.now)
        return connection

    def end(self, connection: Connection, origin: Origin = REGISTRY) -> None:
        connection.data_received(OK)
        self.pool.give_back(origin, connection)


@asynccontextmanager
async def pooled(limit: int = 2):
    opener, timer = StubOpener(), DeadlineTimer(total_s=60, read_s=60, precise_for_s=KEEP_S)
    async with open_pool(opener, timer, limit=limit, open_within_s=0.5) as pool:
        yield Pooled(pool, opener, timer)
    await asyncio.sleep(0)
    assert all(transport.is_aborted for transport in opener.opened), "the end of the pool closes everything"


async def test_connection_pool_gives_the_kept_connection_that_was_used_last():
    async with pooled() as made:
        first, second = await made.begin(), await made.begin()
        made.end(first)
        made.end(second)
        assert made.pool.take(REGISTRY) is second
        assert made.pool.take(REGISTRY) is first


async def test_connection_pool_keeps_connections_of_each_origin_apart():
    async with pooled() as made:
        made.end(await made.begin(REGISTRY), REGISTRY)
        assert made.pool.take(TOKENS) is None
        assert made.pool.take(REGISTRY) is not None


async def test_connection_pool_passes_over_connections_that_were_closed():
    async with pooled(limit=2) as made:
        connections = [await made.begin() for _ in range(2)]
        for connection in connections:
            made.end(connection)
        made.opener.opened[1].lose()
        assert made.pool.take(REGISTRY) is connections[0]
        assert made.pool.take(REGISTRY) is None


async def test_connection_pool_lets_those_wait_that_are_too_many_and_serves_them_in_order():
    served = []

    async def wait(made: Pooled, name: str) -> None:
        connection = await made.begin()
        served.append(name)
        await asyncio.sleep(0)
        made.end(connection)

    async with pooled() as made:
        first, second = await made.begin(), await made.begin()
        async with anyio.create_task_group() as group:
            for name in ("third", "fourth", "fifth"):
                group.start_soon(wait, made, name)
                await anyio.wait_all_tasks_blocked()
            assert served == []
            made.end(first)
            made.end(second)
    assert served == ["third", "fourth", "fifth"]
    assert len(made.opener.opened) == 2


async def test_connection_pool_hands_the_place_of_one_that_gives_up_to_the_next():
    async with pooled(limit=1) as made:
        first = await made.begin()
        impatient, patient = asyncio.create_task(made.begin()), asyncio.create_task(made.begin())
        await anyio.wait_all_tasks_blocked()
        made.end(first)  # hands its place to the impatient one, which is gone before it runs
        impatient.cancel()
        made.end(await patient)
        with pytest.raises(asyncio.CancelledError):
            await impatient
        made.end(await made.begin())
    assert len(made.opener.opened) == 1


async def test_connection_pool_gets_the_place_back_where_a_connection_cannot_be_opened():
    async with pooled(limit=1) as made:
        made.opener.failure = ConnectionRefusedError(111, "Connection refused")
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await made.begin()
        made.opener.failure = None
        made.end(await made.begin())


async def test_connection_pool_wait_for_a_place_ends_with_the_time_of_the_exchange():
    async with pooled(limit=1) as made:
        first = await made.begin()
        with pytest.raises(TimeoutError):
            await made.begin()
        made.end(first)
        made.end(await made.begin())


async def test_connection_pool_closes_a_kept_connection_where_too_many_are_open():
    origins = [Origin(URL(f"https://{number}.example.com"), None, "") for number in range(20)]
    async with pooled(limit=2) as made:
        for origin in origins:
            made.end(await made.begin(origin), origin)
            await asyncio.sleep(0)
        assert len(made.opener.opened) == len(origins)
        assert sum(not transport.is_aborted for transport in made.opener.opened) == 4
        assert made.pool.take(origins[-1]) is not None


async def test_connection_pool_closes_what_was_idle_for_too_long():
    async with pooled() as made:
        first, second = await made.begin(), await made.begin()
        made.end(first)
        made.timer.now += made.timer.ticks(KEEP_S)
        made.end(second)
        made.pool.close_unused()
        assert [transport.is_aborted for transport in made.opener.opened] == [False, False]
        made.timer.now += 1
        made.pool.close_unused()
        assert [transport.is_aborted for transport in made.opener.opened] == [True, False]
        assert made.pool.take(REGISTRY) is second
