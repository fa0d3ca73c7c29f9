"""A registry whose catalog has pages, crawled by several processes of the command, each of them a shard."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from support.run_cli import ONE_TRY, CommandResult, CommandRunner, scripted_crawl
from support.scripted import Entry, Reply, ScriptedServer, document, listing_path, on

CATALOG = "/v2/_catalog"
NAMES = [f"team-{number % 4}/app-{number:02}" for number in range(24)]
PAGES = (NAMES[:10], NAMES[10:20], NAMES[20:])
GROUP = "2026-11-28"


def catalog(pages: Sequence[Sequence[str]] = PAGES) -> list[Entry]:
    """The pages of the catalog, the later ones first: the first one matches every request."""
    return [catalog_page(number, page_reply(number, pages)) for number in reversed(range(len(pages)))]


def catalog_page(number: int, reply: Reply, **how: Any) -> Entry:
    """How the page with this number, counted from 0, is answered."""
    return on(CATALOG, reply, query={"last": f"page-{number}"} if number else {"last": None}, **how)


def page_reply(number: int, pages: Sequence[Sequence[str]] = PAGES) -> Reply:
    links = [("Link", f'<{CATALOG}?last=page-{number + 1}&n=1000>; rel="next"')] if number + 1 < len(pages) else []
    return document({"repositories": pages[number]}, *links)


def listings(names: Sequence[str] = NAMES) -> list[Entry]:
    return [
        on("/v2/", document({})),
        *(on(listing_path(name), document({"name": name, "tags": ["1", name[-2:]]})) for name in names),
    ]


def pages_asked(server: ScriptedServer) -> list[int]:
    """The numbers of the pages that were requested, in order."""
    return [int(asked.query.get("last", ["page-0"])[0][5:]) for asked in server.asked(CATALOG)]


def shard_arguments(
    server: ScriptedServer, shard: str, *more: object, output: Path | str = "out"
) -> tuple[object, ...]:
    return scripted_crawl(server, output, "--kind", "distribution", "--shard", shard, "--group", GROUP, *more)


async def crawl_in_processes(
    command: CommandRunner, server: ScriptedServer, shards: Sequence[str], *more: object
) -> list[CommandResult]:
    """Crawl with one process for each shard, all at once."""
    return await asyncio.gather(
        *(command(*shard_arguments(server, shard, *more), environment=ONE_TRY) for shard in shards)
    )


async def start_shard(
    stack: AsyncExitStack, command: CommandRunner, server: ScriptedServer, shard: str, *more: object
) -> asyncio.subprocess.Process:
    return await stack.enter_async_context(command.started(*shard_arguments(server, shard, *more), environment=ONE_TRY))


async def until_asked(server: ScriptedServer, path: str, **query: str) -> None:
    """Wait until the server has been asked for a path."""
    async with asyncio.timeout(30):
        while not server.asked(path, **query):  # noqa: ASYNC110  (another process asks)
            await asyncio.sleep(0.01)
