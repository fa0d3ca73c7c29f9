"""What a person sees of a run: how far it is, and in the end whether it can be trusted."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import orjson

from crawler.config import Config
from crawler.errors import printable
from crawler.model import Counts, Outcome, Record, Requests, RunManifest, Verdict
from crawler.run.crawl import Crawl, Progress

_BAR_EVERY_S = 0.2
_LINE_EVERY_S = 10.0
_SHORT = 700
_LONGEST_PATH = 4096


@asynccontextmanager
async def progress_shown(crawl: Crawl, *, wanted: bool) -> AsyncIterator[None]:
    """Show a run's progress on standard error while the block runs: a bar on a terminal, elsewhere plain lines."""
    if not wanted:
        yield
        return
    show = _bar if sys.stderr.isatty() else _lines
    async with anyio.create_task_group() as group:
        group.start_soon(show, crawl)
        yield
        group.cancel_scope.cancel()


async def _lines(crawl: Crawl) -> None:
    before = crawl.progress
    while True:
        await anyio.sleep(_LINE_EVERY_S)
        now = crawl.progress
        print(
            f"{datetime.now().astimezone():%H:%M:%S} {crawl.target}: {_state(before, now)}", file=sys.stderr, flush=True
        )
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
        before = crawl.progress
        while True:
            await anyio.sleep(_BAR_EVERY_S)
            now = crawl.progress
            bar.update(task, completed=now.done, total=now.known if now.walked else None)
            state.plain = f"  {_state(before, now)}"
            before = now


def _state(before: Progress, now: Progress) -> str:
    """Repositories done and known, exchanges per second, failures, time left."""
    seconds = max(now.seconds - before.seconds, 1e-3)
    known = f"{now.known:,}" if now.walked else f"{now.known:,} so far"
    words = [
        f"{now.done:,} of {known} repositories",
        f"{(now.exchanges - before.exchanges) / seconds:,.0f} exchanges/s",
        f"{now.unwell:,} failed or denied",
    ]
    if now.walked and now.done:
        left = (now.known - now.done) * now.seconds / now.done
        words.append(f"about {timedelta(seconds=round(left))} left")
    return ", ".join(words)


def summary(crawl: Crawl, manifest: RunManifest, config: Config) -> str:
    """The run at a glance: the verdict and why, the counts, the price, and where the snapshot lies."""
    counts, requests = manifest.counts, manifest.requests
    seconds = max(crawl.progress.seconds, 1e-3)
    outcomes = ", ".join(f"{getattr(counts, outcome):,} {outcome}" for outcome in Outcome)
    verdict = "COMPLETE" if manifest.verdict is Verdict.COMPLETE else "PARTIAL"
    lines = [f"{verdict}: {manifest.target}, {_duration(seconds)}"]
    lines += [f"  because      {reason}" for reason in manifest.reasons]
    if manifest.resumed_at:
        lines.append(f"  resumed      at {', '.join(manifest.resumed_at)}; begun at {manifest.started_at}")
    lines += [
        f"  repositories {counts.repositories:,}: {outcomes}",
        f"  contents     {_contents(counts)}",
        f"  discovery    {manifest.discovery.evidence}",
        f"  exchanges    {_price(requests)}, {requests.total / seconds:,.0f}/s",
        f"  pace         {_pace(manifest, crawl.pace_set_by)}",
    ]
    if crawl.pays_for_tokens and requests.token:
        lines.append(f"  cheaper      --auth access-token finds the same without the {requests.token:,} for tokens")
    lines += [f"  for example  {_trouble(record)}" for record in crawl.troubles]
    if crawl.is_journaled:
        lines.append(f"  snapshot     {printable(str(config.output.path / manifest.folder), _LONGEST_PATH)}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _price(requests: Requests) -> str:
    parts = f"{requests.token:,} for tokens, {requests.retries:,} retries, {requests.throttled:,} throttled"
    return f"{requests.total:,} ({parts})"


def _contents(counts: Counts) -> str:
    images = "no images listed" if counts.images is None else f"{counts.images:,} images"
    problems = f", {counts.problems:,} problems" if counts.problems else ""
    return f"{counts.tags:,} tags, {images}{problems}"


def _pace(manifest: RunManifest, set_by: str) -> str:
    """The pace that was allowed, the one that was kept, and what set it."""
    kept = manifest.pace
    return f"{kept.configured}; kept {kept.median_per_s:,.4g}/s, set by {set_by}"


def _trouble(record: Record) -> str:
    said = f": {record.error.code}: {record.error.message}" if record.error else f": {record.suspect}"
    return f"{record.outcome} {record.repository}{said}"


def examples(snapshot: Path, manifest: RunManifest, count: int) -> list[str]:
    """Up to `count` records of an uncompressed snapshot, each of another outcome and short enough to read."""
    found: dict[str, str] = {}
    for file in manifest.files:
        if Path(file.name).suffix != ".jsonl":
            continue
        with (snapshot / file.name).open(encoding="utf-8") as lines:
            for line in lines:
                if len(found) == count:
                    break
                record = orjson.loads(line)
                if len(line) < _SHORT and (record["tags"] or record["error"]):
                    found.setdefault(record["outcome"], line.rstrip())
    return list(found.values())
