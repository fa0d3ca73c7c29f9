"""The runs of one command, one after the other, and how they end: in words, and in an exit code."""

import gc
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import anyio

from crawler.cli import logs, screen
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN, PARTIAL
from crawler.cli.hints import hint
from crawler.cli.signals import Signals
from crawler.config import Config
from crawler.errors import CrawlerError, OutputClosed
from crawler.model import RunManifest, Verdict
from crawler.run.crawl import Crawl, SharedStarts
from crawler.snapshot.unfinished import age_in_words

_WORST_FIRST: Final = (COULD_NOT_RUN, PARTIAL, COMPLETE)


def run_in_a_loop(function: Any, *arguments: Any) -> Any:
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


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of each run beside its summary."""

    progress: bool
    records: int


Begin = Callable[[Crawl], Awaitable[RunManifest]]


async def crawl_each(config: Config, look: Look, begin: Begin) -> int:
    starts = SharedStarts()
    codes = []
    async with Signals.watched() as signals:
        for registry in config.registry:
            if signals.exit_code is not None:
                return signals.exit_code
            run = Crawl(config, registry, starts, logs.say)
            with signals.stopping(run):
                codes.append(await _crawl_one(run, config, look, begin))
        if signals.exit_code is not None and codes[-1] == COULD_NOT_RUN:
            return signals.exit_code  # else the signal came too late to stop anything
    return next(code for code in _WORST_FIRST if code in codes)


async def _crawl_one(run: Crawl, config: Config, look: Look, begin: Begin) -> int:
    async with screen.progress_shown(run, wanted=look.progress):
        end = await _end_of(run, begin)
    if isinstance(end, OutputClosed):
        return COMPLETE
    if isinstance(end, CrawlerError):
        logs.say(f"{run.target}: {end}{_what_to_do(run, end)}")
        return COULD_NOT_RUN
    lines = [screen.summary(run, end, config)]
    if run.is_journaled:
        lines += screen.examples(config.output.path / end.folder, end, look.records)
    print(*lines, sep="\n", file=sys.stdout if run.is_journaled else sys.stderr, flush=True)
    return COMPLETE if end.verdict is Verdict.COMPLETE or config.verdict.partial_ok else PARTIAL


async def _end_of(run: Crawl, begin: Begin) -> RunManifest | CrawlerError:
    try:
        return await begin(run)
    except CrawlerError as error:
        return error
    except Exception as bug:
        logs.say(f"{run.target}: internal error; please report this{_what_to_do(run, bug)}")
        raise


def _what_to_do(run: Crawl, failure: Exception) -> str:
    if run.is_journaled and run.recorded:
        return f" ({run.recorded:,} repositories are recorded: rerun with --resume to continue)"
    advice = hint(run.registry, failure) if isinstance(failure, CrawlerError) else ""
    return f" ({advice})" if advice else ""


async def begun(run: Crawl) -> RunManifest:
    for unfinished in (await run.resumable())[:1]:
        age = age_in_words(unfinished.age(datetime.now(UTC)))
        logs.say(
            f"{run.target}: run {unfinished.run_id}, begun {age}, was not finished; "
            "--resume continues it, this begins a new run"
        )
    return await run.run()


async def begun_or_resumed(run: Crawl) -> RunManifest:
    resumed = await run.resume()
    if resumed is None:
        logs.say(f"{run.target}: there is no unfinished run to resume; this begins one")
        return await run.run()
    return resumed
