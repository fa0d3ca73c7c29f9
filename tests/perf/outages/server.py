"""A registry in a process of its own, which an outage takes away in the middle of a crawl.

The program takes a `Plan` in JSON and prints `{"registry": "HOST:PORT", "tokens": "HOST:PORT"}` once it listens. A line
on its standard input ends the outage early; the end of its standard input ends the process, which then prints `Seen`.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import uvloop

from .plan import PROJECT, Kind, Plan, Seen, write_hosts

LARGEST_PAGE = 1000

# nginx's page for a dead upstream, and what an ingress without a backend answers
HTML = b"<html><head><title>%b</title></head><body><center><h1>%b</h1></center><hr><center>nginx</center></body></html>"
INGRESS = b"default backend - 404"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    target: str
    authorization: str

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def query(self, key: str) -> str:
        return parse_qs(urlsplit(self.target).query).get(key, [""])[0]


class Party:
    """One listening port, which can be taken away and comes back on the same port."""

    def __init__(self, plan: Plan, seen: Seen, answer: Callable[[Request], bytes]) -> None:
        self._plan = plan
        self._seen = seen
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._connections: set[asyncio.Transport] = set()
        self._away: Kind | None = None
        # bound for the whole time and never listening: so nobody else gets the port while it is refused
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await self._loop.create_server(lambda: Connection(self), sock=_bound(self.port), backlog=1024)

    def leave(self) -> None:
        self._away = self._plan.kind
        if self._away in {"refused", "dns"}:
            assert self._server is not None
            self._server.close()
        if self._away == "dns":
            write_hosts(self._plan.hosts_file, known=False)
        if self._away in {"refused", "dns", "reset"}:
            for transport in list(self._connections):
                _reset(transport)

    async def come_back(self) -> None:
        away, self._away = self._away, None
        if away == "dns":
            write_hosts(self._plan.hosts_file, known=True)
        if away in {"refused", "dns"}:
            await self.listen()

    def connected(self, transport: asyncio.Transport) -> None:
        self._connections.add(transport)

    def disconnected(self, transport: asyncio.Transport) -> None:
        self._connections.discard(transport)

    def receive(self, request: Request, transport: asyncio.Transport) -> None:
        if self._away is None:
            self._loop.call_later(self._plan.latency_s, self._reply, request, transport)
            return
        self._seen.turned_away += 1
        if self._away == "404":
            transport.write(_response("404 Not Found", INGRESS, "text/plain"))
        elif self._away.isdigit():
            status = {"502": "502 Bad Gateway", "503": "503 Service Temporarily Unavailable"}
            line = status.get(self._away, "504 Gateway Time-out")
            transport.write(_response(line, HTML % (line.encode(), line.encode()), "text/html"))
        else:
            _reset(transport)

    def _reply(self, request: Request, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.write(self._answer(request))


class Connection(asyncio.Protocol):
    def __init__(self, party: Party) -> None:
        self._party = party
        self._unread = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport is not an asyncio.Transport
        self._party.connected(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._party.disconnected(self._transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (request := self._next()) is not None:
            self._party.receive(request, self._transport)

    def _next(self) -> Request | None:
        head, end, rest = self._unread.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._unread = rest[length:]
        return Request(target=first.split(" ")[1], authorization=headers.get("authorization", ""))


class Registry:
    """What both parties answer while they are there; sets `due` when the plan's number of listings is answered."""

    def __init__(self, plan: Plan, seen: Seen) -> None:
        self.plan = plan
        self.seen = seen
        self.due = asyncio.Event()
        self.realm = ""
        self.names = plan.names
        self.tokens: dict[str, float] = {}
        """Every token that was made, and until when it is good."""

    def answer(self, request: Request) -> bytes:
        if not self._is_let_in(request):
            return self._refusal()
        path = request.path
        if path == "/v2/":
            return _document({})
        if path == "/v2/_catalog":
            return self._catalog(request)
        return self._listing(path.removeprefix("/v2/").removesuffix("/tags/list"))

    def token(self, _: Request) -> bytes:
        self.seen.tokens += 1
        token = f"made-up-token-{self.seen.tokens}"
        self.tokens[token] = time.monotonic() + self.plan.token_lifetime_s
        return _document({"token": token, "access_token": token, "expires_in": self.plan.token_lifetime_s})

    def _is_let_in(self, request: Request) -> bool:
        if self.plan.auth == "none":
            return True
        scheme, _, token = request.authorization.partition(" ")
        if scheme == "Basic":
            token = b64decode(token).decode().partition(":")[2]
        return self.tokens.get(token, 0) >= time.monotonic()

    def _refusal(self) -> bytes:
        challenge = f'WWW-Authenticate: Bearer realm="{self.realm}",service="outages"'
        errors = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return _response("401 Unauthorized", json.dumps(errors).encode(), "application/json", challenge)

    def _catalog(self, request: Request) -> bytes:
        names = self.names
        size = min(int(request.query("n") or LARGEST_PAGE), LARGEST_PAGE)
        start = names.index(last) + 1 if (last := request.query("last")) else 0
        page = names[start : start + size]
        more = start + size < len(names)
        link = (f'Link: </v2/_catalog?last={page[-1]}&n={size}>; rel="next"',) if more else ()
        return _document({"repositories": page}, *link)

    def _listing(self, name: str) -> bytes:
        if self.plan.auth == "google" and name == PROJECT:
            children = [repository.removeprefix(f"{PROJECT}/") for repository in self.names]
            return _document({"name": name, "child": children, "manifest": {}, "tags": []})
        self.seen.listings += 1
        self.seen.listings_after += self.seen.ended
        if self.seen.listings == self.plan.after:
            self.due.set()
        google = (
            {"child": [], "manifest": {"sha256:" + "ab" * 32: {"tag": ["1"]}}} if self.plan.auth == "google" else {}
        )
        return _document({"name": name, "tags": ["1"], **google})


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def _reset(transport: asyncio.Transport) -> None:
    # SO_LINGER with no time: the close is a reset
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _document(value: Any, *headers: str) -> bytes:
    return _response("200 OK", json.dumps(value).encode(), "application/json", *headers)


def _response(status: str, body: bytes, kind: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _outage(party: Party, plan: Plan, seen: Seen, due: asyncio.Event, over: asyncio.Event) -> None:
    await due.wait()
    seen.began = True
    party.leave()
    if plan.seconds is not None:
        asyncio.get_running_loop().call_later(plan.seconds, over.set)
    await over.wait()
    await party.come_back()
    seen.ended = True


async def main(plan: Plan) -> None:
    seen = Seen()
    registry = Registry(plan, seen)
    parties = {"registry": Party(plan, seen, registry.answer), "tokens": Party(plan, seen, registry.token)}
    registry.realm = f"http://127.0.0.1:{parties['tokens'].port}/token"
    over = asyncio.Event()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    for party in parties.values():
        await party.listen()
    print(json.dumps({name: f"127.0.0.1:{party.port}" for name, party in parties.items()}), flush=True)
    outage = asyncio.create_task(_outage(parties[plan.party], plan, seen, registry.due, over))
    while await lines.readline():
        over.set()
    outage.cancel()
    print(json.dumps(asdict(seen)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Plan(**json.loads(sys.argv[1]))))
