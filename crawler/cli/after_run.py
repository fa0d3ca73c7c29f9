"""What follows a run: metrics, a notification and a trace. The run counts, so a failure here is only said."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread

from crawler.cli import logs, telemetry
from crawler.cli.run_report import RunResult
from crawler.config import Config
from crawler.errors import CrawlerError, SnapshotError
from crawler.model.run_manifest import RunManifest
from crawler.model.timestamps import timestamp
from crawler.notify import post_event, run_event, snapshot_data
from crawler.run.crawl import Crawl


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, and the exit code of the command if it were its only run."""

    run: Crawl
    result: RunResult
    code: int


async def follow_up(ended: EndedRun, config: Config) -> None:
    """Do all that the configuration and the environment want after a run."""
    if config.metrics.textfile is not None or config.metrics.pushgateway is not None:
        await anyio.to_thread.run_sync(_give_metrics, ended, config)
    if config.notify.url is not None:
        await _notify(ended, config, config.notify.url)
    if telemetry.is_wanted():
        await anyio.to_thread.run_sync(telemetry.export_trace, ended.run, ended.result)


def _give_metrics(ended: EndedRun, config: Config) -> None:
    """Write the textfile, and push to the gateway: the metrics of every target in the output folder."""
    from crawler.questions.metrics.exposition import push_metrics, write_metrics
    from crawler.questions.metrics.history import target_histories
    from crawler.snapshot.locks import configured_locks
    from crawler.snapshot.unfinished import UnfinishedRuns

    attempts = {str(ended.run.target): ended.run.parameters.started_at}
    unfinished = UnfinishedRuns(config.output.path, configured_locks(config.output))
    try:
        histories = target_histories(config.output.path, unfinished, attempts)
        if config.metrics.textfile is not None:
            write_metrics(config.metrics.textfile, histories)
        if config.metrics.pushgateway is not None:
            push_metrics(config.metrics.pushgateway, histories)
    except SnapshotError as exc:
        logs.notice(f"{ended.run.target}: {exc}")


async def _notify(ended: EndedRun, config: Config, url: str) -> None:
    target, run_id = str(ended.run.target), ended.run.parameters.run_id
    event = run_event(target, run_id, timestamp(datetime.now(UTC)), await _event_data(ended, config))
    reason = await post_event(url, event)
    if reason:
        logs.notice(f"{target}: the notification was not delivered: {reason}")
    else:
        logs.notice(f"{target}: {urlsplit(url).hostname} was notified", logging.DEBUG)


async def _event_data(ended: EndedRun, config: Config) -> dict[str, Any]:
    if not isinstance(ended.result, RunManifest):
        message = str(ended.result) if isinstance(ended.result, CrawlerError) else type(ended.result).__name__
        return {"exit_code": ended.code, "verdict": None, "reasons": [message], "counts": asdict(ended.run.counts)}
    changes = await anyio.to_thread.run_sync(_changes, config, ended.result)
    return {"exit_code": ended.code, **snapshot_data(ended.result), "changes": changes}


def _changes(config: Config, run_manifest: RunManifest) -> Mapping[str, int] | None:
    """How many changes of each kind there are since the last complete snapshot; None where there is none to compare."""
    from crawler.questions.diff.changes import compare
    from crawler.tables.selection import earlier_snapshots, select_folder

    try:
        new = select_folder(config.output.path / run_manifest.folder)
        old = next((snapshot for snapshot in earlier_snapshots(new) if snapshot.is_complete), None)
        if old is None:
            return None
        with compare(old, new) as comparison:
            return {kind.value: count for kind, count in comparison.counts.items()}
    except CrawlerError as exc:
        logs.notice(f"{run_manifest.target}: the changes cannot be counted: {exc}")
        return None
