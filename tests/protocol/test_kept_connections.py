"""Connections kept for further requests: what comes on one unasked is never taken for the next response."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from support.distribution import make_certificates
from support.scripted import html, listing_path, on, plain_registry, serve
from support.snapshots import read_snapshot

import crawler
from crawler.transport.bodies import BodyBudget
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.http import HttpSession, open_http_session
from crawler.transport.messages import Request
from crawler.transport.retry import RetryPolicy
from crawler.transport.tls import Certificates

PATIENCE = RetryPolicy(attempts=1, connect_s=20, read_s=20, total_s=40, give_up_s=40)


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


UNASKED = {
    "a response": response(b'{"for": "smuggled"}'),
    "a 404": response(b'{"errors": [{"code": "NAME_UNKNOWN"}]}', "404 Not Found"),
    "a 408": response(b"timeout", "408 Request Timeout", "Connection: close"),
    "a 400 that closes": response(b"<html>400</html>", "400 Bad Request", "Connection: close"),
    "half a response": response(b'{"for": "smuggled"}')[:-4],
    "the first bytes of a response": b"HTTP/1.1 200",
    "one more chunk": b"0\r\n\r\n",
    "no HTTP": b"\r\n\r\nGARBAGE\r\n\r\n",
    "one byte": b"{",
    "an interim response": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
}


class Server:
    """Answers each request with its path. `writers` are those of its connections, the oldest first."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.origin = ""
        self.trailing = b""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(response(json.dumps({"for": head.split()[1].decode()}).encode()) + self.trailing)
                self.trailing = b""
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(context=None) -> AsyncIterator[Server]:
    actor = Server()
    server = await asyncio.start_server(actor.converse, "127.0.0.1", 0, ssl=context)
    actor.origin = f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield actor
    finally:
        server.close()
        for writer in actor.writers:
            writer.transport.abort()
        await server.wait_closed()


def door(ca_file: Path | None = None, room: BodyBudget | None = None):
    certificates = Certificates(ca_file=ca_file)
    return open_http_session(user_agent="t", policy=PATIENCE, concurrency=8, certificates=certificates, room=room)


async def asked(opened: HttpSession, server: Server, path: str) -> str:
    reply = await opened.send(Request(url=server.origin + path))
    return json.loads(reply.body)["for"]


