"""`registry-crawler runs prune` as an operator runs it: old snapshots go, and what only they need of the cache."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.depth_crawls import exchanges
from support.killed_runs import SLOW, journals, start, until_recorded
from support.run_cli import CommandResult, scripted_crawl
from support.run_folders import TARGET, left_by_a_kill, published, record
from support.scripted import document, listing_path, on, plain_registry, serve
from support.scripted_images import (
    attestation,
    attesting,
    blobs,
    child,
    config,
    digest_named,
    image,
    index,
    manifests,
)
from support.snapshots import folders, read_snapshot

from crawler.digest_cache.cache import Content as CachedContent
from crawler.digest_cache.cache import DigestCache
from crawler.model.image import Image
from crawler.model.run_manifest import Verdict
from crawler.sinks.jsonl import encode

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
LAST_ONLY = ("--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0")


def publish(output: Path, *days_ago: int, **changes: Any) -> list[str]:
    """Publish a snapshot of midnight of each of these days. Returns the run ids."""
    run_ids = []
    for days in days_ago:
        began = TODAY - timedelta(days=days)
        run_ids.append(f"{began:%Y%m%dT%H%M%SZ}-0001")
        published(output, run_ids[-1], f"{began:%Y-%m-%dT%H:%M:%S}.000Z", **changes)
    return run_ids


def run_ids_in(output: Path) -> list[str]:
    return [folder.name.removeprefix("run=") for folder in folders(output)]


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content, and every folder. The time of a folder changes while a cache is open."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else (0, b"")
        for path in sorted(folder.rglob("*"))
    }


def lines(ended: CommandResult) -> list[str]:
    return [line.removeprefix("registry-crawler: ") for line in ended.err.splitlines()]


async def test_prune_reports_what_is_dropped_and_kept(command, tmp_path):
    output = tmp_path / "snapshots"
    oldest, older, partial, newest = [
        *publish(output, 3, 2),
        *publish(output, 1, verdict=Verdict.PARTIAL),
        *publish(output, 0),
    ]
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in folders(output)]
    assert run_ids_in(output) == [oldest, older, partial, newest]
    ended = await command("runs", "prune", *LAST_ONLY)
    assert (ended.code, ended.out) == (0, "")
    texts = [f"{size / 1000:.3g} kB" for size in (*sizes[:3], sum(sizes[:3]))]
    assert lines(ended) == [
        f"{TARGET}: run {partial} (partial, {texts[2]}) dropped",
        f"{TARGET}: run {older} (complete, {texts[1]}) dropped",
        f"{TARGET}: run {oldest} (complete, {texts[0]}) dropped",
        f"{TARGET}: 1 snapshot kept ({TODAY:%Y-%m-%d}); 3 dropped, {texts[3]} freed",
    ]
    assert run_ids_in(output) == [newest]
    again = await command("runs", "prune", *LAST_ONLY)
    assert lines(again) == [f"{TARGET}: 1 snapshot kept ({TODAY:%Y-%m-%d}); 0 dropped, 0 bytes freed"]


async def test_prune_by_default_keeps_thirty_days_eight_weeks_and_twelve_months(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, *range(31), *range(40, 500, 31))
    before = run_ids_in(output)
    ended, help_page = await asyncio.gather(command("runs", "prune"), command("runs", "prune", "--help"))
    kept = run_ids_in(output)
    assert ended.code == 0
    assert kept[-30:] == before[-30:]
    assert {run_id[:6] for run_id in kept} == set(sorted({run_id[:6] for run_id in before})[-12:])
    assert f" {len(kept)} snapshots kept " in lines(ended)[-1]
    defaults = re.findall(r"--keep-(\w+) N.*?\[default: (\d+)", help_page.out, re.DOTALL)
    assert defaults == [("daily", "30"), ("weekly", "8"), ("monthly", "12")]


async def test_prune_dry_run_reports_the_same_and_changes_nothing(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, 2, 1, 0)
    fill_cache(output / ".cache/digests.sqlite", 3000)
    for folder, count in zip(folders(output), (3000, 0, 100), strict=True):
        mention(folder, count)
    (output / ".unfinished/.run=20261101T020000Z-0001.dropped").mkdir()
    before = everything_in(output)
    dry = await command("runs", "prune", *LAST_ONLY, "--dry-run")
    assert everything_in(output) == before
    ended = await command("runs", "prune", *LAST_ONLY)
    assert dry.code == ended.code == 0
    assert [line.replace("would be ", "") for line in lines(dry)] == lines(ended)
    assert dry.err.count("would be dropped") == 3
    assert lines(ended)[-1].startswith("digest cache snapshots/.cache/digests.sqlite: ")
    assert lines(ended)[-1].endswith(" kB freed")


def mention(folder: Path, count: int) -> None:
    """Let a snapshot mention what `fill_cache` puts into the cache."""
    images = tuple(Image(digest_named(f"{number}")) for number in range(count))
    (folder / "part-00000.jsonl").write_bytes(encode([record("team/a", images=images)]))


def fill_cache(path: Path, count: int) -> None:
    with DigestCache.open(path) as cache:
        for number in range(count):
            cache.put(digest_named(f"{number}"), CachedContent(bytes([number % 256]) * 100 + b"%d" % number, None))


async def test_prune_of_one_target_leaves_the_others(command, tmp_path):
    output = tmp_path / "out"
    publish(output, 1, 0)
    others = publish(output, 5, 4, target="gcr.io/other")
    ended = await command("runs", "prune", "LOCALHOST:5000/team/", *LAST_ONLY, "--output", output)
    assert ended.code == 0
    assert all(line.startswith(TARGET) for line in lines(ended))
    assert [run_id for run_id in run_ids_in(output) if run_id in others] == others
    assert len(run_ids_in(output)) == 3


async def test_prune_names_a_folder_that_is_no_snapshot_and_leaves_it(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, 2, 1, 0)
    broken = folders(output)[0]
    (broken / "_run.json").write_text("{")
    ended = await command("runs", "prune", *LAST_ONLY)
    assert ended.code == 0
    assert lines(ended)[0] == f"{broken.relative_to(tmp_path)} is left: its _run.json is not JSON"
    assert len(folders(output)) == 2


async def test_prune_names_what_it_cannot_remove_and_goes_on(command, tmp_path):
    output = tmp_path / "snapshots"
    oldest, stuck, newest = publish(output, 2, 1, 0)
    (output / f".unfinished/.run={stuck}.dropped").touch()
    ended = await command("runs", "prune", *LAST_ONLY)
    assert ended.code == 1
    folder = folders(output)[0].relative_to(tmp_path)
    assert lines(ended)[0] == f"{TARGET}: run {stuck} cannot be removed: {folder}: Not a directory"
    assert lines(ended)[1].startswith(f"{TARGET}: run {oldest} (complete, ")
    assert run_ids_in(output) == [stuck, newest]


async def test_prune_logs_an_event_for_each_target_and_for_the_cache(command, tmp_path):
    output = tmp_path / "snapshots"
    old, new = publish(output, 1, 0)
    fill_cache(output / ".cache/digests.sqlite", 10)
    ended = await command("runs", "prune", *LAST_ONLY, "--log-format", "json", "--dry-run")
    events = {event.pop("event"): event for event in map(json.loads, ended.err.splitlines())}
    assert set(events) == {"log", "pruned", "cache_pruned"}
    pruned = events["pruned"]
    assert (pruned["target"], pruned["kept"], pruned["dropped"], pruned["dry_run"]) == (TARGET, [new], [old], True)
    assert pruned["bytes_freed"] > 1000
    assert events["cache_pruned"]["bytes_freed"] >= 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0"],
            "--keep-daily, --keep-weekly and --keep-monthly: one must not be 0",
        ),
        (
            ["--keep-daily", "-1"],
            "Invalid value for '--keep-daily': must be greater than or equal to 0 (try "  # noqa: ISC004
            "'python -m crawler runs prune --help')",
        ),
        (["--output", "-"], "--output: standard output holds no snapshots"),
        (["--output", "none"], "none: there is no such folder"),
        (["gcr.io/typo"], f"there is no snapshot of gcr.io/typo in snapshots; there are: {TARGET}"),
        (["--config", "none.toml"], "none.toml: cannot be read: No such file or directory"),
    ],
)
async def test_prune_usage_errors(command, tmp_path, arguments, complaint):
    publish(tmp_path / "snapshots", 1, 0)
    ended = await command("runs", "prune", *arguments)
    assert (ended.code, ended.out, ended.complaint) == (2, "", complaint)
    assert len(folders(tmp_path / "snapshots")) == 2


async def test_prune_names_each_target_without_a_snapshot(command, tmp_path):
    (tmp_path / "snapshots").mkdir()
    ended = await command("runs", "prune", "https://a b", "ftp://c")
    assert ended.code == 2
    assert [line.split(":")[0] for line in lines(ended)] == ["TARGET https", "TARGET ftp"]


async def test_prune_uses_the_configuration(command, tmp_path):
    publish(tmp_path / "elsewhere", 1, 0)
    fill_cache(tmp_path / "cache.sqlite", 10)
    (tmp_path / "config.toml").write_text('[output]\npath = "elsewhere"\n[cache]\npath = "cache.sqlite"\n')
    ended = await command("runs", "prune", *LAST_ONLY, "--config", "config.toml")
    assert (ended.code, len(folders(tmp_path / "elsewhere"))) == (0, 1)
    assert lines(ended)[-1].startswith("digest cache cache.sqlite: ")


# The digest cache

APP = "team/app"
CONFIGS = {name: config("base", name) for name in ("old", "kept", "amd64", "arm64")}
OLD, KEPT, AMD64, ARM64 = (image(of, "base", name) for name, of in CONFIGS.items())
PROVENANCE = attestation("https://slsa.dev/provenance/v1")
INDEX = index(child(AMD64), child(ARM64, "arm64"), attesting(PROVENANCE, AMD64))
EVERYTHING = (OLD, KEPT, AMD64, ARM64, PROVENANCE, INDEX)


FIRST_NIGHT = on(listing_path(APP), document({"name": APP, "tags": ["1", "2"]}), times=1)
REGISTRY = [
    FIRST_NIGHT,
    *manifests(APP, {"1": OLD, "2": KEPT, "3": INDEX}, *EVERYTHING),
    *blobs(APP, *CONFIGS.values()),
    *plain_registry({APP: ("2", "3")}),
]
DEEP = ("--depth", "configs", "--referrers", "listed")


def held(cache: Path) -> set[str]:
    """The names of the images whose manifest and config are in a cache."""
    with DigestCache.open(cache) as opened:
        images = {"old": OLD, "kept": KEPT, "amd64": AMD64, "arm64": ARM64}
        return {name for name, of in images.items() if opened.has(of.digest) and opened.has(CONFIGS[name].digest)}


def make_older(output: Path) -> None:
    """Let the only snapshot be of the day before yesterday."""
    (folder,) = folders(output)
    run_manifest = json.loads((folder / "_run.json").read_bytes())
    began = f"{TODAY - timedelta(days=2):%Y-%m-%d}"
    run_manifest["started_at"] = f"{began}{run_manifest['started_at'][10:]}"
    run_manifest["run_id"] = f"{began.replace('-', '')}{run_manifest['run_id'][8:]}"
    (folder / "_run.json").write_text(json.dumps(run_manifest))
    place = folder.parent.parent / f"date={began}/run={run_manifest['run_id']}"
    place.parent.mkdir()
    folder.rename(place)
    folder.parent.rmdir()


async def test_prune_of_the_cache_costs_the_next_crawl_nothing(command, tmp_path):
    output = tmp_path / "out"
    cache = output / ".cache/digests.sqlite"
    async with serve(REGISTRY) as server:
        crawl = scripted_crawl(server, output, *DEEP)
        assert (await command(*crawl)).code == 0
        make_older(output)
        assert (await command(*crawl)).code == 0
        assert held(cache) == {"old", "kept", "amd64", "arm64"}
        ended = await command("runs", "prune", *LAST_ONLY, "--output", output)
        assert (ended.code, len(folders(output))) == (0, 1)
        assert held(cache) == {"kept", "amd64", "arm64"}
        before = len(exchanges(server))
        assert (await command(*crawl)).code == 0
    assert sorted(exchanges(server)[before:]) == [("GET", f"/v2/{APP}/manifests/{tag}") for tag in ("2", "3")]


@pytest.mark.parametrize("options", [("--cache", "none"), ("--dry-run",)])
async def test_prune_leaves_the_cache_alone(command, tmp_path, options):
    output = tmp_path / "snapshots"
    publish(output, 1, 0)
    cache = output / ".cache/digests.sqlite"
    fill_cache(cache, 10)
    before = cache.read_bytes()
    assert (await command("runs", "prune", *LAST_ONLY, *options)).code == 0
    assert cache.read_bytes() == before


async def test_prune_keeps_what_an_unfinished_run_mentions(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, 0)
    left_by_a_kill(output, encode([record("a", images=(Image(digest_named("1")),))]), run_id="unfinished")
    cache = output / ".cache/digests.sqlite"
    fill_cache(cache, 3)
    assert (await command("runs", "prune")).code == 0
    with DigestCache.open(cache) as opened:
        assert [opened.has(digest_named(f"{number}")) for number in range(3)] == [False, True, False]


async def test_prune_of_a_folder_without_snapshots_leaves_the_cache(command, tmp_path):
    cache = tmp_path / "cache.sqlite"
    fill_cache(cache, 3)
    (tmp_path / "snapshots").mkdir()
    ended = await command("runs", "prune", "--cache", "cache.sqlite")
    assert ended.code == 0
    assert lines(ended) == [
        "there are no snapshots in snapshots",
        "digest cache cache.sqlite is left: there are no snapshots that mention anything",
    ]
    with DigestCache.open(cache) as opened:
        assert opened.has(digest_named("1"))


async def test_prune_leaves_the_cache_where_a_snapshot_cannot_be_read(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, 1, 0)
    (part,) = folders(output)[-1].glob("part-*")
    part.rename(part.with_name("part-00000.jsonl.gz"))
    cache = output / ".cache/digests.sqlite"
    fill_cache(cache, 3)
    ended = await command("runs", "prune", *LAST_ONLY)
    assert ended.code == 1
    assert lines(ended)[-1].startswith("digest cache snapshots/.cache/digests.sqlite is not pruned: snapshots/source=")
    assert lines(ended)[-1].endswith("part-00000.jsonl.gz: it is damaged, and cannot be decompressed")
    with DigestCache.open(cache) as opened:
        assert opened.has(digest_named("1"))


async def test_prune_of_a_broken_cache_is_a_failure(command, tmp_path):
    output = tmp_path / "snapshots"
    publish(output, 1, 0)
    (output / ".cache").mkdir()
    (output / ".cache/digests.sqlite").write_bytes(b"no database" * 100)
    ended = await command("runs", "prune", *LAST_ONLY)
    assert (ended.code, len(folders(output))) == (1, 1)
    assert "file is not a database; set aside as " in lines(ended)[-1]


async def test_prune_while_a_crawl_runs_leaves_its_run(command, google):
    registry = await google(**SLOW)
    _, newest = publish(registry.output, 2, 1, target=registry.emulator.registry)
    crawl = await start(registry)
    await until_recorded(registry, 20)
    ended = await command("runs", "prune", *LAST_ONLY, "--output", registry.output)
    assert (ended.code, run_ids_in(registry.output)) == (0, [newest])
    assert len(journals(registry)) == 1, "the crawl ended before the prune"
    await crawl.communicate()
    assert crawl.returncode == 0
    assert len(read_snapshot(registry.output).records) == 300
