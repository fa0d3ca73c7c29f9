"""The list of names that the shards of a group share: who reads the catalog, and what comes of it."""

from contextlib import AsyncExitStack

import pytest
from registries import nexus_api
from registries.gitea_api import OWNER, PACKAGES, packages, registry
from registries.gitea_api import TAGS as GITEA_TAGS
from registries.vocabulary import WITH_PASSWORD
from support.paged_catalogs import (
    CATALOG,
    GROUP,
    NAMES,
    PAGES,
    catalog,
    catalog_page,
    crawl_in_processes,
    listings,
    page_reply,
    pages_asked,
    shard_arguments,
    start_shard,
    until_asked,
)
from support.run_cli import scripted_crawl
from support.scripted import document, html, listing_path, on, refusal, serve, silent
from support.scripted_google import SEARCH, crawling
from support.shard_crawls import records_in
from support.snapshots import read_snapshot

import crawler
from crawler.config import ScaleConfig
from crawler.discovery.ownership import NameHash, Ownership
from crawler.model.shard import Shard

pytestmark = pytest.mark.usefixtures("few_authorities")

SHARDS = ("0/3", "1/3", "2/3")
READ_FOR_THE_GROUP = "for the group)"


async def whole_run(command, server):
    whole = await command(*scripted_crawl(server, "whole", "--kind", "distribution"))
    assert whole.code in {0, 3}, whole.err
    return records_in(command.folder / "whole")


async def merge(command):
    return await command("merge", "--group", GROUP, "--output", "out")


async def test_group_names_are_read_by_one_shard_for_all(command):
    async with serve([*catalog(), *listings()]) as server:
        ended = await crawl_in_processes(command, server, SHARDS)
        assert [each.code for each in ended] == [0, 0, 0], ended
        assert pages_asked(server) == [0, 1, 2], "the catalog was read once"
        whole = await whole_run(command, server)
    assert sum(READ_FOR_THE_GROUP in each.err for each in ended) == 2
    merged = await merge(command)
    assert (merged.code, records_in(command.folder / "out")) == (0, whole), merged.err
    assert sorted(whole) == sorted(NAMES)
    discovery = read_snapshot(command.folder / "out").manifest["discovery"]
    assert (discovery["method"], discovery["pages"]) == ("catalog", 3), "as many pages as the registry was asked for"
    assert not list(command.folder.glob("out/.shards/*")), "the list goes with the shards"


async def test_group_names_go_on_where_the_shard_that_reads_them_is_killed(command):
    """The second page hangs for the first shard that asks for it; a name of the first page is deleted meanwhile."""
    gone = "team-0/deleted"
    script = [
        catalog_page(0, page_reply(0, ([*PAGES[0], gone], *PAGES[1:])), times=1),
        catalog_page(1, silent(), times=1),
        *catalog(),
        *listings(),
        on(listing_path(gone), refusal(404, "NAME_UNKNOWN", "deleted")),
    ]
    async with serve(script) as server, AsyncExitStack() as stack:
        killed = await start_shard(stack, command, server, "0/3")
        await until_asked(server, CATALOG, last="page-1")
        others = [await start_shard(stack, command, server, shard) for shard in SHARDS[1:]]
        for shard in others_of_first_page(server):
            await until_asked(server, listing_path(shard))
        killed.kill()
        ended = [await process.communicate() for process in others]
        assert [process.returncode for process in others] == [0, 0], ended
        assert pages_asked(server) == [0, 1, 0, 1, 2], "one of the others has read the catalog from its beginning"
        resumed = await command(*shard_arguments(server, "0/3", "--resume"))
        assert resumed.code == 0, resumed.err
        assert READ_FOR_THE_GROUP in resumed.err
        assert len(pages_asked(server)) == 5, "a resumed shard finds the list complete"
        whole = await whole_run(command, server)
    merged = await merge(command)
    assert merged.code == 0, merged.err
    records = records_in(command.folder / "out")
    assert records.pop(gone)["outcome"] == "missing"
    assert records == whole


def others_of_first_page(server):
    """A name of the first page for each shard that did not read it."""
    owners = [Ownership(Shard(index, 3), NameHash(server.host)) for index in (1, 2)]
    return [next(name for name in PAGES[0] if owner.owns(name)) for owner in owners]


async def test_group_names_without_proof_make_every_shard_partial(command):
    script = [catalog_page(1, html(500)), *catalog(), *listings()]
    async with serve(script) as server:
        ended = await crawl_in_processes(command, server, SHARDS)
        assert pages_asked(server) == [0, 1]
    assert [each.code for each in ended] == [3, 3, 3]
    reason = "the catalog listed 10 names on 1 page, then failed: GET "
    assert all(reason in each.err for each in ended)
    merged = await merge(command)
    assert merged.code == 3
    assert f"discovery may be incomplete: shards 0-2 of 3: {reason}" in merged.err
    assert merged.err.count(reason) == 1, "one doubt of all shards"
    assert sorted(records_in(command.folder / "out")) == sorted(PAGES[0])


