"""`crawl --lake`: the snapshot is published once it is taken, and a lake that fails costs no snapshot."""

import asyncio
import json
import signal

import pytest
from support.lake_views import latest
from support.run_cli import google_crawl, scripted_crawl
from support.scripted import listing_path, on, plain_registry, refusal, serve

REPOSITORIES = {"team/app": ("1.0", "1.1"), "team/base": ("2",)}


async def test_crawl_publishes_what_it_took(command, google, moto, tmp_path):
    registry, lake = await google(repositories=20), moto.s3()
    arguments = google_crawl(registry, "--depth", "configs", "--referrers", "listed", "--lake", lake.url)
    ended = await command(*arguments, environment=lake.environment)
    assert ended.code == 0, ended.err
    assert f"\n  lake         {lake.url}: published 8 tables, " in ended.err
    copy = lake.download(tmp_path / "copy")
    records = [json.loads(line) for line in (ended.snapshot / "part-00000.jsonl").read_bytes().splitlines()]
    assert latest(copy, "repository", "repositories") == sorted((record["repository"],) for record in records)
    images = sum(len(record["images"] or []) for record in records)
    assert len(latest(copy, "digest", "images")) == images > 0
    run = json.loads((ended.snapshot / "_run.json").read_bytes())
    assert run["config"]["lake"] == {"url": lake.url, "format": "parquet"}
    again = await command("publish", ended.snapshot, "--lake", lake.url, environment=lake.environment)
    assert "was published already" in again.complaint


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_lake_that_fails_is_exit_code_1_and_costs_no_snapshot(command, moto, tmp_path, log_format):
    moto.fail_from, lake = 1, moto.s3()
    async with serve(plain_registry(REPOSITORIES)) as server:
        arguments = scripted_crawl(server, "out", "--lake", lake.url, "--log-format", log_format)
        ended = await command(*arguments, environment=lake.environment)
    assert ended.code == 1
    (snapshot,) = (tmp_path / "out").glob("source=*/date=*/run=*")
    assert (snapshot / "_SUCCESS").exists()
    advice = f"run `registry-crawler publish {snapshot.name.removeprefix('run=')} --lake {lake.url}`"
    *summary, error = ended.err.splitlines()
    assert "503 Service Unavailable: SlowDown" in error
    assert advice in error
    assert "internal error" not in error
    if log_format == "text":
        assert summary[0].startswith("COMPLETE: ")
        assert summary[-1] == f"  lake         {lake.url}: not published"
    else:
        event = json.loads(summary[-1])
        assert (event["event"], event["verdict"], event["lake"]) == ("run_ended", "complete", None)
        assert event["exit_code"] == 1
        assert json.loads(error)["severity"] == "ERROR"
    moto.fail_from = 0
    later = await command("publish", snapshot, "--lake", lake.url, environment=lake.environment)
    assert "published 8 tables" in later.complaint


async def test_partial_snapshot_is_published_with_its_verdict(command, tmp_path):
    script = [on(listing_path("team/app"), refusal(403, "DENIED", "no")), *plain_registry(REPOSITORIES)]
    async with serve(script) as server:
        arguments = scripted_crawl(server, "out", "--lake", f"file://{tmp_path}/lake", "--log-format", "json")
        ended = await command(*arguments)
    assert ended.code == 3
    assert json.loads(ended.err)["lake"] == f"file://{tmp_path}/lake"
    assert latest(tmp_path / "lake", "repository", "repositories") == []
    assert len(list((tmp_path / "lake" / "runs").rglob("*.parquet"))) == 1


async def test_sigterm_ends_publishing_and_says_what_completes_it(command, moto, tmp_path):
    lake = moto.s3()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**lake.environment, "TMPDIR": str(scratch)}
    async with serve(plain_registry(REPOSITORIES)) as server:
        with moto.holding(3) as held:
            arguments = scripted_crawl(server, "out", "--lake", lake.url)
            async with command.started(*arguments, environment=environment) as process:
                assert await asyncio.to_thread(held.wait, 60)
                process.send_signal(signal.SIGTERM)
                _, err = await process.communicate()
    assert process.returncode == 143
    (snapshot,) = (tmp_path / "out").glob("source=*/date=*/run=*")
    last = err.decode().splitlines()[-1]
    assert "publishing was interrupted; the snapshot is kept: run `registry-crawler publish " in last
    assert list(scratch.iterdir()) == []
    later = await command("publish", snapshot, "--lake", lake.url, environment=lake.environment)
    assert "published 8 tables" in later.complaint


async def test_one_lake_has_the_snapshots_of_every_registry(command, tmp_path):
    async with serve(plain_registry(REPOSITORIES)) as one, serve(plain_registry(REPOSITORIES)) as other:
        lake = f"file://{tmp_path}/lake"
        ended = await command("crawl", one.host, other.host, "--no-progress", "--lake", lake)
    assert ended.code == 0
    assert {target for (target,) in latest(tmp_path / "lake", "target", "tags")} == {one.host, other.host}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--output", "-", "--lake", "s3://bucket"],
            "lake.url needs snapshots to publish: set output.path to a folder",
        ),
        (["--lake", "s3://id:pass-word@bucket"], "--lake: lake.url: must be a URL without a user"),
        (["--lake", "az://box"], "lake az://box: Generic MicrosoftAzure error: Account must be specified"),
    ],
)
async def test_wrong_lake_ends_a_crawl_before_it_begins(command, dead_port, arguments, message):
    ended = await command("crawl", dead_port, *arguments)
    assert ended.code == 2
    assert message in ended.complaint
    assert "pass-word" not in ended.err
