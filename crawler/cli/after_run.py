"""What follows a run: metrics, a notification and a trace. The run counts, so a failure here is only said.

Services are sent to all at once, and none for long: one that hangs does not keep a crawl from its end.
"""

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from crawler.cli import logs, telemetry
from crawler.cli.run_report import RunResult
from crawler.cli.shown_run import ShownRun
from crawler.cli.signals import Signals
from crawler.config import Config, MergeConfig
from crawler.errors import CrawlerError, SnapshotError
from crawler.model.run_manifest import Counts, RunManifest, snapshot_folder
from crawler.model.timestamps import timestamp
from crawler.model.value import Value
from crawler.run.crawl import Crawl
from crawler.snapshot.reader import published_runs

if TYPE_CHECKING:
    from crawler.questions.metrics.history import TargetHistory
    from crawler.tables.selection import SelectedSnapshot

DELIVERY_LIMIT_S: Final = 15.0
"""How long services have to take what is sent to them, with every retry."""

AFTER_SIGNAL_S: Final = 0.5
"""How long they have after a signal: `Signals` ends the process a second after the time that a run has to stop."""


class MergedRun(Value, frozen=True):
    """What several shards did together, in the place of a crawl. `parameters` tells when it was begun, and its id."""

    parameters: RunManifest

    @property
    def target(self) -> str:
        return self.parameters.target

    @property
    def counts(self) -> Counts:
        return self.parameters.counts


class EndedRun(Value, frozen=True):
    """A run that has ended, and the exit code of the command if it were its only run."""

    run: ShownRun | MergedRun
    result: RunResult
    code: int

    @property
    def target(self) -> str:
        return str(self.run.target)


class _Delivery(Value, frozen=True):
    """Something to send: `what`, for people, to `receiver`. `send` says itself what the receiver refuses."""

    what: str
    receiver: str
    send: Callable[[], Awaitable[None]]


class AfterRuns:
    """What follows each run of one command, as the configuration and the environment want it."""

    def __init__(self, config: Config | MergeConfig, signals: Signals, limit_s: float = DELIVERY_LIMIT_S) -> None:
        self._config = config
        self._signals = signals
        self._limit_s = limit_s
        self._changes: dict[str, Mapping[str, int]] = {}

    async def follow_up(self, ended: EndedRun) -> None:
        """Write the metrics, and send metrics, notification and trace. Raises nothing that is known to happen."""
        config, deliveries = self._config, []
        if config.notify.url is not None and isinstance(ended.result, RunManifest):
            await self._count_changes(ended.result)
        if config.metrics.textfile is not None or config.metrics.pushgateway is not None:
            histories = await anyio.to_thread.run_sync(self._write_metrics, ended)
            own = [history for history in histories if history.target == ended.target]
            if own and (gateway := config.metrics.pushgateway) is not None:
                push = partial(_push_metrics, gateway, own[0])
                deliveries.append(_Delivery("the metrics", str(urlsplit(gateway).hostname), push))
        if (webhook := config.notify.url) is not None:
            post = partial(_notify, ended, webhook, self._changes.get(ended.target))
            deliveries.append(_Delivery("the notification", str(urlsplit(webhook).hostname), post))
        if (collector := telemetry.collector()) is not None and isinstance(ended.run, Crawl):
            trace = partial(_in_thread, telemetry.export_trace, ended.run, ended.result)
            deliveries.append(_Delivery("the trace", collector, trace))
        await self._deliver(ended.target, deliveries)

    async def _count_changes(self, run_manifest: RunManifest) -> None:
        """Count what changed since the last complete snapshot. Unless a signal comes: it takes as long as it takes."""
        async with self._interruptible(math.inf, after_signal_s=0):
            changes = await _in_thread(_changes, self._config, run_manifest)
            if changes is not None:
                self._changes[run_manifest.target] = changes

    def _write_metrics(self, ended: EndedRun) -> "Sequence[TargetHistory]":
        """Write the metrics of every target in the output folder to the textfile, if any, and return their source.

        It is empty where the output folder cannot be read.
        """
        from crawler.questions.metrics.exposition import write_metrics
        from crawler.questions.metrics.history import target_histories
        from crawler.snapshot.locks import configured_locks
        from crawler.snapshot.unfinished import UnfinishedRuns

        output, textfile = self._config.output, self._config.metrics.textfile
        unfinished = UnfinishedRuns(output.path, configured_locks(output))
        histories: list[TargetHistory] = []
        try:
            found = target_histories(output.path, unfinished, {ended.target: ended.run.parameters.started_at})
            histories = [replace(history, changes=self._changes.get(history.target)) for history in found]
            if textfile is not None:
                write_metrics(textfile, histories)
        except SnapshotError as exc:
            logs.notice(f"{ended.target}: {exc}")
        return histories

    async def _deliver(self, target: str, deliveries: Sequence[_Delivery]) -> None:
        """Send all at once, and say what no service has taken in time."""
        waiting = {delivery.what: delivery.receiver for delivery in deliveries}

        async def send(delivery: _Delivery) -> None:
            await delivery.send()
            del waiting[delivery.what]

        async with self._interruptible(self._limit_s, AFTER_SIGNAL_S), anyio.create_task_group() as tasks:
            for delivery in deliveries:
                tasks.start_soon(send, delivery)
        reason = f"no answer within {self._limit_s:g} s" if self._signals.exit_code is None else "interrupted"
        for what, receiver in waiting.items():
            logs.notice(f"{target}: {receiver} has not taken {what}: {reason}")

    @asynccontextmanager
    async def _interruptible(self, limit_s: float, after_signal_s: float) -> AsyncIterator[None]:
        """A block that is left quietly after `limit_s`, and `after_signal_s` after a signal."""
        async with anyio.create_task_group() as tasks:
            tasks.cancel_scope.deadline = anyio.current_time() + limit_s
            tasks.start_soon(self._hasten, tasks.cancel_scope, after_signal_s)
            yield
            tasks.cancel_scope.cancel()

    async def _hasten(self, scope: anyio.CancelScope, after_signal_s: float) -> None:
        await self._signals.wait()
        scope.deadline = min(scope.deadline, anyio.current_time() + after_signal_s)


