"""A shard that is killed resumes by itself, and is nobody else's unfinished run."""

import pytest
from support.killed_runs import SLOW, interrupted, journals, start, until_recorded
from support.run_cli import google_crawl
from support.shard_crawls import GROUP, records_in, shard_folders

pytestmark = pytest.mark.slow


def of_shard(shard):
    return ["--shard", shard, "--group", GROUP]


async def test_shard_killed_and_resumed_loses_nothing(google, command):
    world = await google(**{**SLOW, "listings": "plain", "repositories": 100})
    process = await start(world, *of_shard("0/2"))
    await until_recorded(world, 20)
    process.kill()
    await process.communicate()
    kept = journals(world)[0].read_bytes().count(b"\n")

    unsharded = await command(*google_crawl(world, "--resume"))
    assert unsharded.code == 0
    assert "there is no unfinished run to resume; this begins one" in unsharded.err
    assert "begun with other options" not in unsharded.err
    other = await command(*google_crawl(world, "--resume", *of_shard("1/2")))
    assert other.code == 0
    assert "there is no unfinished run to resume" in other.err

    resumed = await command(*google_crawl(world, "--resume", *of_shard("0/2")))
    assert resumed.code == 0
    assert f"with {kept} records" in resumed.err or f"with {kept - 1} records" in resumed.err
    assert shard_folders(world.output) == ["shard=00000-of-00002", "shard=00001-of-00002"]
    whole = records_in(world.output)
    assert (await command("merge", "--group", GROUP, "--output", world.output)).code == 0
    assert records_in(world.output) == whole


async def test_shard_interrupted_says_how_it_goes_on(google):
    world = await google(**{**SLOW, "listings": "plain"})
    code, err = await interrupted(world, 15, *of_shard("0/2"))
    assert code == 143
    assert "rerun with --resume to continue" in err
