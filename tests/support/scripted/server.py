"""The server that plays a script. It writes bytes to a socket: an HTTP library cannot imitate a broken server."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from support.distribution import Certificates

from .script import Ending, Entry, Framing, Reply, refusal

_MAX_REQUEST_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One received request. `path` is decoded; `target` is the undecoded target of the request line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode("latin-1"), keep_blank_values=True)

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


class ScriptedServer:
    """Plays a script. `requests` has every request in order, `unscripted` those that no entry matches."""

    def __init__(self, script: Iterable[Entry], scheme: str) -> None:
        self.requests: list[Asked] = []
        self.unscripted: list[Asked] = []
        self.connections = 0
        self.scheme = scheme
        self.host = ""
        self._script = tuple(script)
        self._used: Counter[int] = Counter()
        self._state = ""
        self._words: dict[str, str] = {}
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.requests]

    def asked(self, path: str, **query: str) -> list[Asked]:
        """The requests for `path` whose query has these values."""
        return [
            asked
            for asked in self.requests
            if asked.path == path and all(value in asked.query.get(name, []) for name, value in query.items())
        ]

    @property
    def authorizations(self) -> set[str]:
        """Every Authorization header that was received."""
        return {asked.authorization for asked in self.requests if asked.authorization is not None}

    def say(self, **words: str) -> None:
        """Define placeholders of replies, for values that are not known when the script is written."""
        self._words |= words

    def enter(self, state: str) -> None:
        """Set the state of the script, as an entry's `then` does."""
        self._state = state

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._answer(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass  # only `serve` cancels, at the end of its block; asyncio would log the cancellation as an error
        finally:
            del self._open[task]
            writer.transport.abort()

    async def hang_up(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Reply to the next request; returns whether the connection stays usable."""
        asked = _read_request(await reader.readuntil(b"\r\n\r\n"))
        if length := int(asked.headers.get("content-length", "0")):
            asked = replace(asked, body=await reader.readexactly(length))
        self.requests.append(asked)
        reply, count = self._reply(asked)
        words = {"count": str(count), "authorization": asked.authorization or ""}
        pieces = self._pieces(reply, {"origin": self.origin, "host": self.host, **self._words, **words})
        for index, piece in enumerate(pieces):
            if index and reply.delay_s:
                await asyncio.sleep(reply.delay_s)
            writer.write(piece)
            await writer.drain()
        return await self._end(reply, pieces, reader, writer)

    def _reply(self, asked: Asked) -> tuple[Reply, int]:
        for index, entry in enumerate(self._script):
            if entry.times is not None and self._used[index] >= entry.times:
                continue
            if entry.match.fits(
                asked.method,
                asked.path,
                asked.query,
                asked.headers,
                form=asked.form,
                body=asked.body,
                state=self._state,
            ):
                self._used[index] += 1
                self._state = self._state if entry.then is None else entry.then
                return entry.reply, self._used[index]
        self.unscripted.append(asked)
        return refusal(404, "UNSCRIPTED", "the script has no entry for this"), 1

    @staticmethod
    def _pieces(reply: Reply, words: Mapping[str, str]) -> list[bytes]:
        if reply.raw is not None:
            return _cut(_filled(reply.raw, words), reply.piece)
        body = _filled(reply.body, words)
        pieces = _cut(body, reply.piece)
        headers = [*reply.headers]
        if reply.framing is Framing.LENGTH:
            headers.append(("Content-Length", str(len(body) + reply.withheld)))
        elif reply.framing is Framing.CHUNKED:
            headers.append(("Transfer-Encoding", "chunked"))
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
            if not reply.withheld and reply.ending is not Ending.ENDLESS:
                pieces.append(b"0\r\n\r\n")
        version = "HTTP/1.0" if reply.framing is Framing.CLOSE else "HTTP/1.1"
        lines = [f"{version} {reply.status} {_phrase(reply.status)}", *(f"{name}: {value}" for name, value in headers)]
        head = _filled("".join(f"{line}\r\n" for line in lines).encode(), words) + b"\r\n"
        return [head, *pieces]

    async def _end(
        self, reply: Reply, pieces: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if reply.ending is Ending.OPEN and reply.framing is not Framing.CLOSE and not reply.withheld:
            return True
        match reply.ending:
            case Ending.RESET:
                # SO_LINGER of 0 s: close() sends RST, and bytes that were sent may be lost
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            case Ending.SILENT:
                while await reader.read(_MAX_REQUEST_BYTES):
                    pass
            case Ending.ENDLESS:
                while True:
                    writer.write(pieces[-1])
                    await writer.drain()
                    await asyncio.sleep(reply.delay_s)
            case _:
                writer.close()
                await writer.wait_closed()
        return False


@asynccontextmanager
async def serve(
    script: Iterable[Entry], *, certificates: Certificates | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[ScriptedServer]:
    """Serve a script on a free port, with TLS if there are certificates. All connections end with the block.

    A request that no entry matches gets 404 UNSCRIPTED, and an AssertionError at the end of the block.
    """
    scripted = ScriptedServer(script, "https" if certificates else "http")
    context = certificates.server_context() if certificates else None
    server = await asyncio.start_server(scripted.converse, address, 0, ssl=context, limit=_MAX_REQUEST_BYTES)
    scripted.host = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    try:
        yield scripted
    finally:
        server.close()
        await scripted.hang_up()
        await server.wait_closed()
    assert not scripted.unscripted, f"the script has no entry for {[asked.target for asked in scripted.unscripted]}"


def _read_request(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, *target, _ = first.split(" ")  # a target with blanks is a mistake of the client: keep it visible
    headers = dict(line.split(":", 1) for line in lines if line)
    return Asked(
        method=method,
        target=" ".join(target),
        headers={name.lower(): value.strip() for name, value in headers.items()},
    )


def _filled(template: bytes, words: Mapping[str, str]) -> bytes:
    for word, value in words.items():
        template = template.replace(b"{%b}" % word.encode(), value.encode())
    return template


def _cut(body: bytes, size: int) -> list[bytes]:
    size = size or max(len(body), 1)
    return [body[start : start + size] for start in range(0, len(body), size)]


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unheard Of"
