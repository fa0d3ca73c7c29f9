"""`registry-crawler plan` as its user meets it: what it prints, what it leaves alone, and how it ends."""

import asyncio
import json
import re
import sqlite3

import pytest
from support.plan_nights import Nights, far_off, files_in
from support.run_cli import ONE_TRY
from support.scripted import document, listing_path, on, plain_registry, refusal, serve
from support.scripted_images import blobs, manifests, unchanged
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of

from crawler.emulator import ArtifactRegistry

TAGS = {f"team/r{number:02}": ("1", "2") for number in range(8)}
IMAGES = {tag: image_of(config_of(tag)) for tag in ("1", "2")}
DEEP = {"depth": "digests"}


def deep_registry():
    """Eight repositories of two tags, which answer 304 where a tag has not moved."""
    known = [unchanged(name, tag, content) for name in TAGS for tag, content in IMAGES.items()]
    return [*known, *(entry for name in TAGS for entry in manifests(name, IMAGES)), *plain_registry(TAGS)]


def rows(text: str) -> dict[str, list[str]]:
    """The lines of a printed plan by their first word."""
    found: dict[str, list[str]] = {}
    for label, value in re.findall(r"^  (\S+) +(.+)$", text, re.MULTILINE):
        found.setdefault(label, []).append(value)
    return found


async def test_plan_prints_what_a_crawl_would_cost(command):
    async with serve(deep_registry()) as server:
        ended = await command("plan", server.host, "--depth", "digests")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"PLAN: {server.host}, depth digests, referrers none\n")
    printed = rows(ended.out)
    assert printed["exchanges"] == ["26"]
    assert printed["kinds"] == ["1 catalog, 8 listing, 16 manifest, 1 ping"]
    assert printed["evidence"] == ["all 8 repositories", "all of their 16 tags and images were read"]
    assert printed["asked"] == ["26 exchanges for this plan: 1 catalog, 8 listing, 16 manifest, 1 ping"]
    assert printed["time"][0].startswith("about ")
    assert "limited by" in printed["time"][0]


async def test_plan_of_an_empty_registry_names_nothing_cheaper(command):
    async with serve(plain_registry(repositories={})) as server:
        ended = await command("plan", server.host)
    assert (ended.code, ended.err) == (0, "")
    assert rows(ended.out)["exchanges"] == ["2"]
    assert "cheaper" not in ended.out


async def test_plan_writes_nothing(command):
    async with serve(deep_registry()) as server:
        nights = Nights(command, {"target": server.host}, images=DEEP)
        before = files_in(command.folder)
        await nights.plan()
        assert files_in(command.folder) == before
        await nights.crawl()
        files = {path: path.stat().st_mtime_ns for path in files_in(command.folder) if path.is_file()}
        cache = (nights.output / ".cache" / "digests.sqlite").read_bytes()
        await nights.plan()
        assert {path: path.stat().st_mtime_ns for path in files_in(command.folder) if path.is_file()} == files
        assert (nights.output / ".cache" / "digests.sqlite").read_bytes() == cache


async def test_plan_of_a_later_night_asks_little_and_knows_what_the_cache_has(command):
    async with serve(deep_registry()) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "manifests"})
        await nights.crawl()
        server.requests.clear()
        planned = await nights.plan()
        asked = len(server.requests)
    assert planned["exchanges"]["by_kind"] == {"catalog": 1, "listing": 8, "manifest": 16, "ping": 1}
    assert asked == planned["asked"]["total"] < 20
    assert planned["evidence"][0].endswith(": 8 repositories, 16 tags")
    assert planned["evidence"][1].startswith("the digest cache has all manifests and configs of it")


async def test_plan_without_the_cache_counts_what_is_to_be_read_again(command):
    """Tags bring their manifests, so that only children and configs are asked for by their digests."""
    async with serve([*config_blobs(), *deep_registry()]) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "configs"})
        await nights.crawl()
        known = (await nights.plan())["exchanges"]["by_kind"]
        unknown = (await nights.plan("--cache", "none"))["exchanges"]["by_kind"]
    assert known == {"catalog": 1, "listing": 8, "manifest": 16, "ping": 1}
    assert unknown == {**known, "blob": 2}


async def test_plan_notes_that_there_are_more_repositories_now(command):
    more = {**TAGS, **{f"team/s{number}": ("1", "2") for number in range(4)}}
    grown = on("/v2/_catalog", document({"repositories": list(more)}), state="grown")
    async with serve([grown, *plain_registry(TAGS)]) as server:
        nights = Nights(command, {"target": server.host})
        await nights.crawl()
        server.enter("grown")
        planned = await nights.plan()
    assert planned["exchanges"]["by_kind"] == {"catalog": 1, "listing": 12, "ping": 1}
    assert planned["evidence"][1] == "discovery (catalog) lists 12 repositories now"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--include", "team/r00", "--auth", "anonymous"), "it was taken with other options (include, auth.method)"),
        (("--images-from", "listing", "--kind", "harbor"), "it was taken with other options (kind, images_from)"),
    ],
)
async def test_plan_says_why_a_snapshot_was_not_used(command, options, reason):
    async with serve(deep_registry()) as server:
        nights = Nights(command, {"target": server.host}, images=DEEP)
        await nights.crawl()
        planned = await nights.plan(*options)
    (note,) = planned["notes"]
    assert note.endswith(f" was not used: {reason}")
    assert planned["evidence"][0].startswith("all ")


