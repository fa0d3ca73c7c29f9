"""Depth on Google: the listing names digests, so only unknown digests cost anything."""

import pytest
from support.emulated_images import comparable_images, expected_images, expected_problems
from support.inventories import comparable, expected
from support.snapshots import read_snapshot

import crawler

DEEP = ("manifest", "blob", "referrers")


async def deep_crawl(registry, folder, **images):
    config = crawler.Config(
        registry=[registry.config().registry[0].model_dump() | {"auth": {"key_file": registry.key_file}}],
        images=images,
        output={"path": folder / "out"},
        limits={"concurrency": 16},
        cache={"path": folder / "digests.sqlite"},
    )
    manifest = await crawler.crawl(config)
    return manifest, read_snapshot(folder / "out").by_name


def deep_exchanges(registry) -> dict[str, int]:
    return {kind: registry.emulator.counts[kind] for kind in DEEP}


def found_problems(records) -> set[tuple[str, str]]:
    return {(name, problem["problem"]) for name, record in records.items() for problem in record["problems"]}


async def test_google_digests_cost_nothing_beside_the_listing(google, tmp_path):
    registry = await google(broken=0)
    manifest, records = await deep_crawl(registry, tmp_path, depth="digests")
    assert (manifest.verdict, deep_exchanges(registry)) == ("complete", dict.fromkeys(DEEP, 0))
    for name, record in records.items():
        digests = {image["digest"] for image in record["images"] or ()}
        assert digests == set(registry.emulator.inventory.facts(name))


async def test_google_depth_tags_has_what_the_listing_has(google, tmp_path):
    registry = await google()
    manifest, records = await deep_crawl(registry, tmp_path)
    assert (manifest.depth, deep_exchanges(registry)) == ("tags", dict.fromkeys(DEEP, 0))
    assert comparable(records) == expected(registry.emulator.inventory)
    assert not list(tmp_path.glob("digests*"))


async def test_google_depth_configs_finds_what_the_registry_holds(google, tmp_path):
    registry = await google(giants=0.0, repositories=60, broken=0.1)
    manifest, records = await deep_crawl(registry, tmp_path, depth="configs", referrers="listed")
    assert (manifest.verdict, manifest.reasons) == ("complete", ())
    inventory = registry.emulator.inventory
    assert comparable_images(records) == expected_images(inventory)
    assert found_problems(records) == expected_problems(inventory)


async def test_plain_depth_configs_finds_what_tags_lead_to(google, tmp_path):
    registry = await google(listings="plain", giants=0.0, repositories=60, broken=0.1)
    manifest, records = await deep_crawl(registry, tmp_path, depth="configs", referrers="api")
    assert (manifest.verdict, manifest.reasons) == ("complete", ())
    inventory = registry.emulator.inventory
    found, truth = comparable_images(records), expected_images(inventory)
    for name, images in found.items():
        assert images == {digest: truth[name][digest] for digest in images}
        assert {digest for digest, image in truth[name].items() if image.get("tags")} <= set(images)
    assert found_problems(records) == expected_problems(inventory)


async def test_google_second_night_asks_for_no_digest(google, tmp_path):
    registry = await google(broken=0, repositories=60, giants=0.0)
    first, _ = await deep_crawl(registry, tmp_path, depth="configs")
    asked = deep_exchanges(registry)
    second, _ = await deep_crawl(registry, tmp_path, depth="configs")
    assert deep_exchanges(registry) == asked
    assert asked["manifest"] > 0
    assert (first.verdict, second.verdict, second.cache.misses) == ("complete", "complete", 0)
    assert second.counts == first.counts


@pytest.mark.parametrize("blobs", ["direct", "redirected"])
async def test_google_configs_are_read_where_blobs_redirect(google, tmp_path, blobs):
    registry = await google(broken=0, repositories=30, giants=0.0, blobs=blobs)
    manifest, records = await deep_crawl(registry, tmp_path, depth="configs")
    assert manifest.verdict == "complete"
    assert comparable_images(records) == expected_images(registry.emulator.inventory)
