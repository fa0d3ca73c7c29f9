"""What several shards crawl, merged: the snapshot of one run, record for record."""

import asyncio

import pytest
from support.run_cli import google_crawl
from support.scripted import document, on, serve
from support.scripted_google import IMAGE, crawling, node, repository
from support.shard_crawls import GROUP, crawl_shards, crawl_whole, records_in, shard_config, shard_folders
from support.snapshots import read_snapshot

import crawler
from crawler.config import ScaleConfig
from crawler.emulator import ArtifactRegistry
from crawler.errors import SnapshotError

pytestmark = pytest.mark.usefixtures("few_authorities")

SOURCES = {
    "catalog": ({"listings": "plain"}, {}),
    "filtered catalog": ({"listings": "plain"}, {"include": ["*/*/*"], "exclude": ["*-a*"]}),
    "walk": ({}, {"discovery": "walk", "kind": "gcr"}),
    "filtered walk": ({}, {"discovery": "walk", "kind": "gcr", "exclude": ["*api*"]}),
}


@pytest.mark.parametrize("source", SOURCES)
async def test_shards_record_what_one_run_records(google, command, tmp_path, source):
    emulated, registry = SOURCES[source]
    method = source.split()[-1]
    world = await google(repositories=50, giants=0, empty=0.06, denied=0.04, vanished=0.04, **emulated)
    if method == "walk":
        registry = {**registry, "target": f"{world.emulator.registry}/my-project"}
    whole = await crawl_whole(world, tmp_path / "whole", registry=registry)
    shards = await crawl_shards(world, 4, tmp_path / "parts", registry=registry)
    assert {manifest.discovery.method for manifest in shards} == {method}
    assert sum(manifest.counts.repositories > 0 for manifest in shards) > 1
    merged = await command("merge", "--group", GROUP, "--output", tmp_path / "parts")
    assert merged.code == 3
    assert records_in(tmp_path / "parts") == records_in(tmp_path / "whole")
    snapshot = read_snapshot(tmp_path / "parts")
    assert snapshot.manifest["counts"] == read_snapshot(tmp_path / "whole").manifest["counts"]
    not_of_discovery = [reason for reason in whole.reasons if not reason.startswith("discovery")]
    assert snapshot.manifest["reasons"][-len(not_of_discovery) :] == not_of_discovery


@pytest.mark.parametrize("images_from", ["listing", "api"])
async def test_shards_share_the_repositories_of_artifact_registry(google, command, tmp_path, images_from):
    world = await google(repositories=40, giants=0, artifact_registry=ArtifactRegistry(repositories_per_location=4))
    url = f"http://{world.emulator.registry}"
    apis = {"artifact_registry": url, "resource_manager": url}
    registry = {"kind": "artifact-registry", "location": "us-central1", "discovery": "artifact-registry"}
    registry |= {"images_from": images_from, "apis": apis}
    await crawl_whole(world, tmp_path / "whole", registry=registry)
    shards = await crawl_shards(world, 3, tmp_path / "parts", registry=registry)
    assert sum(manifest.counts.repositories > 0 for manifest in shards) > 1
    assert (await command("merge", "--group", GROUP, "--output", tmp_path / "parts")).code == 0
    assert records_in(tmp_path / "parts") == records_in(tmp_path / "whole")


@pytest.mark.slow
async def test_shards_read_images_and_find_the_bases_that_others_have_read(google, command, tmp_path):
    world = await google(repositories=20, listings="plain", giants=0, broken=0.1)
    deep = {"images": {"depth": "configs", "referrers": "listed"}}
    await crawl_whole(world, tmp_path / "first", **deep)  # tags that vanish while they are read are gone after it
    await crawl_whole(world, tmp_path / "whole", **deep)
    await crawl_shards(world, 3, tmp_path / "parts", **deep)
    assert (await command("merge", "--group", GROUP, "--output", tmp_path / "parts")).code == 0
    whole = records_in(tmp_path / "whole")
    configs = [image["config"] for each in whole.values() for image in each["images"] or () if image["config"]]
    assert "layers" in {config["base_from"] for config in configs}
    assert records_in(tmp_path / "parts") == whole
    assert [path.name for path in (tmp_path / "parts" / ".cache").glob("*.sqlite")] == ["digests.sqlite"]


async def test_shards_of_the_next_night_are_balanced_by_the_last_one(google, command, tmp_path):
    world = await google(repositories=40, listings="plain", giants=0)
    deep = {"images": {"depth": "digests"}}
    await crawl_whole(world, tmp_path / "first", **deep)  # as above
    await crawl_whole(world, tmp_path / "out", **deep)
    shards = await crawl_shards(world, 3, tmp_path / "out", **deep)
    heaviest = max(len(record["tags"]) for record in records_in(tmp_path / "out").values())
    tags = [manifest.counts.tags for manifest in shards]
    assert max(tags) <= max(1.2 * sum(tags) / 3, heaviest)
    whole = records_in(tmp_path / "out")
    assert (await command("merge", "--group", GROUP, "--output", tmp_path / "out")).code == 0
    assert records_in(tmp_path / "out") == whole


