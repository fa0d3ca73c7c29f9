"""A crawl for a program: one configured registry, as a snapshot or as a stream of records."""

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

from crawler.config import Config, RegistryConfig
from crawler.errors import ConfigError
from crawler.model.record import Record
from crawler.model.run_manifest import RunManifest
from crawler.run.crawl import Crawl
from crawler.run.failures import unwrap_group

log = logging.getLogger(__name__)


async def crawl(config: Config) -> RunManifest:
    """Take the snapshot of the configuration's one registry, and return its manifest.

    The snapshot is in `config.output.path / manifest.folder`. Raises CrawlerError where nothing was published: the
    registry gave no first page of names, or the disk failed. What failed for single repositories is in the manifest.

    A digest cache in a lake (`cache.path`) is fetched before the run and put back after it, with the credentials of the
    environment; where that fails, the log has a warning. The snapshot is not published to `lake.url`.
    """
    run = Crawl(config, _only(config))
    async with _lake_cache(config):
        return await run.run()


@asynccontextmanager
async def open_records(config: Config) -> AsyncIterator[AsyncIterator[Record]]:
    """The records of the configuration's one registry as they come, in no order. No snapshot is written.

    Leaving the block early ends the crawl. Raises what `crawl` raises.
    """
    run = Crawl(config, _only(config))
    send, receive = anyio.create_memory_object_stream[Sequence[Record]](1)

    async def produce() -> None:
        async with send:
            await run.run_into(_IteratorSink(send))

    async def consume() -> AsyncIterator[Record]:
        async for batch in receive:
            for record in batch:
                yield record

    with unwrap_group():
        async with _lake_cache(config), receive, anyio.create_task_group() as group:
            group.start_soon(produce)
            yield consume()
            group.cancel_scope.cancel()


def _lake_cache(config: Config) -> AbstractAsyncContextManager[None]:
    """Have the cache that a lake holds on this disk while the block runs. Raises ConfigError."""
    if config.cache.url is None:
        return nullcontext()
    from crawler.lake.around_runs import around_runs, open_held_cache

    in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    return around_runs(open_held_cache(config, os.environ), in_thread, _notice)


def _notice(line: str, level: int = logging.WARNING, /) -> None:
    log.log(level, "%s", line)


def _only(config: Config) -> RegistryConfig:
    if len(config.registry) != 1:
        count = len(config.registry)
        raise ConfigError([f"registry: exactly one is needed here, and there are {count}; make a Crawl of each"])
    return config.registry[0]


@dataclass(frozen=True, slots=True)
class _IteratorSink:
    """A sink that passes batches to the iterator of records."""

    stream: MemoryObjectSendStream[Sequence[Record]]

    async def write(self, records: Sequence[Record]) -> None:
        await self.stream.send(records)
