"""A repository with more tags than exchanges may be in flight: its images are read with all permits."""

import asyncio

from aiohttp import web
from support.scripted_images import config, image
from support.web_apps import serving_app

import crawler

CONCURRENCY = 16
TAGS = [f"build-{number}" for number in range(5 * CONCURRENCY)]
CONFIG = config("base")
IMAGE = image(CONFIG, "base")


class Gate:
    """Responds to no request for a manifest before CONCURRENCY of them are in flight."""

    def __init__(self) -> None:
        self.in_flight = self.most = 0
        self._all_in_flight = asyncio.Event()

    async def manifest(self, _: web.Request) -> web.Response:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        if self.in_flight == CONCURRENCY:
            self._all_in_flight.set()
        await self._all_in_flight.wait()
        self.in_flight -= 1
        return web.Response(body=IMAGE.body, content_type=IMAGE.media_type)


def registry(gate):
    def document(body):
        async def respond(_):
            return web.json_response(body)

        return respond

    async def blob(_):
        return web.Response(body=CONFIG.body, content_type="text/plain")

    app = web.Application()
    app.add_routes(
        [
            web.get("/v2/", document({})),
            web.get("/v2/_catalog", document({"repositories": ["giant"]})),
            web.get("/v2/giant/tags/list", document({"name": "giant", "tags": TAGS})),
            web.get("/v2/giant/manifests/{reference}", gate.manifest),
            web.get("/v2/giant/blobs/{digest}", blob),
        ]
    )
    return app


async def test_giant_repository_uses_all_permits_and_no_more(tmp_path):
    gate = Gate()
    async with serving_app(registry(gate)) as host:
        config_of_run = crawler.Config(
            registry=[{"target": host}],
            images={"depth": "configs"},
            limits={"concurrency": CONCURRENCY},
            output={"path": tmp_path},
        )
        run = await crawler.crawl(config_of_run)
    assert run.verdict == "complete"
    assert gate.most == CONCURRENCY
