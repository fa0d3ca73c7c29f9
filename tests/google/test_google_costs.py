"""What a crawl costs, as far as the machine has no say in it: exchanges, counted at the server, and memory."""

import asyncio
import math
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest
from aiohttp import web
from support.snapshots import read_snapshot

import crawler
from crawler.emulator import ArtifactRegistry

N = 1_000
PAGE = 100
PAGES = N // PAGE
READER = "Basic cmVhZGVyOm9wZW5zZXNhbWU="

FLOWS = pytest.mark.parametrize("method", ["token", "access-token", "json-key"])


async def crawled(config: crawler.Config) -> dict[str, Any]:
    """Crawl, and have _run.json as it was published: nothing was left out, and nothing was asked twice."""
    await crawler.crawl(config)
    manifest = read_snapshot(config.output.path).manifest
    assert (manifest["verdict"], manifest["requests"]["retries"]) == ("complete", 0)
    return manifest


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    """What a server counted, without the kinds that never came."""
    kinds = ("ping", "catalog", "token", "listing", "api", "oauth")
    return {kind: counts[kind] for kind in kinds if counts[kind]}


def agree(manifest: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    """Whether _run.json tells what the server counted; OAuth2 is google-auth's, and no exchange of the registry's."""
    seen = counted(counts)
    seen.pop("oauth", None)
    return manifest["requests"]["total"] == sum(seen.values()) and manifest["requests"]["token"] == counts["token"]


# Exchanges: Google's flows


def credentials(method: str, *, tokens: int) -> dict[str, int]:
    """What a flow costs for its credentials."""
    of_the_registry = {"token": tokens} if method == "token" else {}
    return of_the_registry if method == "json-key" else of_the_registry | {"oauth": 1}


@FLOWS
async def test_a_repository_of_googles_catalog_costs_a_listing_and_in_the_token_flow_a_token(google, method):
    registry = await google(repositories=N, catalog_page=PAGE)
    manifest = await crawled(registry.config(auth={"method": method}))
    assert counted(registry.emulator.counts) == {
        "ping": 1,
        "catalog": PAGES,
        "listing": N,
        **credentials(method, tokens=N + 1),  # one more for the whole catalog
    }
    assert agree(manifest, registry.emulator.counts)
    assert manifest["counts"]["repositories"] == N


@FLOWS
@pytest.mark.parametrize("serves", ["gcr.io", "pkg.dev"])
async def test_a_walk_costs_a_listing_for_each_node_and_in_the_token_flow_a_token(google, serves, method):
    role = ArtifactRegistry(serves=serves, projects=("my-project",))
    registry = await google(repositories=N, catalog="empty", artifact_registry=role)
    kind = "gcr" if serves == "gcr.io" else "artifact-registry"
    target = f"{registry.emulator.registry}/my-project"
    manifest = await crawled(without_pace(registry.config(target=target, kind=kind, auth={"method": method})))
    nodes = len(registry.emulator.inventory.nodes())
    assert N < nodes < 1.25 * N
    costs = {"ping": 1, "listing": nodes, **credentials(method, tokens=nodes)}
    assert counted(registry.emulator.counts) == costs
    assert agree(manifest, registry.emulator.counts)


@FLOWS
async def test_images_from_the_api_cost_its_pages_and_nothing_for_each_repository(google, method):
    registry = await google(repositories=N, empty=0, vanished=0, catalog="empty", artifact_registry=ArtifactRegistry())
    api = f"http://{registry.emulator.registry}"
    config = registry.config(
        kind="artifact-registry",
        location="us-central1",
        apis={"artifact_registry": api, "resource_manager": api},
        discovery="artifact-registry",
        images_from="api",
        auth={"method": method},
    )
    manifest = await crawled(without_pace(config))
    images: Counter[str] = Counter()
    for repository in registry.emulator.inventory.truth():
        images["/".join(repository.name.split("/")[:2])] += len(repository.listing["manifest"])
    assert len(images) == 6  # two projects with three repositories each
    lists_of_images = sum(math.ceil(count / 1000) for count in images.values())
    assert lists_of_images < N / 20
    assert counted(registry.emulator.counts) == {"ping": 1, "api": 1 + 2 + lists_of_images, "oauth": 1}
    assert agree(manifest, registry.emulator.counts)
    assert (manifest["counts"]["repositories"], manifest["counts"]["images"]) == (N, images.total())


def without_pace(config: crawler.Config) -> crawler.Config:
    return config.model_copy(update={"limits": config.limits.model_copy(update={"rate": None})})


# Exchanges: registries of others


@dataclass(slots=True)
class Other:
    """A registry that is nobody's in particular, with `N` repositories in a catalog of `PAGES` pages.

    `wants` is what it opens for: "nothing", "basic", or "bearer" with a token for each scope.
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
        wanted = 'Basic realm="other"'
        if self.wants == "bearer":
            wanted = f'Bearer realm="http://{self.host}/token",service="other"' + (f',scope="{scope}"' if scope else "")
        return web.json_response({"errors": []}, status=401, headers={"WWW-Authenticate": wanted})

    def _opens(self, shown: str, scope: str | None) -> bool:
        if self.wants == "bearer":
            return shown.startswith("Bearer ") and scope in {None, *shown.split(" ")[1:]}
        return self.wants == "nothing" or shown == READER


@asynccontextmanager
async def opened(wants: str) -> AsyncIterator[Other]:
    other = Other(wants)
    app = web.Application()
    app.add_routes(other.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    other.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield other
    finally:
        await runner.cleanup()


async def cost_at(other: Other, folder: Path, **registry: Any) -> dict[str, int]:
    """What the other registry counted, which is what _run.json tells."""
    user = {} if other.wants == "nothing" else {"username": "reader", "password": "opensesame"}
    config = crawler.Config(
        registry=[{"target": other.host, "auth": user, **registry}],
        output={"path": folder},
        limits={"concurrency": 16},
    )
    manifest = await crawled(config)
    assert agree(manifest, other.counts)
    assert manifest["counts"]["repositories"] == N
    return counted(other.counts)


async def test_a_repository_that_anybody_may_see_costs_one_exchange(tmp_path):
    async with opened("nothing") as other:
        assert await cost_at(other, tmp_path) == {"ping": 1, "catalog": PAGES, "listing": N}


async def test_a_repository_behind_a_password_costs_one_exchange(tmp_path):
    async with opened("basic") as other:
        # the challenge is asked for once, and then whether the password opens
        assert await cost_at(other, tmp_path) == {"ping": 2, "catalog": PAGES, "listing": N}


async def test_a_repository_behind_tokens_costs_two_exchanges(tmp_path):
    async with opened("bearer") as other:
        assert await cost_at(other, tmp_path) == {"ping": 1, "catalog": PAGES, "token": N + 1, "listing": N}


async def test_a_repository_whose_token_serves_fifty_costs_1_02_exchanges(tmp_path):
    async with opened("bearer") as other:
        cost = await cost_at(other, tmp_path, tokens="batched")
    assert cost == {"ping": 1, "catalog": PAGES, "token": 1 + N // 50, "listing": N}


# Memory

FEW, MANY = 999, 49_950  # the catalog's only page is not full, which would cost an exchange more
CATALOG_PAGE = 1_000
TAGS = [f"1.{n}.0-build.{n * 7919}" for n in range(8)]
TOKEN = "t" * 800  # about as long as those of registries are

# Measured: 12 MB, most of them names, that none may come twice; and 20 MB with tokens, of which 8,192 are kept.
# What a mistake makes of it: 42 MB with every repository's tags kept in a list, 58 MB with every record, 61 MB with
# every token, 199 MB with a task for each repository.
MOST_GROWTH_MB = 30.0

PEAK_OF = """
import os, sys

pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""A small process between us and the one that is measured: a child's peak is never told lower than its parent's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheap:
    """A registry that costs next to nothing and keeps nothing."""

    repositories: int
    wants_tokens: bool

    def answer(self, target: str, host: str, *, is_known: bool) -> bytes:
        path, _, query = target.partition("?")
        if path == "/token":
            return _written({"token": TOKEN, "expires_in": 3600})
        if self.wants_tokens and not is_known:
            challenge = f'WWW-Authenticate: Bearer realm="http://{host}/token",service="cheap"\r\n'
            return _written({"errors": []}, challenge, status="401 Unauthorized")
        if path == "/v2/":
            return _written({})
        if path == "/v2/_catalog":
            return self._catalog(int(query.rpartition("last=")[2]) if "last=" in query else 0)
        return _written({"name": path.removeprefix("/v2/").removesuffix("/tags/list"), "tags": TAGS})

    def _catalog(self, start: int) -> bytes:
        end = min(start + CATALOG_PAGE, self.repositories)
        link = f'Link: </v2/_catalog?n={CATALOG_PAGE}&last={end}>; rel="next"\r\n'
        names = [f"team-{n % 97:02}/service-{n:06}" for n in range(start, end)]
        return _written({"repositories": names}, link if end < self.repositories else "")


class Connection(asyncio.Protocol):
    """One client of a registry; it is in `alive` for as long as it is."""

    def __init__(self, registry: Cheap, alive: set[asyncio.Transport]) -> None:
        self._registry = registry
        self._alive = alive
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._alive.add(transport)
        self._host = "{}:{}".format(*transport.get_extra_info("sockname"))

    def connection_lost(self, _: Exception | None) -> None:
        self._alive.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            self._transport.write(self._registry.answer(target, self._host, is_known=b"\r\nAuthorization:" in head))


def _written(body: Any, headers: str = "", *, status: str = "200 OK") -> bytes:
    said = orjson.dumps(body)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n{headers}\r\n"
    return head.encode() + said


@contextmanager
def served(registry: Cheap) -> Iterator[str]:
    """Serve it from a thread; gives its address."""
    loop = asyncio.new_event_loop()
    alive: set[asyncio.Transport] = set()
    listening = loop.create_server(lambda: Connection(registry, alive), "127.0.0.1", 0, backlog=256)
    server = loop.run_until_complete(listening)
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for transport in alive:
            transport.abort()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


def peak_mb(registry: Cheap, output: Path) -> float:
    """The most memory that the whole process of a crawl ever had in use, in megabytes."""
    with served(registry) as host:
        crawl = ["-m", "crawler", "crawl", host, "--auth=anonymous", "--no-progress", f"--output={output}"]
        command = [sys.executable, "-I", "-S", "-c", PEAK_OF, *crawl]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
    code, kilobytes = ended.stdout.splitlines()[-1].split()
    assert code == "0"
    assert ended.stderr.startswith("COMPLETE: ")
    (manifest,) = output.glob("source=*/date=*/run=*/_run.json")
    assert orjson.loads(manifest.read_bytes())["counts"]["ok"] == registry.repositories
    return int(kilobytes) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("wants_tokens", [False, True], ids=["open", "tokens"])
def test_fifty_times_the_repositories_take_hardly_more_memory(wants_tokens, tmp_path):
    few, many = (
        peak_mb(Cheap(repositories=count, wants_tokens=wants_tokens), tmp_path / str(count)) for count in (FEW, MANY)
    )
    assert many - few < MOST_GROWTH_MB, f"{few:.1f} MB for {FEW:,} repositories, {many:.1f} MB for {MANY:,}"
