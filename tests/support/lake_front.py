"""A proxy in front of an object storage that holds or refuses a change of it: a command ends in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from support.web_apps import serving_app

_CONNECTION_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "date", "server"})


class LakeFront:
    """The proxy, at `host` (127.0.0.1:PORT).

    Attributes:
        hold: the change that is held from now on, counted from 1; 0 is none.
        refuse_from: this change and later ones are answered 403; 0 is none.
        changes: the changes that came: method and path.
        is_held: set once the change is held.
    """

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self.host = ""
        self.hold = 0
        self.refuse_from = 0
        self.changes: list[tuple[str, str]] = []
        self.is_held = asyncio.Event()
        self._is_over = asyncio.Event()
        self._endpoint = endpoint
        self._session = session

    def release(self) -> None:
        """Answer 503 to the request that is held. Its client is expected to be gone."""
        self._is_over.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method in {"PUT", "DELETE", "POST"}:
            self.changes.append((request.method, request.path))
            if len(self.changes) == self.hold:
                self.is_held.set()
                await self._is_over.wait()
                return web.Response(status=503)
            if 0 < self.refuse_from <= len(self.changes):
                return web.Response(status=403, text="<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        url = f"{self._endpoint}{request.raw_path}"
        headers = [(name, value) for name, value in request.headers.items() if name != "Host"]
        async with self._session.request(request.method, url, headers=headers, data=body) as response:
            content = await response.read()
            kept = [pair for pair in response.headers.items() if pair[0].lower() not in _CONNECTION_HEADERS]
            if request.method == "HEAD":
                kept.append(("Content-Length", response.headers["Content-Length"]))
            return web.Response(status=response.status, headers=kept, body=content)


@asynccontextmanager
async def lake_front(endpoint: str) -> AsyncIterator[LakeFront]:
    """Pass on what comes to the server at `endpoint`, while the block lasts."""
    connector = aiohttp.TCPConnector(force_close=True)  # the server waits for the end of every connection
    no_type = ("Content-Type",)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, skip_auto_headers=no_type) as session:
        front = LakeFront(endpoint, session)
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", front.handle)
        async with serving_app(app) as front.host:
            try:
                yield front
            finally:
                front.release()
