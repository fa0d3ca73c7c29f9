"""The public face as a type checker sees it. No test runs this file: `make check` reads it with mypy."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import assert_type

import crawler


async def take_a_snapshot() -> None:
    config = crawler.Config.load("config.toml")
    assert_type(config, crawler.Config)
    manifest = await crawler.crawl(config)
    assert_type(manifest, crawler.RunManifest)
    assert_type(manifest.verdict, crawler.Verdict)
    assert_type(manifest.reasons, tuple[str, ...])
    assert_type(manifest.counts.images, int | None)
    assert_type(Path("snapshots") / manifest.folder, Path)


async def read_records(config: crawler.Config) -> None:
    opened = crawler.open_records(config)
    context: AbstractAsyncContextManager[AsyncIterator[crawler.Record]] = opened
    async with context as records:
        async for record in records:
            assert_type(record, crawler.Record)
            assert_type(record.outcome, crawler.Outcome)
            assert_type(record.tags, tuple[str, ...])
            assert_type(record.images, tuple[crawler.Image, ...] | None)
            assert_type(record.error, crawler.ErrorDetail | None)


async def watch_a_run(config: crawler.Config) -> None:
    run = crawler.Crawl(config, config.registry[0])
    assert_type(run.progress, crawler.Progress)
    assert_type(run.progress.discovered, int)
    run.stop()
    try:
        assert_type(await run.resume(), crawler.RunManifest | None)
    except crawler.Interrupted as stopped:
        assert_type(stopped, crawler.Interrupted)
    except crawler.RegistryError as error:
        assert_type(error.http_status, int | None)
        assert_type(error.outcome, crawler.Outcome)


def read_a_snapshot(folder: Path) -> None:
    opened: AbstractContextManager[crawler.Snapshot] = crawler.open_snapshot(folder)
    with opened as snapshot:
        assert_type(snapshot.run_manifest, crawler.RunManifest)
        assert_type(snapshot.records(), Iterator[crawler.Record])
        assert_type(snapshot.table("images"), crawler.ArrowTable)
        assert_type(snapshot.query("SELECT * FROM tags WHERE tag = $tag", {"tag": "latest"}), crawler.ArrowTable)


assert_type(crawler.__version__, str)
