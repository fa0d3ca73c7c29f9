"""`registry-crawler metrics`: what a monitoring system reads of the snapshots."""

import json
import stat

import aiohttp
import pytest
from support.fronts import requires
from support.prometheus import node_exporter, promtool, samples
from support.run_folders import TARGET, left_by_a_kill, published

from crawler.model.run_manifest import Counts, Requests, Verdict

needs_promtool = requires("promtool", "prometheus")
needs_node_exporter = requires("prometheus-node-exporter", "prometheus-node-exporter")

FIRST = ("20261120T020000Z-0001", "2026-11-20T02:00:00.000Z")
SECOND = ("20261121T020000Z-0002", "2026-11-21T02:00:00.000Z")
FIRST_NIGHT, SECOND_NIGHT = 1795140000.0, 1795226400.0


def counts(ok: int, tags: int, images: int | None) -> Counts:
    return Counts(repositories=ok + 2, ok=ok, denied=2, suspect=1, tags=tags, images=images, problems=3, unread=4)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "snapshots"


@pytest.fixture
def two_nights(output):
    """A complete snapshot, and a partial one of the next night."""
    published(output, *FIRST, finished_at="2026-11-20T02:10:00.000Z", counts=counts(10, 100, 90))
    published(
        output,
        *SECOND,
        finished_at="2026-11-21T02:01:30.000Z",
        verdict=Verdict.PARTIAL,
        counts=counts(8, 103, None),
        problems={"dangling-tag": 2, "schema1": 1},
        requests=Requests(total=20, retries=5, throttled=6, bytes=7000, by_kind={"catalog": 1, "listing": 10}),
    )


def of(name: str, **labels: str) -> str:
    """A sample's name, with its labels in the order in which they are written."""
    written = ",".join(f'{key}="{value}"' for key, value in sorted({"target": TARGET, **labels}.items()))
    return f"registry_crawler_{name}{{{written}}}"


async def test_metrics_keep_the_last_complete_night_when_a_night_is_partial(command, two_nights):
    ended = await command("metrics")
    assert (ended.code, ended.err) == (0, "")
    found = samples(ended.out)
    expected = {
        of("last_attempt_timestamp_seconds"): SECOND_NIGHT,
        of("last_complete_timestamp_seconds"): FIRST_NIGHT + 600,
        of("snapshot_verdict", verdict="complete"): 0,
        of("snapshot_verdict", verdict="partial"): 1,
        of("repositories", outcome="ok"): 8,
        of("repositories", outcome="denied"): 2,
        of("suspect_repositories"): 1,
        of("tags"): 103,
        of("unread_images"): 4,
        of("problems", problem="dangling-tag"): 2,
        of("problems", problem="schema1"): 1,
        of("exchanges", kind="listing"): 10,
        of("retries"): 5,
        of("throttled"): 6,
        of("received_bytes"): 7000,
        of("run_seconds"): 90,
        of("pace_per_second"): 10,
        of("change", of="repositories"): -2,
        of("change", of="tags"): 3,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert of("images") not in found, "what is not known is no zero"
    assert of("change", of="images") not in found


async def test_metrics_of_a_newest_snapshot_that_cannot_be_read_are_those_of_the_one_before(command, output):
    published(output, *FIRST, finished_at="2026-11-20T02:10:00.000Z", counts=counts(10, 100, 90))
    published(output, *SECOND, counts=counts(10, 100, 90))
    (file,) = output.glob("source=*/date=2026-11-21/run=*/_run.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "pace": "of a later version"}))
    found = samples((await command("metrics")).out)
    assert found[of("last_attempt_timestamp_seconds")] == SECOND_NIGHT
    assert found[of("last_complete_timestamp_seconds")] == FIRST_NIGHT + 600
    assert found[of("tags")] == 100


async def test_metrics_of_a_run_that_left_no_snapshot_say_when_it_was_tried(command, output):
    left_by_a_kill(output)
    found = samples((await command("metrics")).out)
    assert found == {of("last_attempt_timestamp_seconds"): 1795399200.0}


@needs_promtool
async def test_metrics_please_promtool(command, two_nights):
    printed = (await command("metrics")).out
    assert await promtool("check", "metrics", stdin=printed) == (0, "")
    assert await promtool("check", "metrics", stdin=printed.replace("# HELP", "# HEPL")) != (0, "")


@needs_node_exporter
async def test_metrics_in_a_textfile_are_scraped_by_node_exporter(command, two_nights, tmp_path):
    folder = tmp_path / "textfiles"
    folder.mkdir()
    ended = await command("metrics", "--textfile", folder / "registry.prom")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert [path.name for path in folder.iterdir()] == ["registry.prom"]
    assert stat.S_IMODE((folder / "registry.prom").stat().st_mode) & stat.S_IROTH
    async with node_exporter(folder) as url, aiohttp.ClientSession() as session, session.get(url) as scraped:
        text = await scraped.text()
    assert f"{of('tags')} 103" in text.splitlines()
    assert "node_textfile_scrape_error 0" in text.splitlines()


async def test_metrics_that_cannot_be_written_are_an_error(command, two_nights, tmp_path):
    ended = await command("metrics", "--textfile", tmp_path / "nowhere" / "registry.prom")
    assert ended.code == 1
    assert ended.complaint.startswith("the metrics cannot be written to ")
    assert ended.complaint.endswith("nowhere/registry.prom: No such file or directory")


@needs_promtool
async def test_metrics_of_a_target_with_quotes_are_escaped(command, output):
    published(output, *FIRST, target='a"b\\c\nd', counts=counts(1, 1, 1))
    printed = (await command("metrics")).out
    assert await promtool("check", "metrics", stdin=printed) == (0, "")
    assert r'target="a\"b\\c\nd"' in printed
