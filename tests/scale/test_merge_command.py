"""`merge`: what is refused, what is missed, and what is left on the disk."""

import json
import shutil
from hashlib import sha256

import pytest
from aiohttp import web
from support.prometheus import samples
from support.shard_crawls import GROUP, crawl_shards, records_in, shard_config, shard_folders
from support.snapshots import folders, read_snapshot
from support.web_apps import serving_app

import crawler
from crawler.emulator import Emulator

pytestmark = pytest.mark.usefixtures("few_authorities")


def only(paths):
    (path,) = paths
    return path


def shard_path(output, index):
    return only(output.glob(f".shards/{GROUP}/source=*/shard={index:05d}-*"))


async def test_merge_makes_a_snapshot_like_any_other(command, shards):
    assert not folders(shards), "shards are no snapshot"
    ended = await command("merge", "--group", GROUP, "--metrics", "registry.prom")
    assert (ended.code, ended.out) == (0, "")
    assert ended.complaint.endswith(f"COMPLETE: 20 repositories; {folders(shards)[0].relative_to(command.folder)}")
    snapshot = read_snapshot(shards)
    assert snapshot.has_success
    assert (snapshot.manifest["verdict"], snapshot.manifest["shard"], snapshot.manifest["group"]) == (
        "complete",
        None,
        GROUP,
    )
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert evidence.startswith("each of 2 shards has its proof; that of shard 0/2: the catalog listed 20 names")
    assert not (shards / ".shards").exists()
    assert samples((command.folder / "registry.prom").read_text())
    asked = await command("query", "SELECT count(*) AS n FROM repositories", "--format", "json")
    assert json.loads(asked.out) == [{"n": 20}]


async def test_merge_of_a_merged_group_says_so(command, shards):
    assert (await command("merge", "--group", GROUP)).code == 0
    again = await command("merge", "--group", GROUP)
    assert again.code == 0
    assert f"group {GROUP} was merged already: COMPLETE: 20 repositories" in again.complaint
    assert len(folders(shards)) == 1


async def test_merge_of_a_shard_that_came_after_a_complete_merge_adds_nothing(command, shards, tmp_path):
    shutil.copytree(shards / ".shards", tmp_path / "twin")
    assert (await command("merge", "--group", GROUP)).code == 0
    shutil.copytree(tmp_path / "twin", shards / ".shards")
    shutil.rmtree(shard_path(shards, 0))
    again = await command("merge", "--group", GROUP)
    assert again.code == 0
    assert f"group {GROUP} was merged already: COMPLETE" in again.complaint
    assert len(folders(shards)) == 1
    assert not (shards / ".shards").exists()


async def test_merge_without_one_shard_is_partial_and_names_it(command, shards, tmp_path):
    shutil.move(shard_path(shards, 1), tmp_path / "late")
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    assert "discovery may be incomplete: shard 1/2 did not report" in ended.complaint
    assert (await command("merge", "--group", GROUP)).code == 3
    assert len(folders(shards)) == 1, "the same shards make one snapshot"
    assert (await command("merge", "--group", GROUP, "--partial-ok")).code == 0
    shutil.move(tmp_path / "late", shards / only(shards.glob(f".shards/{GROUP}/source=*")) / "shard=00001-of-00002")
    assert (await command("merge", "--group", GROUP)).code == 0
    assert [json.loads((each / "_run.json").read_bytes())["verdict"] for each in folders(shards)] == [
        "partial",
        "complete",
    ]
    assert not (shards / ".shards").exists()


async def test_merge_of_shards_with_other_options_is_refused(command, google, tmp_path):
    world = await google(repositories=20, listings="plain", giants=0)
    for shard, include in (("0/2", ["*"]), ("1/2", ["a*"])):
        await crawler.crawl(shard_config(world, shard, tmp_path / shard[0], registry={"include": include}))
    shutil.copytree(tmp_path / "1", tmp_path / "0", dirs_exist_ok=True)
    ended = await command("merge", "--group", GROUP, "--output", "0")
    assert ended.code == 1
    assert 'are not parts of one snapshot: include was ["*"] and is ["a*"]: give all shards the same' in ended.complaint
    assert len(shard_folders(tmp_path / "0")) == 2
    assert not folders(tmp_path / "0")


async def test_merge_of_catalogs_that_disagree_is_partial(command, google, tmp_path):
    """The second shard reads a catalog with a name that the first one owns and did not see."""
    world = await google(repositories=40, listings="plain", giants=0, vanished=0)
    await crawler.crawl(shard_config(world, "0/2", tmp_path / "snapshots"))
    await crawler.crawl(shard_config(world, "1/2", tmp_path / "snapshots"))
    report = shard_path(tmp_path / "snapshots", 1) / "_shard.json"
    content = json.loads(report.read_bytes())
    names = content["seen"][0]["names"]
    content["seen"][0] = {"names": names + 1, "digest": 12}
    report.write_text(json.dumps(content))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 3
    assert f"shard 1/2 listed {names + 1} names of shard 0/2, which listed {names} itself" in ended.complaint


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "part-00000.jsonl").write_text("{}\n"),
            "is not what the _run.json of shard 1/2",
        ),
        (lambda folder: (folder / "_shard.json").write_text("{}"), "it is not a shard's: parameters: Field required"),
        (lambda folder: (folder / "_shard.json").unlink(), "No such file or directory"),
        (lambda folder: folder.rename(folder.with_name("shard=00001-of-00003")), "holds shard 1/2, not 1/3"),
    ],
    ids=["part", "report", "no-report", "renamed"],
)
async def test_merge_of_a_damaged_shard_is_refused(command, shards, damage, message):
    damage(shard_path(shards, 1))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    assert message in ended.complaint
    assert len(shard_folders(shards)) == 2
    assert not folders(shards)


