"""The runs of one command, one after the other, and how they end: in words, and in an exit code."""

import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio

from crawler.cli import display, logs
from crawler.cli.error_output import internal_error
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN, PARTIAL
from crawler.cli.hints import hint
from crawler.cli.logs import LogFormat
from crawler.cli.output import write, write_text
from crawler.cli.run_events import End, fields_of, level_of
from crawler.cli.signals import Signals
from crawler.cli.summary import examples, summary
from crawler.config import Config
from crawler.errors import CrawlerError, OutputClosed
from crawler.model.run_manifest import RunManifest, Verdict
from crawler.run.crawl import Crawl
from crawler.run.plan import SharedRateLimits
from crawler.snapshot.unfinished import age_text
from crawler.verdict import repositories

_WORST_FIRST: Final = (COULD_NOT_RUN, PARTIAL, COMPLETE)


def run_async(function: Any, *arguments: Any) -> Any:
    """Run an async function as the process's one job: a fast loop, and a collector that leaves a full house alone.

    At 512 exchanges in flight the collector's defaults cost 80 % more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    return anyio.run(function, *arguments, backend_options={"use_uvloop": _has_uvloop()})


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401  (whether it is there is the question)
    except ImportError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayOptions:
    """What is shown of each run, and how; `records` of its snapshot go to standard output."""

    progress: bool
    records: int
    log_format: LogFormat


Begin = Callable[[Crawl], Awaitable[RunManifest]]


async def crawl_each(config: Config, look: DisplayOptions, begin: Begin) -> int:
    starts = SharedRateLimits()
    codes = []
    async with Signals.watched() as signals:
        for registry in config.registry:
            if signals.exit_code is not None:
                return signals.exit_code
            run = Crawl(config, registry, starts, partial(logs.notice, target=str(registry.target)))
            async with display.show_progress(run, look.log_format) if look.progress else nullcontext():
                with signals.stopping(run):
                    end = await _run_outcome(run, begin)
            codes.append(_exit_code(end, config, signals))
            if len(codes) == len(config.registry):
                signals.nothing_left(_worst(codes))
            _report(run, end, config, look, codes[-1])
            if codes[-1] not in _WORST_FIRST:
                break
    return _worst(codes)


def _worst(codes: Sequence[int]) -> int:
    """The exit code of several runs; an interrupted one ends the command, whatever came before it."""
    return next(code for code in _WORST_FIRST if code in codes) if codes[-1] in _WORST_FIRST else codes[-1]


async def _run_outcome(run: Crawl, begin: Begin) -> End:
    try:
        return await begin(run)
    except Exception as failure:  # noqa: BLE001  (it is reported as what it is, and the other registries have their turn)
        return failure


def _exit_code(end: End, config: Config, signals: Signals) -> int:
    """The exit code if this were the only run. After a signal a snapshot counts all the same: it came too late."""
    if isinstance(end, OutputClosed):
        return COMPLETE
    if isinstance(end, RunManifest):
        return COMPLETE if end.verdict is Verdict.COMPLETE or config.verdict.partial_ok else PARTIAL
    return signals.exit_code or COULD_NOT_RUN


def _report(run: Crawl, end: End, config: Config, look: DisplayOptions, code: int) -> None:
    """Say how a run ended: people read a summary, or why there is none; a collector of logs gets one event."""
    if look.log_format is LogFormat.JSON:
        sentence = _sentence(run, end)
        fields = fields_of(run, end, sentence, config.output.path, code)
        logs.notice(f"{run.target}: {sentence}", level_of(end), bug=_internal_error(end), **fields)
    elif isinstance(end, RunManifest):
        write_text(summary(run, end, config))
    elif not isinstance(end, OutputClosed):
        logs.notice(f"{run.target}: {_sentence(run, end)}", level_of(end), bug=_internal_error(end))
    if isinstance(end, RunManifest) and run.writes_snapshot and look.records:
        _show_records(config.output.path / end.folder, end, look.records)


def _sentence(run: Crawl, end: End) -> str:
    if isinstance(end, RunManifest):
        return "; ".join([f"{end.verdict}: {repositories(end.counts.repositories)}", *end.reasons])
    if isinstance(end, CrawlerError):
        return f"{end}{_hint(run, end)}"
    return f"{internal_error(end)}{_hint(run, end)}"


def _internal_error(end: End) -> Exception | None:
    return None if isinstance(end, RunManifest | CrawlerError) else end


def _show_records(snapshot: Path, manifest: RunManifest, count: int) -> None:
    try:
        lines = examples(snapshot, manifest, count)
    except OSError as exc:
        logs.notice(f"--show: the snapshot's records cannot be read: {exc.strerror}")
    else:
        write(sys.stdout, b"".join(lines))


def _hint(run: Crawl, failure: Exception) -> str:
    if run.writes_snapshot and run.recorded:
        return f" ({run.recorded:,} repositories are recorded: rerun with --resume to continue)"
    advice = hint(run.registry, failure) if isinstance(failure, CrawlerError) else ""
    return f" ({advice})" if advice else ""


async def start(run: Crawl) -> RunManifest:
    for unfinished in (await run.unfinished_runs())[:1]:
        age = age_text(unfinished.age(datetime.now(UTC)))
        logs.notice(
            f"{run.target}: run {unfinished.run_id}, begun {age}, was not finished; "
            "--resume continues it, this begins a new run",
            target=str(run.target),
        )
    return await run.run()


async def start_or_resume(run: Crawl) -> RunManifest:
    resumed = await run.resume()
    if resumed is None:
        line = f"{run.target}: there is no unfinished run to resume; this begins one"
        logs.notice(line, logging.INFO, target=str(run.target))
        return await run.run()
    return resumed