@pytest.mark.parametrize("is_read", [False, True], ids=["in-the-socket", "read-already"])
@pytest.mark.parametrize("sent", UNASKED.values(), ids=UNASKED)
async def test_a_kept_connection_with_unasked_bytes_is_not_used_again(sent, is_read):
    async with serving() as server, door() as opened:
        assert await asked(opened, server, "/first") == "/first"
        server.writers[0].write(sent)  # at once, into the client's socket
        if is_read:
            await anyio.sleep(0.02)
        assert await asked(opened, server, "/second") == "/second"
        assert await asked(opened, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_a_kept_connection_with_a_second_response_in_one_segment_is_not_used_again():
    async with serving() as server, door() as opened:
        server.trailing = UNASKED["a response"]
        assert await asked(opened, server, "/first") == "/first"
        assert await asked(opened, server, "/second") == "/second"


async def test_a_kept_connection_that_the_server_closed_is_not_used_again():
    async with serving() as server, door() as opened:
        assert await asked(opened, server, "/first") == "/first"
        server.writers[0].close()
        await server.writers[0].wait_closed()
        assert await asked(opened, server, "/second") == "/second"


async def test_a_kept_connection_is_used_again():
    async with serving() as server, door() as opened:
        for path in ("/first", "/second", "/third"):
            assert await asked(opened, server, path) == path
        assert len(server.writers) == 1


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_kept_connection_with_tls_is_used_again(use_uvloop, tmp_path):
    """Its tickets come unasked as well, but are no data."""
    made = make_certificates(tmp_path)

    async def ask_often() -> None:
        async with serving(made.server_context()) as server, door(made.ca_file) as opened:
            for path in ("/first", "/second", "/third"):
                assert await asked(opened, server, path) == path
            assert len(server.writers) == 1
            server.writers[0].write(UNASKED["a response"])
            assert await asked(opened, server, "/fourth") == "/fourth"

    anyio.run(ask_often, backend_options={"use_uvloop": use_uvloop})


async def test_a_connection_that_is_distrusted_is_not_used_again():
    async with serving() as server, door() as opened:
        reply = await opened.send(Request(url=f"{server.origin}/first"))
        opened.distrust(reply)
        assert await asked(opened, server, "/second") == "/second"
        assert await asked(opened, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_a_connection_that_is_distrusted_while_it_is_used_is_closed_behind_the_exchange():
    async with serving() as server, door() as opened:
        reply = await opened.send(Request(url=f"{server.origin}/first"))
        async with anyio.create_task_group() as group:
            group.start_soon(asked, opened, server, "/second")
            await anyio.lowlevel.checkpoint()
            opened.distrust(reply)
        assert await asked(opened, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_a_listing_that_cannot_be_read_is_asked_again_on_another_connection(tmp_path):
    async with serve([on(listing_path("team/victim"), html(), times=1), *plain_registry()]) as server:
        config = crawler.Config(
            registry=[{"target": server.host}],
            limits={"attempts": 2, "concurrency": 1},
            output={"path": tmp_path},
        )
        await crawler.crawl(config)
        connections = server.connections
    assert read_snapshot(tmp_path).outcomes["team/victim"] == "ok"
    assert connections == 2


# ------------------------------------------------------------------------------------------------- bodies under way


class LargeBodies:
    """Answers with bodies of `size` bytes; the second half of `/held` comes only when `go_on` is set."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.go_on = asyncio.Event()
        self.origin = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
    actor = LargeBodies(size)
    server = await asyncio.start_server(actor.converse, "127.0.0.1", 0)
    actor.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield actor
    finally:
        server.close()
        for task in actor.tasks:
            task.cancel()
        await asyncio.gather(*actor.tasks)
        await server.wait_closed()


async def until(condition) -> None:
    while not condition():  # noqa: ASYNC110  (nothing of the product's announces what is waited for)
        await anyio.sleep(0.002)


MIB = 1024**2


async def test_bodies_under_way_wait_for_the_oldest_and_all_come_whole():
    room, done = BodyBudget(MIB), []

    async def read(path: str) -> None:
        reply = await opened.send(Request(url=server.origin + path))
        done.append((path, len(reply.body)))

    async with large_bodies(8 * MIB) as server, door(room=room) as opened, anyio.create_task_group() as group:
        group.start_soon(read, "/held")
        await until(lambda: room.held > MIB)
        for path in ("/second", "/third"):
            group.start_soon(read, path)
        await until(lambda: room.waiting == 2)
        assert not done
        assert room.held < 6 * MIB
        server.go_on.set()
    assert done[0] == ("/held", 8 * MIB)
    assert sorted(done[1:]) == [("/second", 8 * MIB), ("/third", 8 * MIB)]
    assert (room.held, room.waiting) == (0, 0)


async def test_bodies_under_way_make_room_when_the_oldest_is_given_up():
    room, done = BodyBudget(MIB), []

    async def read(path: str) -> None:
        reply = await opened.send(Request(url=server.origin + path))
        done.append((path, len(reply.body)))

    async with large_bodies(8 * MIB) as server, door(room=room) as opened, anyio.create_task_group() as group:
        with anyio.CancelScope() as oldest:
            async with anyio.create_task_group() as first:
                first.start_soon(read, "/held")
                await until(lambda: room.held > MIB)
                group.start_soon(read, "/second")
                await until(lambda: room.waiting == 1)
                oldest.cancel()
    assert done == [("/second", 8 * MIB)]
    assert room.held == 0


async def test_bodies_under_way_that_fit_together_do_not_wait():
    room = BodyBudget(64 * MIB)
    async with large_bodies(8 * MIB) as server, door(room=room) as opened, anyio.create_task_group() as group:
        group.start_soon(opened.send, Request(url=f"{server.origin}/held"))
        await until(lambda: room.held > MIB)
        reply = await opened.send(Request(url=f"{server.origin}/second"))
        assert len(reply.body) == 8 * MIB
        server.go_on.set()


async def test_a_body_that_waits_for_room_uses_up_none_of_its_time():
    task = asyncio.current_task()
    async with DeadlineTimer(1000) as overdue:
        overdue.tick = 5
        overdue.since[task] = 2
        with overdue.paused(task):
            overdue.tick = 500
            assert task not in overdue.since
        assert overdue.since[task] == 497
        overdue.forget(task)


# ------------------------------------------------------------------------------------------------------ long headers


@pytest.mark.parametrize("name", ["Content-Security-Policy", "Link"])
async def test_a_header_of_nearly_64_kilobytes_is_read(name):
    async with door() as opened:
        value = "x" * 65_000
        reply = await sent_with(opened, f"{name}: {value}")
        assert reply.headers.get(name) == value


async def test_a_header_that_is_longer_is_refused_in_words():
    async with door() as opened:
        with pytest.raises(crawler.UnusableResponse) as caught:
            await sent_with(opened, f"Set-Cookie: {'x' * 66_000}")
        assert str(caught.value).endswith("NOT_HTTP: a header is longer than the 65,536 bytes that we read")


async def sent_with(opened: HttpSession, header: str):
    """The reply of a server that sends this header."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"{}", "200 OK", header))
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        return await opened.send(Request(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
