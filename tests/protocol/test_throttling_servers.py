"""Behind a real nginx and a real haproxy that throttle by their defaults: slower, and no repository lost."""

from pathlib import Path

import pytest
from support.fronts import haproxy, nginx, requires
from support.scripted import plain_registry, serve

import crawler

NAMES = [f"team/app-{number:03}" for number in range(300)]

requires_nginx = requires("nginx", "nginx-light")
requires_haproxy = requires("haproxy", "haproxy")


async def crawl(front: str, folder: Path) -> crawler.RunManifest:
    """The run at the default limits. The host is unknown: no rate limit."""
    config = crawler.Config(registry=[{"target": front}], output={"path": folder / "out"})
    return await crawler.crawl(config)


@requires_nginx
@pytest.mark.parametrize("burst", ["", "burst=20 nodelay", "burst=50 nodelay", "burst=20"])
async def test_throttling_by_nginx_with_bare_503s_costs_time_and_no_repository(burst, tmp_path):
    """On the loopback even one exchange at a time is faster than 100 a second: only a learned rate helps."""
    async with serve(plain_registry({name: ["1"] for name in NAMES})) as server:
        with nginx(server.host, tmp_path, rate="100r/s", burst=burst) as front:
            manifest = await crawl(front, tmp_path)
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(NAMES))
    assert manifest.requests.throttled > 0
    assert manifest.requests.retries < 2 * len(NAMES), "most of them were requested once or twice"


@requires_haproxy
@pytest.mark.parametrize("queue", ["30s", "50ms"], ids=["queued", "refused"])
async def test_throttling_by_haproxys_connection_limit_costs_no_repository(queue, tmp_path):
    async with serve(plain_registry({name: ["1"] for name in NAMES})) as server:
        with haproxy(server.host, tmp_path, at_once=2, queue=queue) as front:
            manifest = await crawl(front, tmp_path)
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(NAMES))