async def test_plan_keeps_to_the_bound_and_says_what_it_saw(command):
    """There are too many repositories to list each, and too many tags to read each."""
    many = {f"r{number:03}": tuple(map(str, range(20))) for number in range(150)}
    images = [entry for name in many for entry in manifests(name, dict.fromkeys(many[name], IMAGES["1"]))]
    async with serve([*images, *plain_registry(many)]) as server:
        planned = await Nights(command, {"target": server.host}, images=DEEP).plan()
        asked = len(server.requests)
    assert asked == planned["asked"]["total"] <= 100
    assert planned["asked"]["by_kind"]["listing"] > 20
    assert planned["exchanges"]["most"] == planned["exchanges"]["total"], "all repositories are alike"
    assert planned["exchanges"]["by_kind"] == {"catalog": 1, "listing": 150, "manifest": 3_000, "ping": 1}
    assert " of 150 repositories, which are all that discovery (catalog) lists" in planned["evidence"][0]


async def test_plan_has_a_range_that_holds_the_truth(google, command):
    """Repositories differ: some of them say only roughly how many tags all of them have."""
    registry = await google(repositories=120, giants=0.0, seed=4, listings="plain", broken=0.0)
    table = {
        "target": registry.emulator.registry,
        "auth": {"method": "json-key", "key_file": str(registry.key_file)},
    }
    nights = Nights(command, table, images=DEEP)
    planned, crawled = (await nights.plan())["exchanges"], await nights.crawl()
    assert planned["least"] < planned["total"] < planned["most"]
    assert planned["least"] <= crawled["total"] <= planned["most"]
    assert not planned["is_lower_bound"]


def google_registry(registry, kind, **table):
    api = f"http://{registry.emulator.registry}"
    return {
        "target": f"{registry.emulator.registry}/my-project",
        "kind": kind,
        "location": "us-central1" if kind == "artifact-registry" else "us",
        "auth": {"method": "access-token", "key_file": str(registry.key_file)},
        "apis": {"artifact_registry": api, "resource_manager": api},
        **table,
    }


async def test_plan_stops_within_a_list_that_takes_too_many_exchanges(google, command):
    """The API has one image on a page, so that not even the first repository is read to its end."""
    role = ArtifactRegistry(projects=("my-project",), repositories_per_location=1, api_page=1)
    registry = await google(repositories=150, artifact_registry=role)
    table = google_registry(registry, "artifact-registry", discovery="artifact-registry", images_from="api")
    planned = await Nights(command, table).plan()
    assert planned["exchanges"]["is_lower_bound"]
    assert 100 <= planned["exchanges"]["least"] <= planned["asked"]["total"] <= 140
    assert planned["evidence"][0].startswith("0 of at least 0 repositories: discovery (artifact-registry) was not read")


@pytest.mark.parametrize(("catalog", "is_lower_bound"), [("full", False), ("empty", True)])
async def test_plan_of_many_folders_has_their_number_from_another_source(google, command, catalog, is_lower_bound):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project",))
    registry = await google(repositories=100, giants=0.0, catalog=catalog, artifact_registry=role)
    nights = Nights(command, google_registry(registry, "gcr"))
    planned = await nights.plan()
    assert far_off(planned, await nights.crawl()).keys() <= {"bytes"}
    assert planned["exchanges"]["is_lower_bound"] == is_lower_bound
    source = "Artifact Registry's API: a walk also finds emptied ones" if is_lower_bound else "the catalog"
    assert planned["evidence"][0].endswith(f" repositories and folders, by {source}")
    assert planned["asked"]["total"] < 60


async def test_plan_of_many_folders_that_no_source_counts_is_a_lower_bound(google, command, dead_port):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project",))
    registry = await google(repositories=150, giants=0.0, catalog="empty", artifact_registry=role)
    apis = dict.fromkeys(("artifact_registry", "resource_manager"), f"http://{dead_port}")
    nights = Nights(command, google_registry(registry, "gcr", apis=apis))
    planned, crawled = await nights.plan(), await nights.crawl()
    assert planned["exchanges"]["is_lower_bound"]
    assert 31 < planned["exchanges"]["least"] < crawled["total"]
    assert planned["asked"]["by_kind"]["listing"] == 30


