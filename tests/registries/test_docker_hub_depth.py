"""Docker Hub's limit on pulls: HEAD is free, each GET of a manifest counts, and a crawl leaves a reserve."""

import time
from pathlib import Path
from typing import Any

import pytest
from support.scripted import Reply, ScriptedServer, on, serve
from support.snapshots import Snapshot, read_snapshot

import crawler
from registries.crawls import OTHER_HOST
from registries.docker_hub import (
    APP,
    BLOBS,
    MANIFESTS,
    NO_MANIFEST,
    PULLS_SPENT,
    THROTTLED,
    HubImage,
    blob_host,
    depth,
    head,
    pulls_left,
)

pytestmark = pytest.mark.usefixtures("few_authorities")

TAGS = {f"1.{number}": HubImage(number=number) for number in range(20)}
TWINS = {**TAGS, "latest": TAGS["1.19"]}
"""Twenty-one tags of twenty images."""


async def crawl_hub(server: ScriptedServer, folder: Path, level: str, **limits: Any) -> Snapshot:
    (folder / "names.txt").write_text(f"{APP}\n")
    table = {"target": server.host, "kind": "docker-hub", "repositories_from": folder / "names.txt"}
    config = crawler.Config(
        registry=[table],
        images={"depth": level},
        limits={"attempts": 1, "read_timeout": 5, "concurrency": 16, "rate": "none", **limits},
        output={"path": folder / "out"},
    )
    await crawler.crawl(config)
    return read_snapshot(folder / "out")


def pulls(server: ScriptedServer) -> list[str]:
    """The references of all GETs of manifests."""
    return [
        asked.path.removeprefix(f"{MANIFESTS}/")
        for asked in server.requests
        if asked.method == "GET" and asked.path.startswith(MANIFESTS)
    ]


def heads(server: ScriptedServer) -> list[str]:
    return [asked.path.removeprefix(f"{MANIFESTS}/") for asked in server.requests if asked.method == "HEAD"]


def digests_by_tag(snapshot: Snapshot) -> dict[str, str]:
    (record,) = snapshot.records
    return {tag: image["digest"] for image in record["images"] for tag in image["tags"]}


async def test_docker_hub_depth_digests_pulls_nothing(tmp_path):
    async with serve(depth(TWINS, pulls=1)) as server:
        server.enter(pulls_left(1))
        snapshot = await crawl_hub(server, tmp_path, "digests")
    assert pulls(server) == []
    assert sorted(heads(server)) == sorted(TWINS)
    assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TWINS.items()}
    assert snapshot.manifest["verdict"] == "complete"


async def test_docker_hub_depth_manifests_pulls_each_unknown_digest_once_ever(tmp_path):
    async with serve(depth(TWINS, pulls=60)) as server:
        server.enter(pulls_left(60))
        first = await crawl_hub(server, tmp_path, "manifests")
        pulled = pulls(server)
        server.requests.clear()
        second = await crawl_hub(server, tmp_path, "manifests")
    assert sorted(pulled) == sorted(image.digest for image in TAGS.values())
    assert pulls(server) == []
    assert sorted(heads(server)) == sorted(TWINS)
    for snapshot in (first, second):
        assert snapshot.manifest["verdict"] == "complete"
        assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TWINS.items()}
        assert all(image["manifest"]["config_digest"] for image in snapshot.records[0]["images"])


async def test_docker_hub_limit_that_is_spent_already_leaves_the_digests(tmp_path):
    async with serve(depth(TAGS, pulls=0)) as server:
        server.enter(pulls_left(0))
        snapshot = await crawl_hub(server, tmp_path, "manifests")
    assert pulls(server) == []
    assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TAGS.items()}
    (reason,) = snapshot.manifest["reasons"]
    assert "20 of 20 images were not read: the registry's limit has 0 of 100 pulls left" in reason


@pytest.mark.parametrize(("limit", "reserve"), [(100, 10), (200, 20), (40, 10)])
async def test_docker_hub_pulls_stop_at_the_reserve_and_the_snapshot_says_so(tmp_path, limit, reserve):
    left = reserve + 4
    async with serve(depth(TAGS, pulls=left, limit=limit)) as server:
        server.enter(pulls_left(left))
        snapshot = await crawl_hub(server, tmp_path, "manifests")
    assert len(pulls(server)) == 4
    assert len(heads(server)) == len(TAGS)
    (reason,) = snapshot.manifest["reasons"]
    assert reason.startswith("16 of 20 images were not read: ")
    assert f"{reserve} of {limit} pulls" in reason
    assert snapshot.manifest["verdict"] == "partial"
    assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TAGS.items()}
    read = [image for image in snapshot.records[0]["images"] if image["manifest"]]
    assert {image["digest"] for image in read} == set(pulls(server))