async def test_group_names_that_nobody_may_read_are_asked_for_by_each_shard(command):
    """No shard waits for another one that cannot read either."""
    script = [catalog_page(0, refusal(403, "DENIED", "not for you")), *listings()]
    async with serve(script) as server:
        ended = await crawl_in_processes(command, server, SHARDS[:2], "--discovery", "catalog")
        assert pages_asked(server) == [0, 0]
    assert [each.code for each in ended] == [1, 1]
    assert all("not for you" in each.err for each in ended)


@pytest.mark.parametrize(
    ("option", "notice"),
    [
        (("--names-from", "registry"), ""),
        (("--no-lock",), "the group's list of names is not used: it needs locks, and output.lock is false (--no-lock)"),
    ],
    ids=["names from the registry", "no locks"],
)
async def test_group_names_that_are_not_shared_are_read_by_each_shard(command, option, notice):
    async with serve([*catalog(), *listings()]) as server:
        for shard in ("0/2", "1/2"):
            ended = await command(*shard_arguments(server, shard, *option))
            assert ended.code == 0
            assert notice in ended.err
            assert READ_FOR_THE_GROUP not in ended.err
        assert pages_asked(server) == [0, 1, 2] * 2
    assert not list(command.folder.glob("out/.shards/*/*/names/list.jsonl"))
    assert (await merge(command)).code == 0
    assert sorted(records_in(command.folder / "out")) == sorted(NAMES)


async def test_group_names_of_shards_without_a_common_folder_are_read_by_each(command):
    async with serve([*catalog(), *listings()]) as server:
        for shard in SHARDS[:2]:
            assert (await command(*shard_arguments(server, shard, output=f"disk-{shard[0]}"))).code == 0
        assert pages_asked(server) == [0, 1, 2] * 2


async def test_group_names_from_is_checked(command):
    ended = await command("crawl", "127.0.0.1:1", "--shard", "0/2", "--group", GROUP, "--names-from", "elsewhere")
    assert ended.code == 2
    assert ended.complaint == ("--names-from: scale.names_from: must be one of group or registry (got 'elsewhere')")


async def test_group_names_of_a_products_api_are_read_once(tmp_path):
    """Also which source answers is found out once: the catalog, where the API is closed."""
    async with serve([packages(document({"message": "no"}, status=403)), *registry()]) as server:
        table = {"target": f"{server.host}/{OWNER}", "kind": "gitea", "discovery": "api", **WITH_PASSWORD}
        config = crawler.Config(registry=[table], output={"path": tmp_path}, limits={"attempts": 1})
        runs = await shards_of(config)
    assert [run.discovery.method for run in runs] == ["catalog"] * 3
    assert (len(server.asked(PACKAGES)), len(server.asked(CATALOG))) == (1, 1)
    assert sum(run.counts.repositories for run in runs) == len(GITEA_TAGS)
    assert "(tried: api: GET " in runs[2].discovery.evidence


async def shards_of(config):
    """Crawl with one shard after another, within this process."""
    scales = (ScaleConfig(shard=shard, group=GROUP) for shard in SHARDS)
    return [await crawler.crawl(config.model_copy(update={"scale": scale})) for scale in scales]


async def test_group_names_of_googles_catalog_are_read_once(tmp_path):
    """Only the catalog: in the projects and their repositories, which are asked for first, each shard opens its own."""
    async with serve([on(SEARCH, document({})), *catalog(), *listings()]) as server:
        config = crawling(server.host, tmp_path, kind="gcr", apis={"resource_manager": server.origin})
        runs = await shards_of(config)
    assert [run.discovery.method for run in runs] == ["catalog"] * 3
    assert (len(server.asked(SEARCH)), pages_asked(server)) == (3, [0, 1, 2])
    assert sum(run.counts.repositories for run in runs) == len(NAMES)


async def test_group_names_that_come_with_their_images_are_read_by_each_shard(tmp_path):
    async with serve([*nexus_api.pages(nexus_api.stored(nexus_api.INVENTORY)), *nexus_api.registry()]) as server:
        table = {"target": server.host, "kind": "nexus", "api_path": nexus_api.API_PATH, **WITH_PASSWORD}
        table |= {"discovery": "api", "images_from": "api"}
        runs = await shards_of(crawler.Config(registry=[table], output={"path": tmp_path / "out"}))
    assert [run.discovery.method for run in runs] == ["api"] * 3
    assert len(server.asked(nexus_api.COMPONENTS)) == 3 * 2
    assert sum(run.counts.repositories for run in runs) == len(nexus_api.TAGS)
    assert sum(run.counts.images for run in runs if run.counts.images) > 0
