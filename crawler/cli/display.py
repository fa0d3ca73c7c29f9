"""How far a run is: a bar on a terminal, elsewhere a line now and then."""

import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio

from crawler.cli import logs
from crawler.cli.logs import LogFormat
from crawler.cli.output import supports_escape_codes, write_text
from crawler.run.crawl import Crawl, Progress

_BAR_EVERY_S = 0.2
_LINE_EVERY_S = 10.0


@asynccontextmanager
async def show_progress(crawl: Crawl, log_format: LogFormat) -> AsyncIterator[None]:
    """Show a run's progress on standard error while the block runs."""
    async with anyio.create_task_group() as group:
        group.start_soon(_display_kind(log_format), crawl)
        yield
        group.cancel_scope.cancel()


def _display_kind(log_format: LogFormat) -> Callable[[Crawl], Coroutine[Any, Any, None]]:
    if log_format is LogFormat.JSON:
        return _events
    return _bar if supports_escape_codes(sys.stderr) else _lines


async def _lines(crawl: Crawl) -> None:
    async for before, now in _states(crawl, _LINE_EVERY_S):
        write_text(f"{datetime.now().astimezone():%H:%M:%S} {crawl.target}: {_state(before, now)}")


async def _events(crawl: Crawl) -> None:
    async for before, now in _states(crawl, _LINE_EVERY_S):
        logs.notice(
            f"{crawl.target}: {_state(before, now)}",
            logging.INFO,
            event="progress",
            target=str(crawl.target),
            run_id=crawl.parameters.run_id,
            repositories_done=now.done,
            repositories_known=now.discovered,
            discovery_done=now.discovery_done,
            failed_or_denied=now.failed,
            exchanges=now.exchanges,
            exchanges_per_s=round(_rate(before, now), 1),
            duration_s=round(now.seconds, 1),
            seconds_left=_seconds_left(now),
        )


async def _states(crawl: Crawl, every_s: float) -> AsyncIterator[tuple[Progress, Progress]]:
    """The run's progress now and then, each with the one before it."""
    before = crawl.progress
    while True:
        await anyio.sleep(every_s)
        now = crawl.progress
        yield before, now
        before = now


async def _bar(crawl: Crawl) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    bar = Bar(SpinnerColumn("line"), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24))
    task = bar.add_task(str(crawl.target), total=None)
    state = Text()
    with Live(Group(bar, state), console=Console(stderr=True), transient=True):
        async for before, now in _states(crawl, _BAR_EVERY_S):
            bar.update(task, completed=now.done, total=now.discovered if now.discovery_done else None)
            state.plain = f"  {_state(before, now)}"


def _state(before: Progress, now: Progress) -> str:
    """Repositories done and known, exchanges per second, failures, time left."""
    known = f"{now.discovered:,}" if now.discovery_done else f"{now.discovered:,} so far"
    words = [
        f"{now.done:,} of {known} repositories",
        f"{_rate(before, now):,.0f} exchanges/s",
        f"{now.failed:,} failed or denied",
    ]
    left = _seconds_left(now)
    if left is not None:
        words.append(f"about {timedelta(seconds=left)} left")
    return ", ".join(words)


def _rate(before: Progress, now: Progress) -> float:
    """Exchanges per second."""
    return (now.exchanges - before.exchanges) / max(now.seconds - before.seconds, 1e-3)


def _seconds_left(now: Progress) -> int | None:
    """About how long it will go on; None where that is not known yet."""
    return round((now.discovered - now.done) * now.seconds / now.done) if now.discovery_done and now.done else None
