"""An API that throttles, is spent, or goes away: it costs a pause or the API, and never a repository or the run."""

import time

import pytest
from registries.crawls import crawl
from registries.docker_hub_api import repositories, single, tags
from support.scripted import document, on, plain_registry, serve

NAMES = [f"app-{number}" for number in range(6)]
LISTED = {f"library/{name}": ["v1"] for name in NAMES}
PROTOCOL = plain_registry(LISTED)
API = [*repositories(NAMES), *(entry for name in NAMES for entry in tags(name, [single("v1", 1)]))]


def tags_path(name):
    return f"/v2/namespaces/library/repositories/{name}/tags"


def in_seconds(seconds):
    """A time, in seconds since 1970."""
    return str(int(time.time()) + seconds)


async def crawl_hub(server, folder, api="{origin}", **limits):
    limits = {"attempts": 3, "concurrency": 1, **limits}
    settings = {"auth": {"method": "anonymous"}, "images_from": "api", "apis": {"docker_hub": api}}
    snapshot = await crawl(
        server, folder, target=f"{server.host}/library", kind="docker-hub", limits=limits, **settings
    )
    assert snapshot.manifest["verdict"] == "complete"
    assert {record["repository"]: record["tags"] for record in snapshot.records} == LISTED
    return snapshot


def by_protocol(snapshot):
    """The repositories whose images the API did not tell."""
    return {record["repository"] for record in snapshot.records if record["images"] is None}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "0"}),
        (429, {"X-Retry-After": in_seconds(0)}),
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_seconds(0)}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_seconds(0)}),
        (403, {"RateLimit-Remaining": "0", "RateLimit-Reset": in_seconds(0)}),
    ],
)
async def test_api_that_throttles_is_asked_again(status, headers, tmp_path):
    throttled = on(tags_path("app-3"), document({}, *headers.items(), status=status), times=1)
    async with serve([throttled, *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert not by_protocol(snapshot)
    assert (snapshot.manifest["requests"]["throttled"], snapshot.manifest["requests"]["retries"]) == (1, 1)


def last_answer(seconds):
    """The tags of app-0, in the last answer before the quota starts afresh."""
    body = {"count": 1, "next": None, "results": [single("v1", 1).json]}
    left = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_seconds(seconds)}
    return on(tags_path("app-0"), document(body, *left.items()))


async def test_api_whose_quota_is_used_up_waits_before_it_is_refused(tmp_path):
    async with serve([last_answer(4), *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert not by_protocol(snapshot)
    assert snapshot.manifest["requests"]["wait_s"] >= 1
    assert snapshot.manifest["requests"]["throttled"] == 0


async def test_api_whose_quota_is_used_up_for_longer_than_the_run_may_wait_is_not_waited_for(tmp_path):
    refused = on(tags_path("app-1"), document({}, ("Retry-After", "3600"), status=429))
    async with serve([last_answer(3600), refused, *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert by_protocol(snapshot) == {f"library/{name}" for name in NAMES[1:]}


async def test_api_with_some_quota_left_waits_for_nothing(tmp_path):
    left = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": in_seconds(3600)}
    body = {"count": 1, "next": None, "results": [single("v1", 1).json]}
    async with serve([on(tags_path("app-0"), document(body, *left.items())), *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert not by_protocol(snapshot)


@pytest.mark.parametrize("status", [403, 429])
async def test_api_whose_quota_is_spent_for_an_hour_leaves_the_rest_to_the_protocol(status, tmp_path):
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_seconds(3600)}
    refused = on(tags_path("app-3"), document({}, *spent.items(), status=status))
    async with serve([refused, *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path)
        assert len([path for path in server.paths if path.startswith("/v2/namespaces/library/repositories/")]) == 4
    assert by_protocol(snapshot) == {"library/app-3", "library/app-4", "library/app-5"}
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert "listed 3 repositories, and the protocol 3: the API refused 1 and was not asked again, for " in evidence


async def test_api_that_goes_away_leaves_the_rest_to_the_protocol(tmp_path):
    away = [on(tags_path(name), document({}, status=503)) for name in NAMES[3:]]
    async with serve([*away, *API, *PROTOCOL]) as server:
        snapshot = await crawl_hub(server, tmp_path, give_up_after=0.5)
    assert by_protocol(snapshot) == {"library/app-3", "library/app-4", "library/app-5"}


async def test_api_that_is_not_there_is_tried_once(tmp_path, dead_port):
    listed = [f"library/{name}" for name in NAMES]
    async with serve(PROTOCOL) as server:
        snapshot = await crawl(
            server,
            tmp_path,
            kind="docker-hub",
            limits={"attempts": 1},
            listed=listed,
            auth={"method": "anonymous"},
            images_from="api",
            apis={"docker_hub": f"http://{dead_port}"},
        )
    assert snapshot.manifest["verdict"] == "complete"
    assert by_protocol(snapshot) == set(listed)
    assert "refused 1 " in snapshot.manifest["discovery"]["evidence"]
