"""Depth as a user runs it: the summary, and what streams to standard output."""

import json

from support.run_cli import ONE_TRY, scripted_crawl
from support.scripted import Reply, on, plain_registry, refusal, serve
from support.scripted_images import blobs, config, image, manifests

APP = "team/app"
CONFIG = config("base")
SINGLE = image(CONFIG, "base")
TAGS = {"1.0": SINGLE, "broken": SINGLE}
WHOLE = [*manifests(APP, TAGS), *blobs(APP, CONFIG), *plain_registry({APP: TAGS})]
DANGLING = on(f"/v2/{APP}/manifests/broken", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"))
FAILING = on(f"/v2/{APP}/manifests/broken", Reply(status=500))


async def test_depth_summary_has_the_problems_and_exits_with_0(command):
    async with serve([DANGLING, *WHOLE]) as server:
        ended = await command(*scripted_crawl(server, "out", "--depth", "configs"), environment=ONE_TRY)
    assert ended.code == 0
    assert "  depth        configs" in ended.err
    assert "\n  problems     1: 1 dangling-tag\n" in ended.err


async def test_depth_summary_names_an_image_that_was_not_read_and_exits_with_3(command):
    async with serve([FAILING, *WHOLE]) as server:
        ended = await command(*scripted_crawl(server, "out", "--depth", "digests"), environment=ONE_TRY)
    assert ended.code == 3
    assert "  because      1 of 2 images was not read\n" in ended.err
    assert f"  for example  unread {APP}:broken: HTTP_500: " in ended.err


async def test_depth_streams_to_standard_output_and_leaves_no_file(command):
    async with serve(WHOLE) as server:
        ended = await command(*scripted_crawl(server, "-", "--depth", "configs"))
    (line,) = ended.out.splitlines()
    assert json.loads(line)["images"][0]["config"]["user"] == "app"
    assert list(command.folder.rglob("*")) == []


async def test_depth_of_a_foreign_cache_file_names_it_and_goes_on(command):
    (command.folder / "cache").write_text("my shopping list")
    async with serve(WHOLE) as server:
        ended = await command(*scripted_crawl(server, "out", "--depth", "configs", "--cache", "cache"))
    assert ended.code == 0
    assert "digest cache" in ended.err
    assert "set aside as" in ended.err
    (aside,) = command.folder.glob("cache.set-aside-*")
    assert aside.read_text() == "my shopping list"


async def test_depth_of_a_cache_that_cannot_be_written_goes_on(command):
    (command.folder / "cache").mkdir()
    async with serve(WHOLE) as server:
        ended = await command(*scripted_crawl(server, "out", "--depth", "configs", "--cache", "cache"))
    assert ended.code == 0
    assert "this run uses a private cache" in ended.err