async def test_shards_of_a_walk_divide_a_subtree_that_is_too_heavy(google, command, tmp_path):
    world = await google(repositories=60, giants=0)
    registry = {"discovery": "walk", "kind": "gcr", "target": f"{world.emulator.registry}/my-project"}
    await crawl_whole(world, tmp_path, registry=registry)
    whole = records_in(tmp_path)
    shards = await crawl_shards(world, 8, tmp_path, registry=registry)
    # a team is a subtree, and several teams have more than an eighth of the repositories
    assert max(manifest.counts.repositories for manifest in shards) <= 2 * len(whole) / 8
    assert (await command("merge", "--group", GROUP, "--output", tmp_path)).code == 0
    assert records_in(tmp_path) == whole
    assert read_snapshot(tmp_path).manifest["group"] == GROUP


async def test_shards_record_a_folder_that_all_of_them_open_once(command, tmp_path):
    """A node above the cut may be a repository, too."""
    script = [node("acme", "team", "lib", images=IMAGE), repository("acme/team"), repository("acme/lib")]
    async with serve([on("/v2/", document({})), *script]) as server:
        config = crawling(f"{server.host}/acme", tmp_path, discovery="walk")
        for shard in ("0/3", "1/3", "2/3"):
            await crawler.crawl(config.model_copy(update={"scale": ScaleConfig(shard=shard, group=GROUP)}))
    ended = await command("merge", "--group", GROUP, "--output", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert sorted(records_in(tmp_path / "out")) == ["acme", "acme/lib", "acme/team"]


async def test_shards_of_one_index_that_run_at_once_count_once(google, command, tmp_path):
    world = await google(repositories=60, listings="plain", latency_s=0.01)
    twins = [crawler.crawl(shard_config(world, "0/2", tmp_path)) for _ in range(6)]
    assert len({each.run_id for each in await asyncio.gather(*twins)}) == 1
    await crawler.crawl(shard_config(world, "1/2", tmp_path))
    assert shard_folders(tmp_path) == ["shard=00000-of-00002", "shard=00001-of-00002"]
    assert not any((tmp_path / ".unfinished").iterdir())
    assert (await command("merge", "--group", GROUP, "--output", tmp_path)).code == 0
    assert len(records_in(tmp_path)) == 60


async def test_shard_with_other_options_is_refused_before_it_crawls(google, tmp_path):
    world = await google(repositories=20, listings="plain")
    await crawler.crawl(shard_config(world, "0/2", tmp_path))
    with pytest.raises(SnapshotError, match=r"begun with other options: exclude was \[\] and is \[\"a\*\"\]: give all"):
        await crawler.crawl(shard_config(world, "1/2", tmp_path, registry={"exclude": ["a*"]}))
    with pytest.raises(SnapshotError, match="shards was 2 and is 3"):
        await crawler.crawl(shard_config(world, "1/3", tmp_path))
    assert shard_folders(tmp_path) == ["shard=00000-of-00002"]


async def test_shard_leaves_to_the_merge_what_concerns_the_whole(google, command, tmp_path):
    world = await google(repositories=20, listings="plain")
    more = ("--metrics", "shard.prom", "--expect", "20", "--max-shrink", "1%")
    ended = await command(*google_crawl(world, "--shard", "0/2", "--group", GROUP, *more))
    assert ended.code == 0
    assert f"  shard        0/2 of group {GROUP}: `merge --group {GROUP}` makes the snapshot" in ended.err
    assert not (command.folder / "shard.prom").exists()
    again = await command(*google_crawl(world, "--shard", "0/2", "--group", GROUP))
    assert again.code == 0
    assert "is there already, as run" in again.err
    assert shard_folders(world.output) == ["shard=00000-of-00002"]


async def test_shard_of_a_merged_group_is_refused(google, command, tmp_path):
    world = await google(repositories=20, listings="plain")
    await crawl_shards(world, 2, tmp_path)
    assert (await command("merge", "--group", GROUP, "--output", tmp_path)).code == 0
    with pytest.raises(SnapshotError, match=f"group {GROUP} of .* is merged already, as run .*: use another --group"):
        await crawler.crawl(shard_config(world, "1/2", tmp_path))
    assert not (tmp_path / ".shards").exists()


async def test_shard_of_a_group_of_another_night_is_refused(google, tmp_path):
    world = await google(repositories=20, listings="plain")
    await crawler.crawl(shard_config(world, "0/2", tmp_path))
    (terms,) = tmp_path.glob(".shards/*/*/terms.json")
    text = terms.read_text()
    begun = text.partition('"started_at": "')[2][:10]
    terms.write_text(text.replace(begun, "2026-01-01"))
    with pytest.raises(SnapshotError, match=r"resume\.within is 20 h: use another --group for each night"):
        await crawler.crawl(shard_config(world, "1/2", tmp_path))
