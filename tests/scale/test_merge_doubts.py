"""`merge`: shards that do not prove one snapshot together. It is partial then, or nothing is published."""

import json
import shutil
from functools import partial

import pytest
from support.scripted import document, on, serve
from support.scripted_google import SEARCH, crawling, repository
from support.shard_crawls import GROUP, crawl_shards, shard_folders
from support.snapshots import folders, read_snapshot

import crawler
from crawler.config import ScaleConfig
from crawler.discovery.ownership import NameHash, Ownership
from crawler.model.shard import Shard
from crawler.scale.shard_numbers import shards_text

pytestmark = pytest.mark.usefixtures("few_authorities")

NAMES = [f"acme/team-{number}/app" for number in range(40)]


def edit(output, index, file, change):
    """Change a JSON file of a shard."""
    (path,) = output.glob(f".shards/{GROUP}/source=*/shard={index:05d}-*/{file}")
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def change_discovery(found, run_manifest):
    run_manifest["discovery"].update(found)


async def crawl_two(server, folder, **registry):
    """Each shard reads the names itself."""
    config = crawling(server.host, folder, **registry)
    for shard in ("0/2", "1/2"):
        scale = ScaleConfig(shard=shard, group=GROUP, names_from="registry")
        await crawler.crawl(config.model_copy(update={"scale": scale}))


@pytest.mark.parametrize(
    ("kind", "second"),
    [("gcr", NAMES[:1]), ("distribution", NAMES[:1]), ("distribution", [])],
    ids=["google", "other", "empty"],
)
async def test_merge_is_partial_where_a_shard_was_shown_less_of_its_own(command, tmp_path, kind, second):
    catalogs = [on("/v2/_catalog", document({"repositories": names}), times=1) for names in (NAMES, second)]
    no_projects = on(SEARCH, document({}))  # on Google's hosts, the catalog follows the API
    async with serve([on("/v2/", document({})), no_projects, *catalogs, *map(repository, NAMES)]) as server:
        await crawl_two(server, tmp_path, kind=kind, apis={"resource_manager": server.origin})
    ended = await command("merge", "--group", GROUP, "--output", tmp_path / "out")
    assert ended.code == 3
    assert "names of shard 1/2, which listed" in ended.complaint
    assert not read_snapshot(tmp_path / "out").has_success


async def test_merge_is_partial_where_lists_of_names_differ(command, tmp_path):
    """The list of the second shard has more names of its own, and lacks some that the first one's has."""
    listed = tmp_path / "names"
    async with serve([on("/v2/", document({})), *map(repository, NAMES)]) as server:
        first = Ownership(Shard(0, 2), NameHash(server.host))
        own = [name for name in NAMES if not first.owns(name)]
        assert len(own) > 2
        config = crawling(server.host, tmp_path, kind="distribution", repositories_from=listed)
        for shard, left_out in (("0/2", own[1:]), ("1/2", own[:1])):
            listed.write_text("\n".join(name for name in NAMES if name not in left_out))
            await crawler.crawl(config.model_copy(update={"scale": ScaleConfig(shard=shard, group=GROUP)}))
    ended = await command("merge", "--group", GROUP, "--output", tmp_path / "out")
    assert ended.code == 3
    assert "shard 0/2 listed 1 name of shard 1/2, which listed" in ended.complaint


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (
            lambda manifest: manifest["discovery"].update(method="api"),
            "the shards found names by different methods: catalog (shard 0/2), api (shard 1/2)",
        ),
        (
            lambda manifest: manifest.update(identity="other@example.com"),
            "other@example.com (shard 1/2)",
        ),
    ],
    ids=["method", "identity"],
)
async def test_merge_is_partial_where_shards_did_not_crawl_alike(command, shards, change, doubt):
    edit(shards, 1, "_run.json", change)
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    assert doubt in ended.complaint


async def test_merge_says_a_doubt_of_all_shards_once(command, google, tmp_path):
    """The first shard has read the names for all: what it could not prove, none of them could."""
    world = await google(repositories=20, listings="plain", giants=0)
    await crawl_shards(world, 6, tmp_path / "snapshots", but=4)
    doubt = "the catalog listed 20 names on 1 page: the last page has no end"
    for index in (0, 1, 2, 3, 5):
        reader = "" if index == 1 else " (read by shard 1/6 for the group)"
        found = {"complete": False, "evidence": f"{doubt}{reader}"}
        edit(tmp_path / "snapshots", index, "_run.json", partial(change_discovery, found))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    expected = f"shard 4/6 did not report; shards 0-3 and 5 of 6: {doubt} (read by shard 1/6 for the group); "
    assert f"discovery may be incomplete: {expected}" in ended.complaint
    assert ended.complaint.count(doubt) == 1


