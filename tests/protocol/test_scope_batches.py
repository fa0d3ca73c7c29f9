"""One token for many repositories where the registry grants it, and one token each where it does not."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from support.snapshots import read_snapshot
from support.web_apps import serving_app

import crawler

REPOSITORIES = tuple(f"team-{n % 7}/app-{n:03}" for n in range(230))
Grants = Callable[[Sequence[str]], Sequence[str] | None]


@dataclass(slots=True)
class Registry:
    """A registry whose token server grants what `grants` returns for the requested scopes; 400 where that is None."""

    grants: Grants
    repositories: Sequence[str] = REPOSITORIES
    refused_with: int = 401
    host: str = ""
    asked: list[list[str]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    listings: int = 0

    async def token(self, request: web.Request) -> web.Response:
        scopes = request.query.getall("scope")
        self.asked.append(scopes)
        self.lengths.append(len(str(request.rel_url)))
        granted = self.grants(scopes)
        if granted is None:
            return web.json_response({"errors": [{"code": "UNSUPPORTED", "message": "one scope only"}]}, status=400)
        return web.json_response({"token": ",".join(granted) or "nothing", "expires_in": 300})

    def admits(self, request: web.Request, scope: str) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and scope in token.split(",")

    def refusal(self, status: int) -> web.Response:
        challenge = f'Bearer realm="http://{self.host}/token",service="ours"'
        return web.json_response({}, status=status, headers={"WWW-Authenticate": challenge})

    async def ping(self, _: web.Request) -> web.Response:
        return self.refusal(401)

    async def catalog(self, request: web.Request) -> web.Response:
        if not self.admits(request, "registry:catalog:*"):
            return self.refusal(401)
        return web.json_response({"repositories": list(self.repositories)})

    async def tags(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.listings += 1
        if not self.admits(request, f"repository:{name}:pull"):
            return self.refusal(self.refused_with)
        return web.json_response({"name": name, "tags": ["1"]})

    @property
    def tokens(self) -> int:
        """Tokens that were requested, without the catalog's."""
        return len(self.asked) - 1


@asynccontextmanager
async def serving(registry: Registry) -> AsyncIterator[Registry]:
    app = web.Application(handler_args={"max_line_size": 8190})
    app.add_routes(
        [
            web.get("/v2/", registry.ping),
            web.get("/token", registry.token),
            web.get("/v2/_catalog", registry.catalog),
            web.get("/v2/{name:.+}/tags/list", registry.tags),
        ]
    )
    async with serving_app(app) as registry.host:
        yield registry


async def crawl(registry: Registry, folder, *, concurrency: int = 16, tokens: str = "batched") -> crawler.RunManifest:
    table = {"target": registry.host, "tokens": tokens, "auth": {"method": "anonymous"}}
    limits = {"concurrency": concurrency, "attempts": 2}
    config = crawler.Config(registry=[table], output={"path": folder}, limits=limits)
    return await crawler.crawl(config)


def everything(scopes):
    return scopes


def the_first_alone(scopes):
    return scopes[:1]


def one_or_nothing(scopes):
    return scopes if len(scopes) == 1 else None


@pytest.mark.parametrize("concurrency", [1, 16, 300])
async def test_scope_batch_of_fifty_takes_one_token_at_any_concurrency(tmp_path, concurrency):
    async with serving(Registry(everything)) as registry:
        manifest = await crawl(registry, tmp_path, concurrency=concurrency)
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(REPOSITORIES))
    assert registry.tokens == math.ceil(len(REPOSITORIES) / 50)
    assert manifest.requests.total == 1 + 2 + len(REPOSITORIES) + registry.tokens
    assert sorted(scope for asked in registry.asked[1:] for scope in asked) == sorted(
        f"repository:{name}:pull" for name in REPOSITORIES
    )


async def test_scope_batches_cost_1_02_exchanges_a_repository(tmp_path):
    names = tuple(f"app-{n:04}" for n in range(1000))
    async with serving(Registry(everything, repositories=names)) as registry:
        manifest = await crawl(registry, tmp_path)
    # the ping, the catalog and its token come on top, and two pages that settle whether its full page was the last
    assert manifest.requests.total - 3 - 2 == 1020


@pytest.mark.parametrize("status", [401, 403])
async def test_scope_batches_are_given_up_where_only_the_first_scope_is_granted(tmp_path, status):
    async with serving(Registry(the_first_alone, refused_with=status)) as registry:
        manifest = await crawl(registry, tmp_path)
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(REPOSITORIES))
    assert registry.listings <= len(REPOSITORIES) + 100  # a batch or two are tried before batches are given up


async def test_scope_batches_are_given_up_where_several_scopes_are_refused(tmp_path):
    async with serving(Registry(one_or_nothing)) as registry:
        manifest = await crawl(registry, tmp_path)
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(REPOSITORIES))
    assert registry.listings == len(REPOSITORIES)
    assert sum(len(asked) > 1 for asked in registry.asked) <= 3


@pytest.mark.parametrize("status", [401, 403])
async def test_scope_batch_with_a_repository_that_is_not_granted_lists_the_others(tmp_path, status):
    closed = {f"repository:{name}:pull" for name in REPOSITORIES[10:14]}
    registry = Registry(lambda scopes: [scope for scope in scopes if scope not in closed], refused_with=status)
    async with serving(registry):
        manifest = await crawl(registry, tmp_path)
    outcomes = read_snapshot(tmp_path).outcomes
    assert {name for name, outcome in outcomes.items() if outcome == "denied"} == set(REPOSITORIES[10:14])
    assert manifest.counts.ok == len(REPOSITORIES) - 4
    assert registry.tokens <= math.ceil(len(REPOSITORIES) / 50) + 8


async def test_scope_batch_of_long_names_fits_into_a_request_line(tmp_path):
    names = tuple(f"{'team-with-a-long-name/' * 10}app-{n:03}" for n in range(100))
    async with serving(Registry(everything, repositories=names)) as registry:
        manifest = await crawl(registry, tmp_path)
    assert manifest.counts.ok == 100
    assert max(registry.lengths) < 8000
    assert registry.tokens < 10


async def test_scope_batches_are_off_by_default(tmp_path):
    async with serving(Registry(everything)) as registry:
        await crawl(registry, tmp_path, tokens="single")
    assert registry.tokens == len(REPOSITORIES)
    assert all(len(asked) == 1 for asked in registry.asked)


@pytest.mark.parametrize("target", ["gcr.io/my-project", "ghcr.io", "public.ecr.aws"])
def test_scope_batches_are_refused_for_registries_that_take_one_scope(target, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a")
    with pytest.raises(ValueError, match="tokens batched does not work with"):
        crawler.Config(registry=[{"target": target, "tokens": "batched", "repositories_from": names}])
