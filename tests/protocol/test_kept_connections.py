"""Kept connections: bytes that come on one without a request are never taken for the response to the next request."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from support.distribution import make_certificates
from support.http_sessions import http_session
from support.scripted import html, listing_path, on, plain_registry, serve
from support.snapshots import read_snapshot

import crawler
from crawler.transport.http import HttpSession
from crawler.transport.messages import Request


def http_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


UNREQUESTED = {
    "a response": http_response(b'{"for": "smuggled"}'),
    "a 404": http_response(b'{"errors": [{"code": "NAME_UNKNOWN"}]}', "404 Not Found"),
    "a 408": http_response(b"timeout", "408 Request Timeout", "Connection: close"),
    "a 400 that closes": http_response(b"<html>400</html>", "400 Bad Request", "Connection: close"),
    "half a response": http_response(b'{"for": "smuggled"}')[:-4],
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

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(http_response(json.dumps({"for": head.split()[1].decode()}).encode()) + self.trailing)
                self.trailing = b""
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(context=None) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    server.origin = f"{'https' if context else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for writer in server.writers:
            writer.transport.abort()
        await listener.wait_closed()


async def body_for(session: HttpSession, server: Server, path: str) -> str:
    response = await session.send(Request(url=server.origin + path))
    return json.loads(response.body)["for"]


@pytest.mark.parametrize("is_read", [False, True], ids=["in-the-socket", "read-already"])
@pytest.mark.parametrize("sent", UNREQUESTED.values(), ids=UNREQUESTED)
async def test_kept_connection_with_unrequested_bytes_is_not_used_again(sent, is_read):
    async with serving() as server, http_session() as session:
        assert await body_for(session, server, "/first") == "/first"
        server.writers[0].write(sent)  # at once, into the client's socket
        if is_read:
            await anyio.sleep(0.02)
        assert await body_for(session, server, "/second") == "/second"
        assert await body_for(session, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_kept_connection_with_a_second_response_in_one_segment_is_not_used_again():
    async with serving() as server, http_session() as session:
        server.trailing = UNREQUESTED["a response"]
        assert await body_for(session, server, "/first") == "/first"
        assert await body_for(session, server, "/second") == "/second"


async def test_kept_connection_that_the_server_closed_is_not_used_again():
    async with serving() as server, http_session() as session:
        assert await body_for(session, server, "/first") == "/first"
        server.writers[0].close()
        await server.writers[0].wait_closed()
        assert await body_for(session, server, "/second") == "/second"


async def test_kept_connection_is_used_again():
    async with serving() as server, http_session() as session:
        for path in ("/first", "/second", "/third"):
            assert await body_for(session, server, path) == path
        assert len(server.writers) == 1


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_kept_connection_with_tls_is_used_again(use_uvloop, tmp_path):
    """Session tickets of TLS 1.3 come without a request as well, but they are no data."""
    made = make_certificates(tmp_path)

    async def request_often() -> None:
        async with serving(made.server_context()) as server, http_session(made.ca_file) as session:
            for path in ("/first", "/second", "/third"):
                assert await body_for(session, server, path) == path
            assert len(server.writers) == 1
            server.writers[0].write(UNREQUESTED["a response"])
            assert await body_for(session, server, "/fourth") == "/fourth"

    anyio.run(request_often, backend_options={"use_uvloop": use_uvloop})


async def test_kept_connection_that_is_distrusted_is_not_used_again():
    async with serving() as server, http_session() as session:
        response = await session.send(Request(url=f"{server.origin}/first"))
        session.distrust(response)
        assert await body_for(session, server, "/second") == "/second"
        assert await body_for(session, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_kept_connection_that_is_distrusted_while_it_is_used_is_closed_after_the_exchange():
    async with serving() as server, http_session() as session:
        response = await session.send(Request(url=f"{server.origin}/first"))
        async with anyio.create_task_group() as group:
            group.start_soon(body_for, session, server, "/second")
            await anyio.lowlevel.checkpoint()
            session.distrust(response)
        assert await body_for(session, server, "/third") == "/third"
        assert len(server.writers) == 2


async def test_kept_connection_is_not_used_again_after_a_listing_that_cannot_be_read(tmp_path):
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
