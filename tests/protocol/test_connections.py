"""Connections over sockets, by both event loops, with TLS and through a tunnel: when they close, and large bodies."""

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from support.distribution import make_certificates
from support.forward_proxy import proxy_to
from support.http_sessions import http_session

import crawler
from crawler.transport.bodies import BodyBudget
from crawler.transport.messages import Request

MIB = 1024**2
both_loops = pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
with_and_without_tls = pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])


def http_response(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Answers each request with its path; `/silent` with nothing, `/large` with `size` bytes.

    `closed` has the number of each connection, from 0, that the client has closed.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.host = ""
        self.scheme = "http"
        self.writers: list[asyncio.StreamWriter] = []
        self.asked: list[str] = []
        self.sent = 0
        self.closed: set[int] = set()
        self._changed = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.writers)
        self.writers.append(writer)
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                self.asked.append(path)
                self._changed.set()
                await self._answer(path, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            self.closed.add(number)
            self._changed.set()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/large":
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {self.size}\r\n\r\n".encode())
            for _ in range(self.size // MIB):
                writer.write(bytes(MIB))
                await writer.drain()
                self.sent += MIB
        elif path != "/silent":
            writer.write(http_response(json.dumps({"for": path}).encode()))

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def serving(context: Any = None, size: int = 0) -> AsyncIterator[Server]:
    server = Server(size)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    server.host = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    server.scheme = "https" if context else "http"
    try:
        yield server
    finally:
        listener.close()
        await server.until(lambda: len(server.closed) == len(server.writers))
        await listener.wait_closed()


async def path_of(session: Any, server: Server, path: str) -> str:
    response = await session.send(Request(url=f"{server.scheme}://{server.host}{path}"))
    return json.loads(response.body)["for"]


def run(main: Callable[[], Coroutine[Any, Any, None]], *, use_uvloop: bool) -> None:
    anyio.run(main, backend_options={"use_uvloop": use_uvloop})


@both_loops
@with_and_without_tls
def test_connection_on_which_bytes_come_without_a_request_is_closed_at_once(use_uvloop, is_secure, tmp_path):
    made = make_certificates(tmp_path)

    async def main() -> None:
        context = made.server_context() if is_secure else None
        async with serving(context) as server, http_session(made.ca_file) as session:
            assert await path_of(session, server, "/first") == "/first"
            server.writers[0].write(b"H")
            await server.until(lambda: server.closed == {0})
            assert await path_of(session, server, "/second") == "/second"

    run(main, use_uvloop=use_uvloop)


@both_loops
@with_and_without_tls
def test_connection_of_an_exchange_that_is_cancelled_is_closed(use_uvloop, is_secure, tmp_path):
    made = make_certificates(tmp_path)

    async def main() -> None:
        context = made.server_context() if is_secure else None
        async with serving(context) as server, http_session(made.ca_file) as session:
            async with anyio.create_task_group() as group:
                group.start_soon(path_of, session, server, "/silent")
                await server.until(lambda: server.asked == ["/silent"])
                group.cancel_scope.cancel()
            await server.until(lambda: server.closed == {0})
            assert await path_of(session, server, "/second") == "/second"
            assert len(server.writers) == 2

    run(main, use_uvloop=use_uvloop)


@both_loops
@with_and_without_tls
def test_connection_stops_reading_a_large_body_that_must_wait(use_uvloop, is_secure, tmp_path):
    """The bodies may hold 1 MB together. The second waits for the first, and its server for the client."""
    made = make_certificates(tmp_path)
    size, done = 64 * MIB, []

    async def main() -> None:
        async with (
            serving(made.server_context() if is_secure else None, size) as server,
            http_session(made.ca_file, bodies) as session,
        ):
            bodies.reserve("another body", 2 * MIB)
            async with anyio.create_task_group() as group:
                group.start_soon(read, session, server)
                while not bodies.waiting:  # noqa: ASYNC110  (nothing in the crawler announces what is waited for)
                    await anyio.sleep(0.002)
                for _ in range(100):
                    assert await path_of(session, server, "/meanwhile") == "/meanwhile"
                assert server.sent < size // 2
                bodies.release("another body")
            assert done == [size]

    async def read(session: Any, server: Server) -> None:
        response = await session.send(Request(url=f"{server.scheme}://{server.host}/large"))
        done.append(len(response.body))

    bodies = BodyBudget(MIB)
    run(main, use_uvloop=use_uvloop)


@both_loops
def test_connection_through_a_tunnel_is_kept_and_closed_like_any_other(use_uvloop, tmp_path, monkeypatch):
    made = make_certificates(tmp_path, "registry.example.com")

    async def main() -> None:
        async with serving() as server:
            host, _, port = server.host.partition(":")
            async with proxy_to({"registry.example.com:443": (host, int(port))}, certificates=made) as proxy:
                monkeypatch.setenv("HTTPS_PROXY", proxy.url)
                server.scheme, server.host = "https", "registry.example.com"
                async with http_session(made.ca_file) as session:
                    for path in ("/first", "/second", "/third"):
                        assert await path_of(session, server, path) == path
                    assert len(server.writers) == len(proxy.requests) == 1
                    server.writers[0].write(b"H")
                    await server.until(lambda: server.closed == {0})
                    assert await path_of(session, server, "/fourth") == "/fourth"

    run(main, use_uvloop=use_uvloop)


async def test_connection_error_names_what_came_that_is_no_http():
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, http_session() as session:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(crawler.UnusableResponse, match=r"the response is not HTTP: .*220 mail"):
            await session.send(Request(url=f"http://{host}/v2/"))


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"{}"), ("deflate", zlib.compress(b"{}")[:-5])], ids=["not-asked-for", "cut-off"]
)
async def test_connection_error_of_a_body_that_cannot_be_decoded_says_so(encoding, body):
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, http_session() as session:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(crawler.UnusableResponse, match=rf"the body cannot be decoded \(.*\): .*{encoding}"):
            await session.send(Request(url=f"http://{host}/v2/"))


@both_loops
@with_and_without_tls
@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"220 mail.example.com ESMTP\r\n", "the response is not HTTP: .*220 mail"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "503 7"),
    ],
    ids=["no-http", "busy"],
)
def test_connection_whose_server_speaks_first_says_what_came(greeting, expected, use_uvloop, is_secure, tmp_path):
    made = make_certificates(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    async def outcome(url: str) -> str:
        async with http_session(made.ca_file) as session:
            try:
                response = await session.send(Request(url=url))
            except crawler.UnusableResponse as error:
                return str(error)
            return f"{response.status} {response.headers.get('Retry-After')}"

    async def main() -> None:
        listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=made.server_context() if is_secure else None)
        scheme, port = "https" if is_secure else "http", listener.sockets[0].getsockname()[1]
        async with listener:
            assert re.search(expected, await outcome(f"{scheme}://127.0.0.1:{port}/v2/"))

    run(main, use_uvloop=use_uvloop)
