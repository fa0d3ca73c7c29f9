"""An HTTP proxy on the loopback that maps names to ports: so a crawl of `gcr.io` reaches an emulator."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support.distribution.certificates import Certificates

Address = tuple[str, int]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""The host and port of a server."""


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """One request to the proxy itself, header names in lower case. What goes through a tunnel is not recorded."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Proxy:
    """`servers` are the addresses by `HOST:PORT`; `requests` holds all requests, in order."""

    servers: Mapping[str, Address]
    password: str | None
    address: str = ""
    requests: list[ProxyRequest] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def targets(self) -> set[str]:
        return {f"{request.method} {request.target}" for request in self.requests}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = _parse(await reader.readuntil(b"\r\n\r\n"))
        self.requests.append(request)
        if self.password is not None and request.headers.get("proxy-authorization") != _basic(self.password):
            await _answer(writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="ours"\r\n')
        elif (server := self.servers.get(_host(request))) is None:
            await _answer(writer, "403 Forbidden")
        else:
            await self._connect(request, server, reader, writer)

    async def _connect(
        self, request: ProxyRequest, server: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there = await asyncio.open_connection(*server)
        except OSError:
            await _answer(writer, "502 Bad Gateway")
            return
        if request.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(_copy(reader, there[1]), there, writer)
        else:
            await _join(self._forward(request, reader, there[1]), there, writer)

    async def _forward(self, request: ProxyRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward the request and those that follow it on the same connection, which have no bodies."""
        while True:
            writer.write(_forwarded(request))
            await writer.drain()
            request = _parse(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)


@asynccontextmanager
async def proxy_to(
    servers: Mapping[str, Address], *, certificates: Certificates | None = None, password: str | None = None
) -> AsyncIterator[Proxy]:
    """A proxy to these servers, by `HOST:PORT`; it answers 403 for any other.

    With certificates, TLS that comes through a tunnel ends here, and plain bytes reach the server. With a password
    (`USER:PASSWORD`), requests without it are answered 407.
    """
    async with AsyncExitStack() as stack:
        context = None if certificates is None else certificates.server_context()
        if context is not None:
            servers = {
                name: await stack.enter_async_context(_tls_server(server, context)) for name, server in servers.items()
            }
        proxy = Proxy(servers, password)
        host, port = await stack.enter_async_context(_listening(proxy.serve))
        proxy.address = f"{host}:{port}"
        yield proxy


@asynccontextmanager
async def _tls_server(server: Address, context: ssl.SSLContext) -> AsyncIterator[Address]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*server)
        await _join(_copy(reader, there[1]), there, writer)

    async with _listening(serve, context) as listening:
        yield listening


@asynccontextmanager
async def _listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            # only the end of the block cancels; the streams would report it as a failure
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            connections.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        left = list(connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()


async def _join(
    requests: Coroutine[None, None, None],
    there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    here: asyncio.StreamWriter,
) -> None:
    """Forward requests to the server and responses back, until either side closes."""
    directions = {asyncio.create_task(requests), asyncio.create_task(_copy(there[0], here))}
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        there[1].transport.abort()
    here.close()
    await here.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def _answer(writer: asyncio.StreamWriter, status: str, headers: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def _parse(head: bytes) -> ProxyRequest:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return ProxyRequest(method, target, {name.lower(): value for name, value in headers.items()})


def _host(request: ProxyRequest) -> str:
    if request.method == "CONNECT":
        return request.target
    url = urlsplit(request.target)
    return f"{url.hostname}:{url.port or 80}"


def _forwarded(request: ProxyRequest) -> bytes:
    """The request as the server gets it: without the headers for the proxy."""
    url = urlsplit(request.target)
    target = url.path + (f"?{url.query}" if url.query else "")
    lines = [f"{name}: {value}" for name, value in request.headers.items() if not name.startswith("proxy-")]
    return "\r\n".join([f"{request.method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def _basic(password: str) -> str:
    return "Basic " + b64encode(password.encode()).decode()
