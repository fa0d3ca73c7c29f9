"""Depth on Google: the listing names digests, so only unknown digests cost anything."""

import pytest
from support.depth_truth import expected_images, expected_problems, found_images
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


async def test_google_digests_cost_nothing_beside_the_listing(google, tmp_path):
    registry = await google(broken=0)
    manifest, records = await deep_crawl(registry, tmp_path, depth="digests")
    assert (manifest.verdict, deep_exchanges(registry)) == ("complete", dict.fromkeys(DEEP, 0))
    for name, record in records.items():
        assert {image["digest"] for image in record["images"] or ()} == set(
            expected_images(registry.emulator.inventory, name)
        )


async def test_google_depth_tags_is_what_it_was(google, tmp_path):
    registry = await google()
    manifest, records = await deep_crawl(registry, tmp_path)
    assert (manifest.depth, deep_exchanges(registry)) == ("tags", dict.fromkeys(DEEP, 0))
    assert comparable(records) == expected(registry.emulator.inventory)
    assert not list(tmp_path.glob("digests*"))


@pytest.mark.parametrize("listings", ["google", "plain"])
async def test_depth_configs_finds_what_the_registry_holds(google, tmp_path, listings):
    registry = await google(listings=listings, giants=0.0, repositories=60)
    inventory = registry.emulator.inventory
    manifest, records = await deep_crawl(registry, tmp_path, depth="configs")
    assert (manifest.verdict, manifest.reasons) == ("complete", ())
    for name, record in records.items():
        if record["outcome"] == "ok":
            truth = expected_images(inventory, name)
            found = found_images(record)
            tagged = {digest for digest, image in truth.items() if image["tags"]}
            assert (set(found) == set(truth)) if listings == "google" else tagged <= set(found) | missing(record)
            assert found == {digest: truth[digest] for digest in found}
            if listings == "google":
                problems = expected_problems(inventory, name)
                problems.pop("orphan-referrer", None)  # referrers are not asked for
                assert sorted(each["problem"] for each in record["problems"]) == sorted(problems.elements())


def missing(record) -> set[str]:
    """Digests of the tags that dangle."""
    return {each["digest"] for each in record["problems"]}


async def test_google_second_night_asks_for_no_digest(google, tmp_path):
    registry = await google(broken=0)
    first, _ = await deep_crawl(registry, tmp_path, depth="configs")
    asked = deep_exchanges(registry)
    second, _ = await deep_crawl(registry, tmp_path, depth="configs")
    assert deep_exchanges(registry) == asked
    assert asked["manifest"] > 0
    assert (first.verdict, second.verdict, second.cache.misses) == ("complete", "complete", 0)
    assert second.counts == first.counts