async def _in_thread(function: Callable[..., Any], *arguments: object) -> Any:
    """The function's result. A thread that hangs is left alone: the process does not wait for it."""
    return await anyio.to_thread.run_sync(function, *arguments, abandon_on_cancel=True)


async def _push_metrics(url: str, history: "TargetHistory") -> None:
    from crawler.questions.metrics.exposition import push_metrics

    try:
        await _in_thread(push_metrics, url, history)
    except SnapshotError as exc:
        logs.notice(f"{history.target}: {exc}")


async def _notify(ended: EndedRun, url: str, changes: Mapping[str, int] | None) -> None:
    from crawler.notify import post_event, run_event

    run_id = ended.run.parameters.run_id
    event = run_event(ended.target, run_id, timestamp(datetime.now(UTC)), _event_data(ended, changes))
    reason = await post_event(url, event)
    if reason:
        logs.notice(f"{ended.target}: the notification was not delivered: {reason}")
    else:
        logs.notice(f"{ended.target}: {urlsplit(url).hostname} was notified", logging.DEBUG)


def _event_data(ended: EndedRun, changes: Mapping[str, int] | None) -> dict[str, Any]:
    from crawler.notify import snapshot_data

    if isinstance(ended.result, RunManifest):
        return {"exit_code": ended.code, **snapshot_data(ended.result), "changes": changes}
    message = str(ended.result) if isinstance(ended.result, CrawlerError) else type(ended.result).__name__
    return {"exit_code": ended.code, "verdict": None, "reasons": [message], "counts": asdict(ended.run.counts)}


def _changes(config: Config | MergeConfig, run_manifest: RunManifest) -> Mapping[str, int] | None:
    """How many changes of each kind there are since the last complete snapshot; None where there is none to compare."""
    from crawler.questions.diff.changes import compare
    from crawler.tables.selection import select_folder

    try:
        old = _complete_before(config, run_manifest)
        if old is None:
            return None
        with compare(old, select_folder(config.output.path / run_manifest.folder)) as comparison:
            return {kind.value: count for kind, count in comparison.counts.items()}
    except CrawlerError as exc:
        logs.notice(f"{run_manifest.target}: the changes cannot be counted: {exc}")
        return None


def _complete_before(config: Config | MergeConfig, run_manifest: RunManifest) -> "SelectedSnapshot | None":
    """The newest complete snapshot that was begun before this one and can be read. Older ones are not opened."""
    from crawler.tables.selection import select_folder

    output, target = config.output.path, run_manifest.target
    for run in published_runs(output, target):
        if run.is_complete and run.started_at < run_manifest.started_at:
            with suppress(SnapshotError):  # of another version, or removed by now
                return select_folder(output / snapshot_folder(target, run.started_at, run.run_id))
    return None
