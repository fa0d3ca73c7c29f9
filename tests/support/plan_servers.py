"""A registry whose token server grants one token for many repositories."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from support.web_apps import serving_app


@asynccontextmanager
async def serving_tokens(repositories: Sequence[str]) -> AsyncIterator[str]:
    """Serve the repositories, each with one tag, for tokens that name their scopes; yields HOST:PORT."""
    realm = {"host": ""}

    def answer(request: web.Request, scope: str, document: object) -> web.Response:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if scope in token.split(","):
            return web.json_response(document)
        challenge = f'Bearer realm="http://{realm["host"]}/token",service="ours"'
        return web.json_response({}, status=401, headers={"WWW-Authenticate": challenge})

    async def ping(request: web.Request) -> web.Response:
        return answer(request, "ping", {})

    async def token(request: web.Request) -> web.Response:
        return web.json_response({"token": ",".join(request.query.getall("scope")), "expires_in": 300})

    async def catalog(request: web.Request) -> web.Response:
        return answer(request, "registry:catalog:*", {"repositories": list(repositories)})

    async def tags(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return answer(request, f"repository:{name}:pull", {"name": name, "tags": ["1"]})

    app = web.Application()
    app.add_routes(
        [
            web.get("/v2/", ping),
            web.get("/token", token),
            web.get("/v2/_catalog", catalog),
            web.get("/v2/{name:.+}/tags/list", tags),
        ]
    )
    async with serving_app(app) as host:
        realm["host"] = host
        yield host
