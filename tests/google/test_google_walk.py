"""A walk of Google's folders from a project down: it lists every node once, and finds every repository."""

import pytest
from support.inventories import comparable, expected
from support.snapshots import read_snapshot

import crawler


def walking(registry, **changes) -> crawler.Config:
    target = f"{registry.emulator.registry}/my-project"
    return registry.config(**{"target": target, "discovery": "walk", **changes})


@pytest.mark.parametrize("method", ["token", "access-token"])
async def test_walk_finds_every_repository_without_the_catalog(google, method):
    registry = await google(repositories=300)
    manifest = await crawler.crawl(walking(registry, auth={"method": method}))
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)
    assert (manifest.verdict, manifest.discovery.method) == ("complete", "walk")
    assert registry.emulator.counts["catalog"] == 0
    assert "a walk from my-project down: every folder was opened" in manifest.discovery.evidence


async def test_walk_takes_one_exchange_for_each_node(google):
    registry = await google(repositories=300)
    manifest = await crawler.crawl(walking(registry, auth={"method": "access-token"}))
    folders = {name.rpartition("/")[0] for name in registry.emulator.inventory.names}
    while above := {name.rpartition("/")[0] for name in folders if "/" in name} - folders:
        folders |= above
    nodes = folders | set(registry.emulator.inventory.names)
    assert registry.emulator.counts["listing"] == len(nodes)
    assert manifest.requests.total == len(nodes) + 1  # and the ping


async def test_walk_records_empty_repositories_and_no_folders(google):
    registry = await google(repositories=200, empty=0.1)
    manifest = await crawler.crawl(walking(registry))
    records = read_snapshot(registry.output).by_name
    assert "my-project" not in records
    assert set(records) == set(registry.emulator.inventory.names)
    assert manifest.counts.repositories == 200


async def test_walk_opens_folders_that_the_filters_exclude(google):
    registry = await google(repositories=200)
    wanted = [name for name in registry.emulator.inventory.names if name.count("/") >= 3]
    assert wanted
    manifest = await crawler.crawl(walking(registry, include=["*/*/*/*"]))
    assert set(read_snapshot(registry.output).by_name) == set(wanted)
    assert manifest.verdict == "complete"


async def test_walk_with_denied_nodes_is_partial(google):
    registry = await google(repositories=200, denied=0.02)
    manifest = await crawler.crawl(walking(registry))
    assert manifest.verdict == "partial"
    assert manifest.counts.denied > 0
    assert "could not be opened: repositories below them are unknown" in manifest.discovery.evidence


async def test_walk_of_a_missing_project_is_partial(google):
    registry = await google(repositories=10)
    manifest = await crawler.crawl(walking(registry, target=f"{registry.emulator.registry}/no-project"))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "a walk from no-project down finds nothing, which proves nothing (GET " in manifest.reasons[0]
    assert "404 NAME_UNKNOWN" in manifest.reasons[0]
    assert "check the prefix and the account's roles" in manifest.reasons[0]


async def test_walk_of_a_prefix_stays_below_the_prefix(google):
    registry = await google(repositories=300)
    folder = next(name for name in registry.emulator.inventory.names if name.count("/") >= 2).split("/")[1]
    target = f"{registry.emulator.registry}/my-project/{folder}"
    await crawler.crawl(walking(registry, target=target))
    below = {
        name
        for name in registry.emulator.inventory.names
        if name == f"my-project/{folder}" or name.startswith(f"my-project/{folder}/")
    }
    assert set(read_snapshot(registry.output).by_name) == below


async def test_walk_with_one_worker_does_not_deadlock(google):
    registry = await google(repositories=1500)
    config = walking(registry, auth={"method": "json-key"})
    narrow = config.model_copy(update={"limits": config.limits.model_copy(update={"concurrency": 1})})
    manifest = await crawler.crawl(narrow)
    assert (manifest.verdict, manifest.counts.repositories) == ("complete", 1500)
