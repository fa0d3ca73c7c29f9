"""A crawl for a program: one configured registry, as a snapshot or as a stream of records."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from crawler.config import Config, RegistryConfig
from crawler.errors import ConfigError
from crawler.model.record import Record
from crawler.model.run_manifest import RunManifest
from crawler.run.crawl import Crawl
from crawler.run.failures import unwrap_group


async def crawl(config: Config) -> RunManifest:
    """Take the snapshot of the configuration's one registry, and return its manifest.

    The snapshot is in `config.output.path / manifest.folder`. Raises CrawlerError where nothing was published: the
    registry gave no first page of names, or the disk failed. What failed for single repositories is in the manifest.
    """
    return await Crawl(config, _only(config)).run()


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
        async with receive, anyio.create_task_group() as group:
            group.start_soon(produce)
            yield consume()
            group.cancel_scope.cancel()


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
