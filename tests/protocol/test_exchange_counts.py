"""How many exchanges a crawl takes, counted at the server: at open registries, behind passwords and behind tokens."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from support.costs import agree, counted, crawled
from support.web_apps import serving_app

import crawler

N = 1_000
PAGE = 100
PAGES = N // PAGE
READER = "Basic cmVhZGVyOm9wZW5zZXNhbWU="


@dataclass(slots=True)
class Registry:
    """A registry with `N` repositories in a catalog of `PAGES` pages.

    `wants` is what it requires: "nothing", "basic", or "bearer" with a token for each scope.
    """

    wants: str
    host: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    names: tuple[str, ...] = tuple(f"team-{n % 7}/service-{n:04}" for n in range(N))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/", self.ping),
            web.get("/v2/_catalog", self.catalog),
            web.get("/v2/{name:.+}/tags/list", self.listing),
            web.get("/token", self.token),
        ]

    async def ping(self, request: web.Request) -> web.Response:
        return self._answer(request, "ping", None, {})

    async def catalog(self, request: web.Request) -> web.Response:
        start = int(request.query.get("last", "0"))
        end = start + PAGE
        more = {"Link": f'</v2/_catalog?last={end}&n={PAGE}>; rel="next"'} if end < N else {}
        return self._answer(request, "catalog", "registry:catalog:*", {"repositories": self.names[start:end]}, more)

    async def listing(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return self._answer(request, "listing", f"repository:{name}:pull", {"name": name, "tags": ["1.0", "latest"]})

    async def token(self, request: web.Request) -> web.Response:
        self.counts["token"] += 1
        if request.headers.get("Authorization") != READER:
            return web.json_response({}, status=401)
        return web.json_response({"token": " ".join(request.query.getall("scope")), "expires_in": 300})

    def _answer(
        self, request: web.Request, kind: str, scope: str | None, body: Any, headers: Mapping[str, str] = {}
    ) -> web.Response:
        self.counts[kind] += 1
        shown = request.headers.get("Authorization", "")
        if self._opens(shown, scope):
            return web.json_response(body, headers=headers)
        wanted = 'Basic realm="registry"'
        if self.wants == "bearer":
            wanted = f'Bearer realm="http://{self.host}/token",service="registry"' + (
                f',scope="{scope}"' if scope else ""
            )
        return web.json_response({"errors": []}, status=401, headers={"WWW-Authenticate": wanted})

    def _opens(self, shown: str, scope: str | None) -> bool:
        if self.wants == "bearer":
            return shown.startswith("Bearer ") and scope in {None, *shown.split(" ")[1:]}
        return self.wants == "nothing" or shown == READER


@asynccontextmanager
async def serving(wants: str) -> AsyncIterator[Registry]:
    server = Registry(wants)
    app = web.Application()
    app.add_routes(server.routes())
    async with serving_app(app) as server.host:
        yield server


async def exchanges_of(server: Registry, folder: Path, **registry: Any) -> dict[str, int]:
    """What the registry counted for one crawl, which is also what _run.json reports."""
    user = {} if server.wants == "nothing" else {"username": "reader", "password": "opensesame"}
    config = crawler.Config(
        registry=[{"target": server.host, "auth": user, **registry}],
        output={"path": folder},
        limits={"concurrency": 16},
    )
    manifest = await crawled(config)
    assert agree(manifest, server.counts)
    assert manifest["counts"]["repositories"] == N
    return counted(server.counts)


async def test_exchange_count_of_an_open_registry_is_one_a_repository(tmp_path):
    async with serving("nothing") as server:
        assert await exchanges_of(server, tmp_path) == {"ping": 1, "catalog": PAGES, "listing": N}


async def test_exchange_count_behind_a_password_is_one_a_repository(tmp_path):
    async with serving("basic") as server:
        # `/v2/` is asked twice: for its challenge, and then with the password
        assert await exchanges_of(server, tmp_path) == {"ping": 2, "catalog": PAGES, "listing": N}


async def test_exchange_count_behind_tokens_is_two_a_repository(tmp_path):
    async with serving("bearer") as server:
        assert await exchanges_of(server, tmp_path) == {"ping": 1, "catalog": PAGES, "token": N + 1, "listing": N}


async def test_exchange_count_with_fifty_repositories_a_token_is_1_02_a_repository(tmp_path):
    async with serving("bearer") as server:
        cost = await exchanges_of(server, tmp_path, tokens="batched")
    assert cost == {"ping": 1, "catalog": PAGES, "token": 1 + N // 50, "listing": N}
