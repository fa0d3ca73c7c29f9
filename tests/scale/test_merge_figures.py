"""`merge`: the figures of a group's run, which are those of one run of all shards."""

import json

import pytest
from support.shard_crawls import GROUP, crawl_shards
from support.snapshots import read_snapshot

pytestmark = pytest.mark.usefixtures("few_authorities")

HOURS = {
    "at the same time": ([("02", "03"), ("02", "03"), ("02", "03")], 60.0),
    "one after another": ([("02", "03"), ("03", "04"), ("04", "05")], 20.0),
    "two at once, then one": ([("02", "03"), ("02", "03"), ("03", "04")], 30.0),
    "one of them much later": ([("02", "03"), ("02", "03"), ("12", "13")], 30.0),
    "all within a moment": ([("02", "02"), ("02", "02"), ("02", "02")], 60.0),
}


@pytest.mark.parametrize("case", HOURS)
async def test_merge_adds_up_the_pace_of_shards_that_ran_at_the_same_time(command, google, tmp_path, case):
    """Three shards, each with 20 exchanges a second: together 60 if all run at once, and 20 if each waits."""
    hours, expected = HOURS[case]
    world = await google(repositories=20, listings="plain", giants=0)
    for shard in await crawl_shards(world, 3, tmp_path / "snapshots"):
        path = tmp_path / "snapshots" / shard.folder / "_run.json"
        run_manifest = json.loads(path.read_bytes())
        began, ended = (f"2026-11-27T{hour}:00:00.000Z" for hour in hours[int(shard.shard[0])])
        run_manifest |= {"started_at": began, "finished_at": ended}
        run_manifest["pace"]["median_per_s"] = 20.0
        path.write_text(json.dumps(run_manifest))
    assert (await command("merge", "--group", GROUP)).code == 0
    pace = read_snapshot(tmp_path / "snapshots").manifest["pace"]
    assert pace["median_per_s"] == expected
    assert pace["configured"].startswith("3 shards, each 16 at once, ")
