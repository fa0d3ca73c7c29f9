"""How many exchanges a crawl of Google's registries takes, counted at the server."""

import math
from collections import Counter

import pytest
from support.costs import agree, counted, crawled

import crawler
from crawler.emulator import ArtifactRegistry

N = 1_000
PAGE = 100
PAGES = N // PAGE

FLOWS = pytest.mark.parametrize("method", ["token", "access-token", "json-key"])


def credentials(method: str, *, tokens: int) -> dict[str, int]:
    """The exchanges that a flow takes for its credentials."""
    registry_tokens = {"token": tokens} if method == "token" else {}
    return registry_tokens if method == "json-key" else registry_tokens | {"oauth": 1}


@FLOWS
async def test_google_catalog_costs_a_listing_and_in_the_token_flow_a_token_for_each_repository(google, method):
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
async def test_google_walk_costs_a_listing_and_in_the_token_flow_a_token_for_each_node(google, serves, method):
    role = ArtifactRegistry(serves=serves, projects=("my-project",))
    registry = await google(repositories=N, catalog="empty", artifact_registry=role)
    kind = "gcr" if serves == "gcr.io" else "artifact-registry"
    target = f"{registry.emulator.registry}/my-project"
    manifest = await crawled(without_rate_limit(registry.config(target=target, kind=kind, auth={"method": method})))
    nodes = len(registry.emulator.inventory.nodes())
    assert N < nodes < 1.25 * N
    costs = {"ping": 1, "listing": nodes, **credentials(method, tokens=nodes)}
    assert counted(registry.emulator.counts) == costs
    assert agree(manifest, registry.emulator.counts)


@FLOWS
async def test_google_images_from_the_api_cost_its_pages_and_nothing_for_each_repository(google, method):
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
    manifest = await crawled(without_rate_limit(config))
    images: Counter[str] = Counter()
    for repository in registry.emulator.inventory.truth():
        images["/".join(repository.name.split("/")[:2])] += len(repository.listing["manifest"])
    assert len(images) == 6  # two projects with three repositories each
    lists_of_images = sum(math.ceil(count / 1000) for count in images.values())
    assert lists_of_images < N / 20
    assert counted(registry.emulator.counts) == {"ping": 1, "api": 1 + 2 + lists_of_images, "oauth": 1}
    assert agree(manifest, registry.emulator.counts)
    assert (manifest["counts"]["repositories"], manifest["counts"]["images"]) == (N, images.total())


def without_rate_limit(config: crawler.Config) -> crawler.Config:
    return config.model_copy(update={"limits": config.limits.model_copy(update={"rate": None})})
