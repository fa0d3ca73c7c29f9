"""`registry-crawler plan --shard`: what one of several processes would cost, beside what it costs then."""

import asyncio
import json

import pytest
from support.plan_nights import Nights
from support.scripted import plain_registry, serve
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of
from support.scripted_images import manifests
from support.shard_crawls import GROUP

import crawler
from crawler.config import ScaleConfig

pytestmark = pytest.mark.usefixtures("few_authorities")

TAGS = {f"team/r{number:02}": tuple(map(str, range(1 + number % 7 * 3))) for number in range(30)}
IMAGES = {str(tag): image_of(config_of(str(tag))) for tag in range(19)}
SHARDS = ("0/3", "1/3", "2/3")


def registry():
    """Thirty repositories of one to nineteen tags."""
    images = [entry for name, tags in TAGS.items() for entry in manifests(name, {tag: IMAGES[tag] for tag in tags})]
    return [*images, *plain_registry(TAGS)]


def of_shard(*shard):
    return ("--shard", *shard, "--group", GROUP)


async def crawl_shard(nights, shard):
    config = crawler.Config.load(nights.file)
    return await crawler.crawl(config.model_copy(update={"scale": ScaleConfig(shard=shard, group=GROUP)}))


async def test_plan_of_a_shard_counts_what_it_owns_by_the_last_snapshot(command):
    async with serve(registry()) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "digests"})
        await nights.crawl()
        plans = [await nights.plan(*of_shard(shard)) for shard in SHARDS]
        crawled = await asyncio.gather(*(crawl_shard(nights, shard) for shard in SHARDS))
    for plan, run_manifest in zip(plans, crawled, strict=True):
        planned, truth = plan["exchanges"]["by_kind"], run_manifest.requests.by_kind
        assert (planned["listing"], planned["manifest"]) == (truth["listing"], truth["manifest"])
        assert planned["catalog"] == 1, "any shard may be the one that reads the names"
        named = f"{run_manifest.counts.repositories} of them are those of shard {run_manifest.shard}"
        assert named in plan["evidence"][0]
    assert [plan["shard"] for plan in plans] == list(SHARDS)


async def test_plan_of_a_shard_without_a_snapshot_counts_the_names_that_it_owns(command):
    async with serve(registry()) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "tags"}, limits={"rate": "30/s"})
        whole = await nights.plan()
        plan = await nights.plan(*of_shard("1/3"))
        crawled = await crawl_shard(nights, "1/3")
    assert whole["exchanges"]["by_kind"] == {"catalog": 1, "listing": 30, "ping": 1}
    assert plan["exchanges"]["by_kind"] == crawled.requests.by_kind
    assert plan["exchanges"]["total"] < 20
    assert plan["evidence"][-1] == f"{crawled.counts.repositories} of 30 names are those of shard 1/3"
    assert "10/s: the configured rate" in plan["pace"], "its part of the rate"


async def test_plan_of_a_shard_has_its_part_of_the_budget(command):
    async with serve(registry()) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "digests"}, limits={"budget": 30})
        await nights.crawl()
        plan = await nights.plan(*of_shard("0/3"), "--expect", "30")
    assert plan["exchanges"]["by_kind"]["manifest"] == 10


async def test_plan_of_a_shard_says_whose_it_is_and_writes_nothing(command):
    async with serve(registry()) as server:
        ended = await command("plan", server.host, *of_shard("2/3"))
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"PLAN: {server.host}, depth tags, referrers none, shard 2/3\n")
    assert not (command.folder / "snapshots").exists()
    assert json.loads((await plan_of_whole(command)).out)["shard"] is None


async def plan_of_whole(command):
    async with serve(registry()) as server:
        return await command("plan", server.host, "--format", "json")
