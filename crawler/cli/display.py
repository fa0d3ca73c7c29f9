"""The progress of a run on standard error: a bar on a terminal, elsewhere a line every 10 seconds."""

import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio

from crawler.cli import logs
from crawler.cli.logs import LogFormat
from crawler.cli.shown_run import ShownRun
from crawler.cli.streams import supports_escape_codes, write_text
from crawler.run.progress import Progress

_BAR_EVERY_S = 0.2
_LINE_EVERY_S = 10.0


@asynccontextmanager
async def show_progress(crawl: ShownRun, log_format: LogFormat) -> AsyncIterator[None]:
    """Show a run's progress on standard error while the block runs."""
    async with anyio.create_task_group() as group:
        group.start_soon(_display_for(log_format), crawl)
        yield
        group.cancel_scope.cancel()


def _display_for(log_format: LogFormat) -> Callable[[ShownRun], Coroutine[Any, Any, None]]:
    if log_format is LogFormat.JSON:
        return _event_progress
    return _bar_progress if supports_escape_codes(sys.stderr) else _line_progress


async def _line_progress(crawl: ShownRun) -> None:
    async for previous, now in _progress_steps(crawl, _LINE_EVERY_S):
        write_text(f"{datetime.now().astimezone():%H:%M:%S} {crawl.target}: {_progress_text(previous, now)}")


async def _event_progress(crawl: ShownRun) -> None:
    async for previous, now in _progress_steps(crawl, _LINE_EVERY_S):
        logs.notice(
            f"{crawl.target}: {_progress_text(previous, now)}",
            logging.INFO,
            event="progress",
            target=str(crawl.target),
            run_id=crawl.parameters.run_id,
            repositories_done=now.done,
            repositories_known=now.discovered,
            discovery_done=now.discovery_done,
            failed_or_denied=now.failed,
            exchanges=now.exchanges,
            exchanges_per_s=round(_exchanges_per_s(previous, now), 1),
            duration_s=round(now.seconds, 1),
            seconds_left=_seconds_left(now),
        )


async def _progress_steps(crawl: ShownRun, every_s: float) -> AsyncIterator[tuple[Progress, Progress]]:
    """Yield the run's progress every `every_s` seconds, each time with the previous one."""
    previous = crawl.progress
    while True:
        await anyio.sleep(every_s)
        now = crawl.progress
        yield previous, now
        previous = now


async def _bar_progress(crawl: ShownRun) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    bar = Bar(SpinnerColumn("line"), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24))
    task = bar.add_task(str(crawl.target), total=None)
    state = Text()
    with Live(Group(bar, state), console=Console(stderr=True), transient=True):
        async for previous, now in _progress_steps(crawl, _BAR_EVERY_S):
            bar.update(task, completed=now.done, total=now.discovered if now.discovery_done else None)
            state.plain = f"  {_progress_text(previous, now)}"


def _progress_text(previous: Progress, now: Progress) -> str:
    """Return one line: repositories done and discovered, exchanges per second, failures, time left."""
    discovered = f"{now.discovered:,}" if now.discovery_done else f"{now.discovered:,} so far"
    parts = [
        f"{now.done:,} of {discovered} repositories",
        f"{_exchanges_per_s(previous, now):,.0f} exchanges/s",
        f"{now.failed:,} failed or denied",
    ]
    seconds_left = _seconds_left(now)
    if seconds_left is not None:
        parts.append(f"about {timedelta(seconds=seconds_left)} left")
    return ", ".join(parts)


def _exchanges_per_s(previous: Progress, now: Progress) -> float:
    """Return the exchanges per second since `previous`."""
    return (now.exchanges - previous.exchanges) / max(now.seconds - previous.seconds, 1e-3)


def _seconds_left(now: Progress) -> int | None:
    """Estimate the seconds left; None until every name is discovered and a repository is done."""
    return round((now.discovered - now.done) * now.seconds / now.done) if now.discovery_done and now.done else None
