"""Docker Hub: names from its API, two hosts beside the API, throttling."""

from pathlib import Path
from typing import Any

import pytest
from support.scripted import Entry, Reply, ScriptedServer, document, on, serve
from support.snapshots import Snapshot

import crawler
from registries import docker_hub
from registries.crawls import (
    assert_complete,
    crawl,
    crawl_fails,
    login,
    mistakes,
    requests_by_host,
)
from registries.docker_hub_api import TOKEN_PATH, for_members
from registries.vocabulary import BASIC, PASSWORD, on_host

pytestmark = pytest.mark.usefixtures("few_authorities")


HUB = "https://index.docker.io/v1/"
AUTH_DOCKER_IO = "http://auth.docker.io/token"


def hub_script(user: str | None = None) -> tuple[Entry, ...]:
    """The registry and its token server behind a proxy. The API is the proxy itself."""
    return (
        *on_host("registry-1.docker.io", docker_hub.registry(AUTH_DOCKER_IO)),
        *on_host("auth.docker.io", docker_hub.token_server(user)),
        *(docker_hub.api() if user is None else for_members(docker_hub.api())),
    )


async def crawl_hub(server: ScriptedServer, folder: Path, monkeypatch, **settings: Any) -> Snapshot:
    """Crawl docker.io through a proxy, which is the server."""
    monkeypatch.setenv("http_proxy", server.origin)
    return await crawl(
        server,
        folder,
        target="docker.io/library",
        plain_http=True,
        apis={"docker_hub": server.origin},
        **settings,
    )


async def test_docker_hub_crawl_by_its_public_name(tmp_path, monkeypatch):
    async with serve(hub_script()) as server:
        snapshot = await crawl_hub(server, tmp_path, monkeypatch)
    assert_complete(snapshot, docker_hub.ANONYMOUS)
    assert snapshot.manifest["verdict"] == "complete"
    assert requests_by_host(server) == {"registry-1.docker.io": 1 + 102, "auth.docker.io": 102, server.host: 2}
    assert {record["registry"] for record in snapshot.records} == {"docker.io"}
    assert server.authorizations == {request.authorization for request in server.requests if "/tags/" in request.path}


async def test_docker_hub_login_is_sent_to_the_token_server_and_the_api_alone(tmp_path, monkeypatch, docker):
    """The registry never receives the password, and the API once."""
    login(docker, **{HUB: {"username": "robot", "password": PASSWORD}})
    async with serve(hub_script(BASIC)) as server:
        snapshot = await crawl_hub(server, tmp_path, monkeypatch)
    assert_complete(snapshot, docker_hub.WITH_LOGIN)
    assert snapshot.manifest["verdict"] == "complete"
    assert {request.headers["host"] for request in server.requests if request.authorization == BASIC} == {
        "auth.docker.io"
    }
    assert [request.path for request in server.requests if PASSWORD.encode() in request.body] == [TOKEN_PATH]


async def test_docker_hub_throttling_without_a_delay_is_retried(tmp_path):
    """Its 429 is plain text without a delay. The crawler waits for its own default delay."""
    scripted = docker_hub.ANONYMOUS
    throttled = on("/v2/library/alpine/tags/list", docker_hub.THROTTLED, times=1)
    async with serve([throttled, *scripted.script]) as server:
        snapshot = await crawl(
            server,
            tmp_path,
            target=f"{server.host}/library",
            kind="docker-hub",
            include=["library/alpine"],
            **scripted.config,
        )
    assert snapshot.outcomes == {"library/alpine": "ok"}
    assert (snapshot.manifest["requests"]["throttled"], snapshot.manifest["requests"]["retries"]) == (1, 1)


async def test_docker_hub_api_failure_makes_the_snapshot_partial(tmp_path):
    scripted = docker_hub.ANONYMOUS
    broken = on("/v2/namespaces/library/repositories", Reply(status=500), query={"page": "2"})
    async with serve([broken, *scripted.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/library", kind="docker-hub", **scripted.config)
    assert snapshot.manifest["verdict"] == "partial"
    assert "listed 100 of 102 public repositories" in snapshot.manifest["discovery"]["evidence"]
    assert len(snapshot.records) == 100


async def test_docker_hub_api_cycle_makes_the_snapshot_partial(tmp_path):
    """The names on all pages are recorded, but nothing proves that they are all."""
    path = "/v2/namespaces/library/repositories"
    names = [{"name": name.removeprefix("library/")} for name in docker_hub.REPOSITORIES]
    body = {"count": len(names), "results": names[100:], "next": f"{{origin}}{path}?page_size=100"}
    scripted = docker_hub.ANONYMOUS
    async with serve([on(path, document(body), query={"page": "2"}), *scripted.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/library", kind="docker-hub", **scripted.config)
    assert set(snapshot.by_name) == set(docker_hub.REPOSITORIES)
    assert snapshot.manifest["verdict"] == "partial"
    assert "then failed: GET " in snapshot.manifest["discovery"]["evidence"]
    assert "the next page is an earlier page" in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked(path)) == 2


async def test_docker_hub_unknown_namespace_makes_the_snapshot_partial(tmp_path):
    unknown = on("/v2/namespaces/nobody/repositories", docker_hub.NO_NAMESPACE)
    scripted = docker_hub.ANONYMOUS
    async with serve([unknown, *scripted.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/nobody", kind="docker-hub", **scripted.config)
    assert (snapshot.manifest["verdict"], snapshot.records) == ("partial", [])
    assert "object not found" in snapshot.manifest["reasons"][0]
    assert "check the namespace" in snapshot.manifest["reasons"][0]


async def test_docker_hub_catalog_is_denied(tmp_path):
    scripted = docker_hub.ANONYMOUS
    async with serve(scripted.script) as server:
        error = await crawl_fails(server, tmp_path, kind="docker-hub", discovery="catalog")
    assert isinstance(error, crawler.Denied)


@pytest.mark.parametrize("text", ['target = "docker.io"', 'target = "localhost:5000"\nkind = "docker-hub"'])
def test_docker_hub_target_needs_a_namespace(text, tmp_path):
    (mistake,) = mistakes(text, tmp_path)
    assert "docker.io/NAMESPACE" in mistake
