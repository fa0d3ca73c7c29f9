"""A proxy on the loopback that takes names to ports: a crawl of `gcr.io` goes to an emulator, and knows no better."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support.distribution.certificates import Certificates

Place = tuple[str, int]
"""A host and a port where a server listens."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the proxy itself, header names in small letters; what goes through a tunnel is not seen."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Proxy:
    """What it was asked stands in `asked`, in order."""

    places: Mapping[str, Place]
    password: str | None
    address: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def targets(self) -> set[str]:
        return {f"{asked.method} {asked.target}" for asked in self.asked}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = _read(await reader.readuntil(b"\r\n\r\n"))
        self.asked.append(asked)
        if self.password is not None and asked.headers.get("proxy-authorization") != _basic(self.password):
            await _answer(writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="ours"\r\n')
        elif (place := self.places.get(_host(asked))) is None:
            await _answer(writer, "403 Forbidden")
        else:
            await self._connect(asked, place, reader, writer)

    async def _connect(
        self, asked: Asked, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there = await asyncio.open_connection(*place)
        except OSError:
            await _answer(writer, "502 Bad Gateway")
            return
        if asked.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(_hand_on(reader, there[1]), there, writer)
        else:
            await _join(self._forward(asked, reader, there[1]), there, writer)

    async def _forward(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on the request and those that follow it on the same connection, which have no bodies."""
        while True:
            writer.write(_forwarded(asked))
            await writer.drain()
            asked = _read(await reader.readuntil(b"\r\n\r\n"))
            self.asked.append(asked)


@asynccontextmanager
async def proxy_to(
    places: Mapping[str, Place], *, certificates: Certificates | None = None, password: str | None = None
) -> AsyncIterator[Proxy]:
    """A proxy that knows the places by `HOST:PORT`, and answers 403 for any other.

    With certificates what comes through a tunnel is taken for TLS, ended here, and reaches its place as plain bytes.
    With a password (`USER:PASSWORD`) whoever does not show it is answered 407.
    """
    async with AsyncExitStack() as stack:
        context = None if certificates is None else certificates.server_context()
        if context is not None:
            places = {
                name: await stack.enter_async_context(_ends_tls(place, context)) for name, place in places.items()
            }
        proxy = Proxy(places, password)
        host, port = await stack.enter_async_context(_listening(proxy.serve))
        proxy.address = f"{host}:{port}"
        yield proxy


@asynccontextmanager
async def _ends_tls(place: Place, context: ssl.SSLContext) -> AsyncIterator[Place]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*place)
        await _join(_hand_on(reader, there[1]), there, writer)

    async with _listening(serve, context) as listening:
        yield listening


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Place]:
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            # only the end of the block cancels; the streams would report it as a failure
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            conversations.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        left = list(conversations)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()


async def _join(
    questions: Coroutine[None, None, None],
    there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    here: asyncio.StreamWriter,
) -> None:
    """Hand on questions there and answers here, until either side has no more to say."""
    profile = {asyncio.create_task(questions), asyncio.create_task(_hand_on(there[0], here))}
    try:
        await asyncio.wait(profile, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in profile:
            way.cancel()
        await asyncio.gather(*profile, return_exceptions=True)
        there[1].transport.abort()
    here.close()
    await here.wait_closed()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def _answer(writer: asyncio.StreamWriter, status: str, headers: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def _read(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Asked(method, target, {name.lower(): value for name, value in headers.items()})


def _host(asked: Asked) -> str:
    if asked.method == "CONNECT":
        return asked.target
    address = urlsplit(asked.target)
    return f"{address.hostname}:{address.port or 80}"


def _forwarded(asked: Asked) -> bytes:
    """As a server is to see it: without what was for the proxy."""
    address = urlsplit(asked.target)
    target = address.path + (f"?{address.query}" if address.query else "")
    lines = [f"{name}: {value}" for name, value in asked.headers.items() if not name.startswith("proxy-")]
    return "\r\n".join([f"{asked.method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def _basic(password: str) -> str:
    return "Basic " + b64encode(password.encode()).decode()
