"""`registry-crawler runs`: which snapshots and unfinished runs there are, and how they compare."""

import json
import shutil

import pytest
from support.run_folders import TARGET, journaled, left_by_a_kill, published

from crawler.model.run_manifest import Counts, Verdict


def counts(ok: int, tags: int, images: int | None = None) -> Counts:
    return Counts(repositories=ok + 1, ok=ok, denied=1, tags=tags, images=images, problems=1)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "snapshots"


async def listed(command, *arguments):
    ended = await command("runs", *arguments, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


async def test_runs_are_listed_with_counts_and_the_change_since_the_last_complete_one(command, output):
    published(output, "20261120T020000Z-0001", "2026-11-20T02:00:00.000Z", counts=counts(10, 100, 90))
    partial = {"verdict": Verdict.PARTIAL, "reasons": ("1 repository denied",)}
    published(output, "20261121T020000Z-0002", "2026-11-21T02:00:00.000Z", counts=counts(7, 60), **partial)
    published(output, "20261122T020000Z-0003", "2026-11-22T02:00:00.000Z", counts=counts(12, 95, 91))
    newest, middle, oldest = await listed(command)
    assert newest == {
        "target": TARGET,
        "started_at": "2026-11-22T02:00:00.000Z",
        "run_id": "20261122T020000Z-0003",
        "state": "complete",
        "repositories": 12,
        "repositories_change": 2,
        "tags": 95,
        "tags_change": -5,
        "images": 91,
        "images_change": 1,
        "problems": 1,
        "note": "",
    }
    assert (middle["state"], middle["note"]) == ("partial", "1 repository denied")
    assert (middle["repositories_change"], middle["tags_change"], middle["images_change"]) == (-3, -40, None)
    assert (oldest["repositories_change"], oldest["tags_change"], oldest["images_change"]) == (None, None, None)


async def test_runs_of_each_target_are_compared_with_their_own(command, output):
    for target, ok in (("b.example.com", 5), ("a.example.com", 500)):
        for day in ("20", "21"):
            run_id, began = f"202611{day}T020000Z-{ok:04}", f"2026-11-{day}T02:00:00.000Z"
            published(output, run_id, began, target=target, counts=counts(ok, ok))
    rows = await listed(command)
    assert [row["target"] for row in rows] == ["a.example.com"] * 2 + ["b.example.com"] * 2
    assert [row["repositories_change"] for row in rows] == [0, None, 0, None]
    assert await listed(command, "b.example.com") == rows[2:]
    assert await listed(command, "list", "b.example.com") == rows[2:]


async def test_runs_that_were_not_finished_are_listed(command, output):
    left_by_a_kill(output)
    (left,) = await listed(command)
    assert (left["target"], left["state"], left["repositories"]) == (TARGET, "unfinished", None)
    running = journaled(output, run_id="20261124T020000Z-0002", started_at="2026-11-24T02:00:00.000Z")
    assert [row["state"] for row in await listed(command)] == ["running", "unfinished"]
    running.close()


async def test_runs_that_cannot_be_read_are_named(command, output):
    published(output, "20261120T020000Z-0001", "2026-11-20T02:00:00.000Z", counts=counts(10, 100))
    (snapshot,) = output.glob("source=*/date=*/run=*")
    shutil.copytree(snapshot, snapshot.with_name("run=broken"))
    (snapshot.with_name("run=broken") / "_run.json").write_text("{}", encoding="utf-8")
    shutil.copytree(snapshot, snapshot.with_name("run=older"))
    older = json.loads((snapshot / "_run.json").read_bytes())
    del older["pace"]
    (snapshot.with_name("run=older") / "_run.json").write_text(json.dumps(older), encoding="utf-8")
    (left_by_a_kill(output) / "begun.json").write_text("[]", encoding="utf-8")
    rows = {(row["run_id"], row["state"]): row["note"] for row in await listed(command)}
    assert rows["broken", "unreadable"] == "its _run.json is not a run's"
    assert "pace" in rows["20261120T020000Z-0001", "unreadable"]
    assert len([state for _, state in rows if state == "unreadable"]) == 3
    assert "broken" in {row["run_id"] for row in await listed(command, TARGET)}


async def test_runs_without_any_are_an_empty_list(command):
    assert await listed(command) == []


async def test_runs_of_an_unknown_target_are_an_error(command, output):
    left_by_a_kill(output)
    ended = await command("runs", "nowhere.example.com")
    assert ended.code == 1
    assert ended.complaint == "there is no run of nowhere.example.com in snapshots"


async def test_runs_in_standard_output_are_bad_usage(command):
    ended = await command("runs", "--output", "-")
    assert (ended.code, ended.complaint) == (2, "--output: standard output holds no snapshots")
