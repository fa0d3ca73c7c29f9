"""Fixtures of shards: a registry, the shards of it, and the lakes that they meet in."""

import pytest
from support.lake_servers import moto_server
from support.shard_crawls import crawl_shards


@pytest.fixture
async def world(google):
    """A registry of thirty repositories."""
    return await google(repositories=30, listings="plain", giants=0)


@pytest.fixture
async def shards(google, tmp_path):
    """The output folder with two shards of a registry of twenty repositories."""
    world = await google(repositories=20, listings="plain", giants=0)
    await crawl_shards(world, 2, tmp_path / "snapshots")
    return tmp_path / "snapshots"


@pytest.fixture
def lake(tmp_path):
    """The URL of a lake in a folder."""
    return f"file://{tmp_path}/lake"


@pytest.fixture
def moto(monkeypatch):
    """moto with an empty bucket. The environment has its credentials."""
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(variable, raising=False)
    with moto_server() as server:
        for name, value in server.s3().environment.items():
            monkeypatch.setenv(name, value)
        yield server
