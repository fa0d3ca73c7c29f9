"""Is a plan within a tenth of what the crawl then costs: on the first night, and with a snapshot and a cache?"""

from typing import Any

import pytest
from registries import docker_hub_api, harbor_api
from support.distribution import open_registry, push_content, requires_docker_registry
from support.distribution.samples import sample_repositories
from support.plan_nights import Nights, far_off
from support.scripted import document, on, plain_registry, serve
from support.scripted_images import blobs, manifests
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of

from crawler.emulator import ArtifactRegistry

FEW = {"repositories": 16, "giants": 0.0}


async def check_two_nights(nights: Nights) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plan and crawl, twice. Returns both plans."""
    first = await nights.plan()
    crawled = await nights.crawl()
    assert far_off(first, crawled) == {}
    second = await nights.plan()
    assert far_off(second, await nights.crawl()) == {}
    assert second["evidence"][0].startswith("the snapshot of ")
    return first, second


@requires_docker_registry
@pytest.mark.parametrize("depth", ["digests", "configs"])
async def test_plan_of_docker_registry(command, tmp_path, depth):
    async with open_registry(tmp_path / "registry") as registry:
        await push_content(registry, sample_repositories(10, 2))
        nights = Nights(command, {"target": registry.host}, images={"depth": depth})
        first, _ = await check_two_nights(nights)
    assert first["evidence"] == ["all 10 repositories", "all of their 20 tags and images were read"]
    assert first["exchanges"]["least"] == first["exchanges"]["most"] == first["exchanges"]["total"]


async def test_plan_of_a_walk_through_gcr(google, command):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project",))
    registry = await google(repositories=8, giants=0.0, catalog="empty", artifact_registry=role)
    table = {"target": f"{registry.emulator.registry}/my-project", "kind": "gcr", **google_table(registry, "json-key")}
    images = {"depth": "configs", "referrers": "api"}
    first, _ = await check_two_nights(Nights(command, table, images=images))
    assert first["evidence"][0].startswith("every folder was opened: ")


@pytest.mark.parametrize("images_from", ["listing", "api"])
async def test_plan_of_artifact_registry_by_its_api(google, command, images_from):
    registry = await google(**FEW, empty=0, vanished=0, catalog="empty", artifact_registry=ArtifactRegistry())
    table = {
        "target": registry.emulator.registry,
        "kind": "artifact-registry",
        "location": "us-central1",
        "discovery": "artifact-registry",
        "images_from": images_from,
        **google_table(registry, "access-token"),
    }
    await check_two_nights(Nights(command, table, images={"depth": "digests"}))


@pytest.mark.parametrize("images", [{"depth": "manifests"}, {"depth": "digests", "referrers": "api"}], ids=str)
async def test_plan_of_a_registry_whose_listings_have_tags_only(google, command, images):
    registry = await google(repositories=6, giants=0.0, listings="plain", broken=0.0)
    nights = Nights(
        command, {"target": registry.emulator.registry, **google_table(registry, "json-key")}, images=images
    )
    first, second = await check_two_nights(nights)
    assert second["asked"]["total"] < first["asked"]["total"] <= 100


async def test_plan_of_harbor_by_its_api(command):
    contents = [image_of(config_of(str(number))) for number in range(30)]
    inventory = {
        f"p/app-{number}": [
            {**harbor_api.IMAGE, "digest": content.digest, "tags": [{"name": f"v{place}"}], "accessories": None}
            for place, content in enumerate(contents[3 * number : 3 * number + 3])
        ]
        for number in range(10)
    }
    served = [entry for name in inventory for entry in (*manifests(name, {}, *contents), *blobs(name, *configs(30)))]
    async with serve([on("/v2/", document({})), *served, *harbor_api.api(inventory)]) as server:
        table = {"target": f"{server.host}/p", **harbor_api.ANONYMOUS}
        await check_two_nights(Nights(command, table, images={"depth": "manifests"}))


async def test_plan_of_docker_hub_by_its_api(command):
    inventory = {
        f"app-{number}": [docker_hub_api.single(f"v{tag}", 1000 * number + tag) for tag in range(120)]
        for number in range(15)
    }
    tags = [entry for name, held in inventory.items() for entry in docker_hub_api.tags(name, held)]
    async with serve([*docker_hub_api.repositories(inventory), *tags, *plain_registry({})]) as server:
        table = {
            "target": f"{server.host}/library",
            "kind": "docker-hub",
            "apis": {"docker_hub": server.origin},
            "auth": {"method": "anonymous"},
        }
        first, _ = await check_two_nights(Nights(command, table, images={"depth": "digests"}))
    assert first["exchanges"]["by_kind"] == {"api": 1 + 15 * 2, "ping": 1}
    assert first["pulls"] is None


def google_table(registry: Any, method: str) -> dict[str, Any]:
    """What the emulator needs in a `[[registry]]` table: its key, and its APIs."""
    api = f"http://{registry.emulator.registry}"
    return {
        "auth": {"method": method, "key_file": str(registry.key_file)},
        "apis": {"artifact_registry": api, "resource_manager": api},
    }


def configs(count: int) -> list[Any]:
    return [config_of(str(number)) for number in range(count)]
