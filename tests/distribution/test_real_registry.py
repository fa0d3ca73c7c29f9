"""Crawls of Debian's docker-registry: the records are what was pushed, and the verdict is complete only then."""

import re

import pytest
from support.distribution import (
    empty,
    open_registry,
    push,
    requires_docker_registry,
)
from support.real_crawls import PREFIX, check_snapshot, expect_nothing
from support.snapshots import folders, read_snapshot

import crawler

pytestmark = requires_docker_registry


async def test_library_crawl_records_exactly_what_was_pushed(shelf, shell):
    async with shelf.serving() as registry:
        manifest = await crawler.crawl(shell.config(registry))

    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    assert snapshot.folder == shell.output / manifest.folder
    assert manifest.verdict is crawler.Verdict.COMPLETE
    assert (manifest.counts.repositories, manifest.counts.ok) == (300, 300)
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 300
    assert snapshot.manifest["requests"]["token"] == 0
    assert snapshot.manifest["discovery"]["evidence"] == "the catalog listed 300 names on 1 page: no next link"


async def test_command_crawl_records_exactly_what_was_pushed(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host)

    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.startswith(f"COMPLETE: {registry.host}, ")
    assert "repositories 300: 300 ok, 0 missing, 0 denied, 0 failed, 0 invalid" in ended.stderr
    assert f"snapshot     {snapshot.folder.relative_to(shell.folder)}\n" in ended.stderr


async def test_open_records_yields_the_same_records(shelf, shell):
    async with shelf.serving() as registry:
        config = shell.config(f"{registry.host}/{PREFIX}")
        await crawler.crawl(config)
        async with crawler.open_records(config) as records:
            streamed = [record async for record in records]

    kept = read_snapshot(shell.output).by_name
    assert len(streamed) == len(shelf.under(PREFIX))
    assert {record.repository: (record.outcome, record.tags, record.error) for record in streamed} == {
        name: (record["outcome"], tuple(record["tags"]), record["error"]) for name, record in kept.items()
    }
    assert len(folders(shell.output)) == 1


async def test_open_records_may_be_left_early(shelf, shell):
    async with shelf.serving() as registry, crawler.open_records(shell.config(registry)) as records:
        first = await anext(records)

    assert set(first.tags) == set(shelf.pushed.tags[first.repository])
    assert not shell.output.exists()


async def test_empty_registry_is_complete_only_with_expect_0(tmp_path, shell):
    async with open_registry(tmp_path / "registry") as registry:
        doubted = await shell.crawl(registry.host)
        ended = await shell.crawl(registry.host, "--expect", "0")

    assert (doubted.code, ended.code) == (3, 0)
    assert "0 repositories found, and at least 1 expected (--expect)" in doubted.stderr
    check_snapshot(read_snapshot(shell.output), {}, registry=registry)


async def test_repository_without_tags_is_ok_or_missing(tmp_path, shell):
    async with open_registry(tmp_path / "registry") as registry:
        await push(registry, {"app": ["1"], "emptied": ["1", "2", "3"], "untagged": []})
        await empty(registry, "emptied")
        ended = await shell.crawl(registry.host)

    snapshot = read_snapshot(shell.output)
    assert ended.code == 0
    tags = {"app": ["1"], "emptied": [], "untagged": []}
    check_snapshot(snapshot, tags, registry=registry, outcomes={"untagged": "missing"})
    error = snapshot.by_name["untagged"]["error"]
    assert (error["code"], error["http_status"]) == ("NAME_UNKNOWN", 404)
    assert error["message"]
    assert "repositories 3: 2 ok, 1 missing, 0 denied" in ended.stderr


async def test_connection_refused_is_reported_in_one_line(shelf, shell):
    async with shelf.serving() as registry:
        pass
    with pytest.raises(crawler.Unreachable, match=re.escape(registry.host)):
        await crawler.crawl(shell.config(registry, limits={"attempts": 1}))
    ended = await shell.crawl(registry.host, environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "2"})

    assert f"no connection to {registry.host}" in ended.error_line
    expect_nothing(shell)


async def test_connection_refused_by_one_registry_does_not_stop_the_other(shelf, shell, tmp_path):
    async with open_registry(tmp_path / "stopped") as stopped:
        pass
    async with shelf.serving() as registry:
        ended = await shell.crawl(stopped.host, registry.host, environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"})

    assert ended.code == 1
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("registry-crawler: ")]
    assert stopped.host in line
    assert f"COMPLETE: {registry.host}, " in ended.stderr
    assert len(folders(shell.output)) == 1
    check_snapshot(read_snapshot(shell.output), shelf.pushed.tags, registry=registry)


async def test_help_is_printed(shell):
    ended = await shell.crawl("--help")

    assert (ended.code, ended.stderr) == (0, "")
    assert "HOST[:PORT][/PREFIX]" in ended.stdout
