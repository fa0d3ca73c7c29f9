"""Large bodies that are read at once: together they hold little more than the budget, and all of them arrive whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from support.http_sessions import http_session

from crawler.transport.bodies import BodyBudget
from crawler.transport.messages import Request

MIB = 1024**2


class LargeBodies:
    """Answers with bodies of `size` bytes; the second half of `/held` comes only when `go_on` is set."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.go_on = asyncio.Event()
        self.origin = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        half = b"x" * (self.size // 2)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(half)}\r\n\r\n".encode() + half)
                await writer.drain()
                if b"/held" in head:
                    await self.go_on.wait()
                writer.write(half)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def large_bodies(size: int) -> AsyncIterator[LargeBodies]:
    server = LargeBodies(size)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks)
        await listener.wait_closed()


async def until(condition) -> None:
    while not condition():  # noqa: ASYNC110  (nothing in the crawler announces what is waited for)
        await anyio.sleep(0.002)


async def test_body_budget_lets_the_oldest_continue_and_all_bodies_come_whole():
    bodies, done = BodyBudget(MIB), []

    async def read(path: str) -> None:
        response = await session.send(Request(url=server.origin + path))
        done.append((path, len(response.body)))

    async with (
        large_bodies(8 * MIB) as server,
        http_session(bodies=bodies) as session,
        anyio.create_task_group() as group,
    ):
        group.start_soon(read, "/held")
        await until(lambda: bodies.held > MIB)
        for path in ("/second", "/third"):
            group.start_soon(read, path)
        await until(lambda: bodies.waiting == 2)
        assert not done
        assert bodies.held < 6 * MIB
        server.go_on.set()
    assert done[0] == ("/held", 8 * MIB)
    assert sorted(done[1:]) == [("/second", 8 * MIB), ("/third", 8 * MIB)]
    assert (bodies.held, bodies.waiting) == (0, 0)


async def test_body_budget_is_freed_when_the_oldest_body_is_given_up():
    bodies, done = BodyBudget(MIB), []

    async def read(path: str) -> None:
        response = await session.send(Request(url=server.origin + path))
        done.append((path, len(response.body)))

    async with (
        large_bodies(8 * MIB) as server,
        http_session(bodies=bodies) as session,
        anyio.create_task_group() as group,
    ):
        with anyio.CancelScope() as oldest:
            async with anyio.create_task_group() as first:
                first.start_soon(read, "/held")
                await until(lambda: bodies.held > MIB)
                group.start_soon(read, "/second")
                await until(lambda: bodies.waiting == 1)
                oldest.cancel()
    assert done == [("/second", 8 * MIB)]
    assert bodies.held == 0


async def test_body_budget_holds_no_bodies_that_fit_together():
    bodies = BodyBudget(64 * MIB)
    async with (
        large_bodies(8 * MIB) as server,
        http_session(bodies=bodies) as session,
        anyio.create_task_group() as group,
    ):
        group.start_soon(session.send, Request(url=f"{server.origin}/held"))
        await until(lambda: bodies.held > MIB)
        response = await session.send(Request(url=f"{server.origin}/second"))
        assert len(response.body) == 8 * MIB
        server.go_on.set()