async def test_docker_hub_pulls_stop_at_the_reserve_whatever_a_late_response_says(tmp_path):
    """The response to a HEAD overtakes nothing: it says how many pulls were left when it was sent."""
    late = HubImage(number=0)
    path, state = f"{MANIFESTS}/1.0", pulls_left(14)
    script = [
        on(path, head(late, left=14).but(piece=30, delay_s=0.02), method="HEAD", state=state),
        *depth(TAGS, pulls=14),
    ]
    async with serve(script) as server:
        server.enter(state)
        snapshot = await crawl_hub(server, tmp_path, "manifests")
    assert len(pulls(server)) == 4
    assert snapshot.manifest["verdict"] == "partial"


async def test_docker_hub_limit_that_others_use_up_makes_the_snapshot_partial(tmp_path):
    """Another client of the same address has pulled meanwhile. The 429 asks for a pause until the limit is renewed."""
    refused = PULLS_SPENT.with_headers(("Retry-After", str(int(time.time()) + 6 * 3600)))
    digest = TAGS["1.7"].digest
    async with serve([on(f"{MANIFESTS}/{digest}", refused), *depth(TAGS, pulls=60)]) as server:
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "manifests", concurrency=1)
    (reason,) = snapshot.manifest["reasons"]
    assert "20 images were not read: the registry's limit has 0 of 100 pulls left" in reason
    assert pulls(server).count(digest) == 1
    assert len(pulls(server)) < len(TAGS)
    assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TAGS.items()}
    assert snapshot.manifest["requests"]["throttled"] == 0


async def test_docker_hub_pulls_that_come_too_fast_are_retried(tmp_path):
    throttled = on(f"{MANIFESTS}/{TAGS['1.7'].digest}", THROTTLED, times=1)
    async with serve([throttled, *depth(TAGS, pulls=60)]) as server:
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "manifests")
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["throttled"] == 1


async def test_docker_hub_pulls_go_on_where_the_last_night_stopped(tmp_path):
    """The next night knows what was read, and spends its pulls on the rest."""
    async with serve(depth(TAGS, pulls=60)) as server:
        server.enter(pulls_left(20))
        await crawl_hub(server, tmp_path, "manifests")
        before = set(pulls(server))
        server.requests.clear()
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "manifests")
    assert len(before) == 10
    assert sorted(pulls(server)) == sorted({image.digest for image in TAGS.values()} - before)
    assert snapshot.manifest["verdict"] == "complete"


async def test_docker_hub_head_404_is_confirmed_by_a_get(tmp_path):
    """A HEAD has no error body, so it proves nothing; the GET's body has the registry's own words."""
    path = f"{MANIFESTS}/gone"
    script = [
        on(path, Reply(status=404), method="HEAD"),
        on(path, NO_MANIFEST),
        *depth({"1.0": TAGS["1.0"], "gone": TAGS["1.1"]}, pulls=60),
    ]
    async with serve(script) as server:
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "digests")
    assert pulls(server) == ["gone", "gone"], "once more after the tag was listed again"
    (problem,) = snapshot.records[0]["problems"]
    assert (problem["problem"], problem["tag"], problem["code"]) == ("dangling-tag", "gone", "MANIFEST_UNKNOWN")
    assert snapshot.manifest["verdict"] == "complete"
    assert digests_by_tag(snapshot) == {"1.0": TAGS["1.0"].digest}


async def test_docker_hub_head_404_that_a_get_refutes_is_no_problem(tmp_path):
    """A mirror that does not answer HEAD."""
    script = [on(f"{MANIFESTS}/1.0", Reply(status=404), method="HEAD"), *depth(TAGS, pulls=60)]
    async with serve(script) as server:
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "digests")
    assert pulls(server) == ["1.0"]
    assert snapshot.records[0]["problems"] == []
    assert digests_by_tag(snapshot) == {tag: image.digest for tag, image in TAGS.items()}


async def test_docker_hub_head_without_an_answer_is_followed_by_no_pull_below_the_reserve(tmp_path):
    script = [on(f"{MANIFESTS}/1.1", Reply(status=404), method="HEAD"), *depth(TAGS, pulls=5)]
    async with serve(script) as server:
        server.enter(pulls_left(5))
        snapshot = await crawl_hub(server, tmp_path, "digests", concurrency=1)
    assert pulls(server) == []
    assert [problem["code"] for problem in snapshot.records[0]["problems"]] == ["PULL_LIMIT"]
    assert snapshot.manifest["verdict"] == "partial"


async def test_docker_hub_configs_come_from_another_host_without_the_token_and_are_no_pulls(tmp_path):
    script = depth(TAGS, pulls=60, blobs="{blobs}")
    async with serve(blob_host(TAGS.values()), address=OTHER_HOST) as blobs, serve(script) as server:
        server.say(blobs=blobs.origin)
        server.enter(pulls_left(60))
        snapshot = await crawl_hub(server, tmp_path, "configs")
    assert snapshot.manifest["verdict"] == "complete"
    assert len(pulls(server)) == len(TAGS)
    assert blobs.authorizations == set()
    assert sum(asked.path.startswith(BLOBS) for asked in server.requests) == len(blobs.requests) == len(TAGS)
    users = {image["config"]["user"] for image in snapshot.records[0]["images"]}
    assert users == {str(image.number) for image in TAGS.values()}