async def test_merge_says_once_what_all_others_saw_of_a_shard(command, google, tmp_path):
    world = await google(repositories=40, listings="plain", giants=0)
    await crawl_shards(world, 6, tmp_path / "snapshots")
    for index in (0, 1, 3, 4, 5):
        edit(tmp_path / "snapshots", index, "_shard.json", lambda report: report["seen"][2].update(names=99, digest=7))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    assert "discovery may be incomplete: shards 0-1 and 3-5 of 6 listed 99 names of shard 2/6, which" in ended.complaint
    assert ended.complaint.count("99 names") == 1


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([3], "shard 3/64"),
        ([4, 3], "shards 3-4 of 64"),
        ([1, 2, 3, 9], "shards 1-3 and 9 of 64"),
        ([*range(1, 8), 9, 11, 12, *range(20, 30), 40, 63], "shards 1-7, 9, 11-12 and 12 more of 64"),
        (range(64), "shards 0-63 of 64"),
    ],
)
def test_shards_of_a_doubt_are_named_in_few_words(numbers, text):
    assert shards_text([Shard(number, 64) for number in numbers]) == text


async def test_merge_is_partial_where_a_name_too_many_hides_one_too_few(command, shards):
    edit(shards, 0, "_shard.json", lambda report: report.update(names=report["names"] + 1))
    edit(shards, 1, "_shard.json", lambda report: report.update(names=report["names"] - 1))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    assert "1 name has no record" in ended.complaint


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("_run.json", lambda run_manifest: run_manifest.update(started_at="yesterday")),
        ("_run.json", lambda run_manifest: run_manifest.update(finished_at="2026-11-27T02:00:00")),
        ("_shard.json", lambda report: report["parameters"].update(agreed_at="27 November")),
    ],
    ids=["started_at", "finished_at", "agreed_at"],
)
async def test_merge_refuses_a_shard_without_usable_times(command, shards, file, change):
    edit(shards, 1, file, change)
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    assert "shard=00001-of-00002: a time in its files is none: copy the shard's folder again" in ended.complaint
    assert not folders(shards)


async def test_merge_refuses_shards_of_two_nights(command, shards):
    """A fixed group id, and a shard of last night that nobody removed where the others are copied to."""
    edit(shards, 1, "_run.json", lambda manifest: manifest.update(started_at="2026-01-01T00:00:00.000Z"))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    assert "shards 1/2 and 0/2" in ended.complaint
    assert "use another --group for each night" in ended.complaint
    assert len(shard_folders(shards)) == 2
    assert not folders(shards)


async def test_merge_keeps_shards_that_began_after_their_group_was_merged(command, google, tmp_path):
    """A fixed group id, and shards from several disks, which cannot see that last night's group is merged."""
    world = await google(repositories=20, listings="plain", giants=0)
    await crawl_shards(world, 2, tmp_path / "snapshots")
    assert (await command("merge", "--group", GROUP)).code == 0
    await crawl_shards(world, 2, tmp_path / "pods")
    shutil.copytree(tmp_path / "pods" / ".shards", tmp_path / "snapshots" / ".shards")
    again = await command("merge", "--group", GROUP)
    assert again.code == 1
    assert f"group {GROUP} of" in again.complaint
    assert "began after" in again.complaint
    assert "use another --group for each night" in again.complaint
    assert len(shard_folders(tmp_path / "snapshots")) == 2


async def test_merge_that_is_refused_leaves_no_copy_of_the_records(command, shards):
    (part,) = shards.glob(f".shards/{GROUP}/source=*/shard=00001-*/part-00000.jsonl")
    part.write_text("{}\n")
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    (group,) = shards.glob(f".shards/{GROUP}/source=*")
    assert {each.name for each in group.iterdir()} <= {"terms.json", "lock", "names", *shard_folders(shards)}


async def test_merge_removes_what_a_killed_merge_left(command, shards):
    (group,) = shards.glob(f".shards/{GROUP}/source=*")
    kept = shards.parent / "kept"
    shutil.copytree(group, kept)
    assert (await command("merge", "--group", GROUP)).code == 0
    shutil.copytree(kept, group.with_name(f".{group.name}.dropped"))
    again = await command("merge", "--group", GROUP)
    assert again.code == 0
    assert "was merged already" in again.complaint
    assert not (shards / ".shards").exists()