async def test_merge_never_takes_a_name_twice(command, shards):
    """Two shards with the same record: what no run of ours makes, and no loader should find."""
    first, second = (shard_path(shards, index) for index in (0, 1))
    manifests = [json.loads((each / "_run.json").read_bytes()) for each in (first, second)]
    stolen = (first / "part-00000.jsonl").read_text().replace(manifests[0]["run_id"], manifests[1]["run_id"])
    (second / "part-00000.jsonl").write_text(stolen)
    described = {key: manifests[0]["files"][0][key] for key in ("rows", "bytes", "longest_line")}
    manifests[1]["files"][0] |= described | {"sha256": sha256(stolen.encode()).hexdigest()}
    (second / "_run.json").write_text(json.dumps(manifests[1]))
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    assert "is recorded by shard 1/2 and by another one" in ended.complaint


async def test_merge_is_published_to_the_lake_and_notified(command, shards, tmp_path):
    events = []

    async def receive(request: web.Request) -> web.Response:
        events.append(json.loads(await request.read()))
        return web.Response()

    hook = web.Application()
    hook.router.add_post("/hook", receive)
    async with serving_app(hook) as host:
        wanted = ("--lake", f"file://{tmp_path}/lake", "--notify", f"http://{host}/hook")
        ended = await command("merge", "--group", GROUP, *wanted)
    assert ended.code == 0
    data = only(events)["data"]
    assert (data["verdict"], data["exit_code"]) == ("complete", 0)
    assert data["run_id"] == read_snapshot(shards).manifest["run_id"]
    assert only((tmp_path / "lake" / "_runs").iterdir()).name.startswith(data["run_id"])


async def test_merge_of_a_target_that_fails_does_not_stop_the_next(command, google, shards):
    world = await google(repositories=10, listings="plain", giants=0)
    await crawl_shards(world, 2, shards)
    min(shards.glob(f".shards/{GROUP}/source=*/shard=00001-*/_shard.json")).unlink()
    ended = await command("merge", "--group", GROUP)
    assert ended.code == 1
    assert "No such file or directory" in ended.err
    assert "COMPLETE" in ended.err
    assert len(folders(shards)) == 1


async def test_merge_judges_with_its_own_expectations(command, shards):
    ended = await command("merge", "--group", GROUP, "--expect", "21")
    assert ended.code == 3
    assert "20 repositories found, and at least 21 expected (--expect)" in ended.complaint


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "name the group whose shards are merged: --group ID"),
        (["--group", "../.."], 2, "must be the name of a folder"),
        (["--group", "none"], 1, "there are no shards of group none in snapshots"),
        (["--group", "a", "--output", "-"], 2, "--output: standard output holds no shards"),
        (["not a target", "--group", "a"], 2, "TARGET 'not a target':"),
    ],
)
async def test_merge_says_what_is_wrong(command, options, code, message):
    ended = await command("merge", *options)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.complaint


async def test_merge_takes_each_target_of_a_group(command, google, tmp_path):
    worlds: list[Emulator] = [await google(repositories=count, listings="plain", giants=0) for count in (10, 20)]
    for world in worlds:
        await crawl_shards(world, 2, tmp_path / "snapshots")
    first = worlds[0].emulator.registry
    assert (await command("merge", first, "--group", GROUP)).code == 0
    assert len(shard_folders(tmp_path / "snapshots")) == 2
    assert (await command("merge", "--group", GROUP)).code == 0
    counted = [json.loads((each / "_run.json").read_bytes())["counts"] for each in folders(tmp_path / "snapshots")]
    assert sorted(counts["repositories"] for counts in counted) == [10, 20]


async def test_merge_of_compressed_shards_compresses_as_it_is_told(command, google, tmp_path):
    world = await google(repositories=20, listings="plain", giants=0)
    for shard in ("0/2", "1/2"):
        config = shard_config(world, shard, tmp_path / "snapshots")
        output = config.output.model_copy(update={"compression": "zstd"})
        await crawler.crawl(config.model_copy(update={"output": output}))
    ended = await command("merge", "--group", GROUP, environment={"REGISTRY_CRAWLER_OUTPUT__COMPRESSION": "gzip"})
    assert ended.code == 0
    assert len(records_in(tmp_path / "snapshots")) == 20
    names = [file["name"] for file in read_snapshot(tmp_path / "snapshots").manifest["files"]]
    assert names == ["part-00000.jsonl.gz", "part-00001.jsonl.gz"]


async def test_shards_are_seen_by_no_other_command(command, shards):
    assert (await command("runs", "list", "--format", "json")).out.strip() == "[]"
    assert "there is no snapshot in snapshots" in (await command("query", "SELECT 1")).complaint
    pruned = await command("runs", "prune")
    assert pruned.code == 0
    assert len(shard_folders(shards)) == 2
