"""A reverse proxy in front of a registry: it counts what it forwards, and can fail, hold and interrupt requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from support.web_apps import serving_app

from .registry import Registry

_CONNECTION_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "date", "server"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request that was answered.

    Attributes:
        target: path and query.
        body_bytes: of the response.
    """

    method: str
    target: str
    status: int
    body_bytes: int
    if_none_match: str | None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def kind(self) -> str:
        """What was requested: ping, catalog, listing, tag, manifest (by its digest), blob or referrers."""
        if self.path == "/v2/":
            return "ping"
        if self.path == "/v2/_catalog":
            return "catalog"
        folder, _, last = self.path.rpartition("/")
        if folder.endswith("/manifests"):
            return "manifest" if ":" in last else "tag"
        return {"tags": "listing", "blobs": "blob"}.get(folder.rpartition("/")[2], "referrers")

    @property
    def digest(self) -> str | None:
        """The digest that was requested; None where a tag or a list was."""
        return self.path.rpartition("/")[2] if self.kind in {"manifest", "blob"} else None


class Front:
    """The proxy, at `host` (127.0.0.1:PORT).

    Attributes:
        exchanges: every answered request, in the order of the answers. It has an exchange before the client has it.
        failures: statuses to answer without asking the registry, by path.
        interruptions: what to do before a path is forwarded for the first time.
    """

    def __init__(self, registry: Registry, session: aiohttp.ClientSession) -> None:
        self.host = ""
        self.exchanges: list[Exchange] = []
        self.failures: dict[str, int] = {}
        self.interruptions: dict[str, Callable[[], None]] = {}
        self._registry = registry
        self._session = session
        self._held = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._is_last: Callable[[], bool] = lambda: False

    @property
    def requested_digests(self) -> list[str]:
        """The digest of each answered request that had one."""
        return [exchange.digest for exchange in self.exchanges if exchange.digest is not None]

    def hold_when(self, is_reached: Callable[[], bool]) -> None:
        """Answer no request from the moment on when the condition is met, until `release`."""
        self._is_last = is_reached

    async def until_held(self) -> None:
        """Wait until a request is held."""
        await self._held.wait()

    def release(self) -> None:
        """Answer the next requests again. Those that are held get 503; their client is expected to be gone."""
        self._is_last = lambda: False
        self._held.clear()
        self._open.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._is_last():
            self._open.clear()
            self._held.set()
            await self._open.wait()
            return web.Response(status=503)
        if action := self.interruptions.pop(request.path, None):
            action()
        response = await self._answer(request)
        self.exchanges.append(
            Exchange(
                method=request.method,
                target=request.path_qs,
                status=response.status,
                body_bytes=len(response.body) if isinstance(response.body, bytes) else 0,
                if_none_match=request.headers.get("If-None-Match"),
            )
        )
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if status := self.failures.get(request.path):
            return web.Response(status=status, text="the proxy's own failure")
        url = f"{self._registry.url}{request.raw_path}"
        headers = [(name, value) for name, value in request.headers.items() if name != "Host"]
        async with self._session.request(request.method, url, headers=headers, allow_redirects=False) as response:
            body = await response.read()
            kept = [pair for pair in response.headers.items() if pair[0].lower() not in _CONNECTION_HEADERS]
            return web.Response(status=response.status, headers=kept, body=body)


@asynccontextmanager
async def open_front(registry: Registry) -> AsyncIterator[Front]:
    """Serve what the registry serves, and count it, while the block lasts."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        front = Front(registry, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", front.handle)
        async with serving_app(app) as front.host:
            yield front
