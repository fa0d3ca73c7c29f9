"""The runs of one `crawl` command: one registry after the other, and one exit code for all of them."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crawler.cli import display, logs
from crawler.cli.after_run import AfterRuns, EndedRun
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN, ENDED, PARTIAL, worst_code
from crawler.cli.lake_cache import cache_around_runs, open_configured_cache
from crawler.cli.lake_shards import held_group, open_configured_shards, upload_result
from crawler.cli.lake_snapshots import open_configured_lake, publish_folder, scratch_folder
from crawler.cli.run_report import DisplayOptions, PublishResult, RunResult, report_run
from crawler.cli.shown_run import ShownRun
from crawler.cli.signals import Signals
from crawler.config import Config, RegistryConfig
from crawler.errors import LakeError, OutputClosed, SnapshotError
from crawler.model.run_manifest import RunManifest, Verdict
from crawler.run.crawl import Crawl
from crawler.run.plan import SharedRateLimits
from crawler.snapshot.unfinished import age_text

if TYPE_CHECKING:
    from crawler.lake.held_shards import HeldGroup
    from crawler.lake.publish import Lake, Publication

StartRun = Callable[[Crawl], Awaitable[RunManifest]]
"""How a run begins: `start`, or `start_or_resume`."""

RunT = TypeVar("RunT", bound=ShownRun)


async def crawl_registries(config: Config, options: DisplayOptions, start_run: StartRun) -> int:
    """Crawl each registry of the configuration in this process; see `run_each`.

    Registries that share a quota share its rate limit.
    """
    return await run_each(config, options, partial(_crawl_of, config, SharedRateLimits()), start_run)


def _crawl_of(
    config: Config, rate_limits: SharedRateLimits, registry: RegistryConfig, group: "HeldGroup | None"
) -> Crawl:
    return Crawl(config, registry, rate_limits, partial(logs.notice, target=str(registry.target)), group)


async def run_each(
    config: Config,
    options: DisplayOptions,
    make_run: "Callable[[RegistryConfig, HeldGroup | None], RunT]",
    start_run: Callable[[RunT], Awaitable[RunManifest]],
) -> int:
    """Crawl each registry of the configuration; return the exit code of the command.

    `make_run` takes a registry, and the group of its shards where a lake holds these. A run that fails does not stop
    the next one; a signal does.
    Raises ConfigError, before any run, for a lake that cannot be opened, be it of snapshots or of the digest cache.
    """
    shards, cache = open_configured_shards(config), open_configured_cache(config)
    lake = open_configured_lake(config.lake) if shards is None else None
    codes = []
    async with Signals.installed() as signals, cache_around_runs(cache, signals):
        after_runs = AfterRuns(config, signals)
        for registry in config.registry:
            if signals.exit_code is not None:
                return signals.exit_code
            group = held_group(shards, config, registry.target)
            run = make_run(registry, group)
            async with display.show_progress(run, options.log_format) if options.progress else nullcontext():
                with signals.stop_on_signal(run):
                    result = await _run_result(run, start_run)
            published: PublishResult = None
            if group is not None:
                published = await upload_result(result, config, group, signals)
            elif lake is not None:
                published = await _publish_result(result, config, lake, signals)
            codes.append(_exit_code(result, published, config, signals))
            if len(codes) == len(config.registry):
                signals.set_final_exit_code(_worst_code(codes))
            report_run(run, result, published, config, options, codes[-1])
            await after_runs.follow_up(EndedRun(run, result, codes[-1]))
            if codes[-1] not in ENDED:
                break
    return _worst_code(codes)


def _worst_code(codes: Sequence[int]) -> int:
    """The exit code of several runs. An interrupted run ends the command, whatever came before it."""
    return worst_code(codes) if codes[-1] in ENDED else codes[-1]


async def _run_result(run: RunT, start_run: Callable[[RunT], Awaitable[RunManifest]]) -> RunResult:
    try:
        return await start_run(run)
    except Exception as exc:  # noqa: BLE001  (it is reported, and the next registry is crawled)
        return exc


async def _publish_result(result: RunResult, config: Config, lake: "Lake", signals: Signals) -> PublishResult:
    """Publish a run's snapshot to the lake; None where the run has none. A signal ends the wait, and the command."""
    if not isinstance(result, RunManifest):
        return None
    try:
        with scratch_folder() as scratch:
            # what an abandoned thread has uploaded is not visible
            published = await signals.until_signal(partial(_publish, config.output.path / result.folder, lake, scratch))
    except SnapshotError as exc:
        return exc
    if published is None:
        from crawler.lake.messages import kept

        return LakeError(f"{lake.url}: publishing was interrupted; {kept(result.run_id, lake.url)}")
    return published


def _publish(folder: Path, lake: "Lake", scratch: Path) -> "Publication | Exception":
    try:
        return publish_folder(folder, lake, scratch)
    except Exception as exc:  # noqa: BLE001  (it is reported, and the next registry is crawled)
        return exc


def _exit_code(result: RunResult, published: PublishResult, config: Config, signals: Signals) -> int:
    """The exit code if this were the only run. A snapshot that is published counts, even if a signal came later."""
    if isinstance(result, OutputClosed):
        return COMPLETE
    if isinstance(published, Exception):
        return signals.exit_code or COULD_NOT_RUN
    if isinstance(result, RunManifest):
        return COMPLETE if result.verdict is Verdict.COMPLETE or config.verdict.partial_ok else PARTIAL
    return signals.exit_code or COULD_NOT_RUN


async def start(run: Crawl) -> RunManifest:
    """Start a new run. A notice names the newest unfinished run, which --resume would continue."""
    for unfinished in (await run.unfinished_runs())[:1]:
        age = age_text(unfinished.age(datetime.now(UTC)))
        logs.notice(
            f"{run.target}: run {unfinished.run_id}, begun {age}, was not finished; "
            "--resume continues it, this begins a new run",
            target=str(run.target),
        )
    return await run.run()


async def start_or_resume(run: Crawl) -> RunManifest:
    """Resume the newest unfinished run. Where there is none, start a new run: a job may always pass --resume."""
    resumed = await run.resume()
    if resumed is None:
        line = f"{run.target}: there is no unfinished run to resume; this begins one"
        logs.notice(line, logging.INFO, target=str(run.target))
        return await run.run()
    return resumed