@pytest.mark.parametrize("listings", ["plain", "google"])
async def test_plan_takes_what_there_is_from_a_snapshot_of_less_depth(google, command, listings):
    """The largest repositories have most of the tags, and the snapshot has them all."""
    registry = await google(repositories=120, giants=0.0, seed=1, listings=listings, broken=0.0)
    table = {
        "target": registry.emulator.registry,
        "auth": {"method": "json-key", "key_file": str(registry.key_file)},
    }
    await Nights(command, table).crawl()
    deep = Nights(command, table, images={"depth": "digests" if listings == "plain" else "manifests"})
    planned = await deep.plan()
    assert far_off(planned, await deep.crawl()).keys() <= {"bytes"}, "a few manifests say roughly how long all are"
    assert re.fullmatch(
        r"20 of 120 repositories, by the snapshot of [\d-]+ \([\w-]+, depth tags\)", planned["evidence"][0]
    )
    assert planned["asked"]["total"] <= 100
    assert planned["notes"] == []


async def test_plan_takes_folders_from_a_snapshot_of_less_depth(google, command):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project",))
    registry = await google(repositories=150, giants=0.0, catalog="empty", artifact_registry=role)
    table = google_registry(registry, "gcr")
    await Nights(command, table).crawl()
    deep = Nights(command, table, images={"depth": "manifests"})
    planned = await deep.plan()
    assert planned["asked"]["by_kind"].keys() == {"ping", "listing", "manifest"}
    assert far_off(planned, await deep.crawl()) == {}


async def test_plan_under_a_budget_says_that_it_is_too_small(command):
    async with serve(deep_registry()) as server:
        ended = await command("plan", server.host, "--depth", "digests", "--budget", "10")
    printed = rows(ended.out)
    assert printed["exchanges"] == ["20"]
    assert printed["note"] == ["--budget 10 ends the crawl's depth early: it needs 16, and the snapshot is partial"]


async def test_plan_of_a_registry_that_does_not_answer(command, dead_port):
    ended = await command("plan", dead_port, environment=ONE_TRY)
    assert (ended.code, ended.out) == (1, "")
    assert dead_port in ended.complaint


async def test_plan_of_several_registries_prints_each_that_answers(command, dead_port):
    async with serve(plain_registry(TAGS)) as server:
        ended = await command("plan", dead_port, server.host, "--format", "json", environment=ONE_TRY)
    assert ended.code == 1
    assert [json.loads(line)["target"] for line in ended.out.splitlines()] == [server.host]
    assert dead_port in ended.complaint


@pytest.mark.parametrize("arguments", [("--concurrency", "0"), ("--format", "yaml")])
async def test_plan_with_a_mistake_in_its_options(command, arguments):
    ended = await command("plan", "registry.test", *arguments)
    assert (ended.code, ended.out) == (2, "")


async def test_plan_takes_every_option_of_crawl(command):
    plan, crawl = await asyncio.gather(command("plan", "--help"), command("crawl", "--help"))
    options = {*re.findall(r"^  (?:-\w, )?(--[\w-]+)", crawl.out, re.MULTILINE)}
    assert {"--depth", "--resume", "--no-lock", "--show"} <= options
    assert {*re.findall(r"^  (?:-\w, )?(--[\w-]+)", plan.out, re.MULTILINE)} == {*options, "--format"}


async def test_plan_names_a_repository_that_cannot_be_listed(command):
    denied = refusal(403, "DENIED", "red \x1b[31m text")
    async with serve([on(listing_path("team/r03"), denied), *plain_registry(TAGS)]) as server:
        ended = await command("plan", server.host)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    (_, failure) = rows(ended.out)["evidence"]
    assert failure.startswith("1 repository of them could not be listed, for example GET http://")


async def test_plan_of_a_damaged_snapshot_says_so(command):
    async with serve(deep_registry()) as server:
        nights = Nights(command, {"target": server.host}, images=DEEP)
        await nights.crawl()
        (part,) = nights.output.glob("source=*/date=*/run=*/part-*")
        part.write_bytes(part.read_bytes()[:-40] + b"\n")
        ended = await command("plan", "--config", nights.file)
    assert (ended.code, ended.out) == (1, "")
    assert "a line of the last snapshot is no record" in ended.complaint


async def test_plan_reads_the_cache_beside_a_crawl_that_writes_it(command):
    async with serve(deep_registry()) as server:
        nights = Nights(command, {"target": server.host}, images={"depth": "manifests"})
        await nights.crawl()
        with sqlite3.connect(nights.output / ".cache" / "digests.sqlite", isolation_level=None) as writer:
            writer.execute("BEGIN IMMEDIATE")
            planned = await nights.plan()
        writer.close()
    assert planned["exchanges"]["by_kind"]["manifest"] == 16
    assert planned["notes"] == []


def config_blobs():
    return [entry for name in TAGS for entry in blobs(name, *(config_of(tag) for tag in IMAGES))]
