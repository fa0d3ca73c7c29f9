"""The report of a run that has ended: a summary or an error for people, one event for a log collector."""

import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from crawler.cli import logs
from crawler.cli.error_output import internal_error
from crawler.cli.exit_codes import COMPLETE
from crawler.cli.lake_shards import upload_text
from crawler.cli.lake_snapshots import publication_text
from crawler.cli.logs import LogFormat
from crawler.cli.shown_run import ShownRun
from crawler.cli.streams import write, write_text
from crawler.cli.summary import example_records, summary
from crawler.config import Config
from crawler.errors import CrawlerError, Interrupted, OutputClosed
from crawler.model.run_manifest import RunManifest, Verdict
from crawler.model.value import Value
from crawler.model.words import repositories

if TYPE_CHECKING:
    from crawler.lake.held_shards import Uploaded
    from crawler.lake.publish import Publication

PublishResult = Union["Publication", "Uploaded", Exception, None]
"""What a lake has of a run's snapshot or shard, or why it has nothing; None where nothing was to be published."""

RunResult = RunManifest | Exception
"""The result of a run: its manifest, or the exception because of which it published nothing."""


class DisplayOptions(Value, frozen=True, kw_only=True):
    """What a run shows.

    Attributes:
        progress: Whether to show the progress on standard error.
        records: How many records of the snapshot to print to standard output.
        log_format: The format of standard error.
    """

    progress: bool
    records: int
    log_format: LogFormat


def report_run(
    run: ShownRun, result: RunResult, published: PublishResult, config: Config, options: DisplayOptions, code: int
) -> None:
    """Report how a run ended. `code` is the exit code of the command if this were its only run."""
    if options.log_format is LogFormat.JSON:
        message = _outcome_message(run, result)
        fields = _event_fields(run, result, published, message, config.output.path, code)
        logs.notice(f"{run.target}: {message}", _log_level(result), bug=_internal_error(result), **fields)
    elif isinstance(result, RunManifest):
        write_text(summary(run, result, config, _lake_text(published, config)))
    elif not isinstance(result, OutputClosed):
        message = _outcome_message(run, result)
        logs.notice(f"{run.target}: {message}", _log_level(result), bug=_internal_error(result))
    if isinstance(published, Exception):
        message = str(published) if isinstance(published, CrawlerError) else internal_error(published)
        logs.notice(f"{run.target}: {message}", logging.ERROR, bug=_internal_error(published), target=str(run.target))
    if isinstance(result, RunManifest) and run.writes_snapshot and options.records:
        _print_records(config.output.path / result.folder, result, options.records)


def _outcome_message(run: ShownRun, result: RunResult) -> str:
    if isinstance(result, RunManifest):
        return "; ".join([f"{result.verdict}: {repositories(result.counts.repositories)}", *result.reasons])
    message = str(result) if isinstance(result, CrawlerError) else internal_error(result)
    return f"{message}{_advice_suffix(run, result)}"


def _advice_suffix(run: ShownRun, exc: Exception) -> str:
    """Return ` (ADVICE)`, or "". Where records can be resumed, that is the advice."""
    if run.writes_snapshot and run.recorded:
        return f" ({run.recorded:,} repositories are recorded: rerun with --resume to continue)"
    if not isinstance(exc, CrawlerError):
        return ""
    from crawler.run.hints import hint

    advice = hint(run.registry, exc)
    return f" ({advice})" if advice else ""


def _lake_text(published: PublishResult, config: Config) -> str:
    """What is said of the lake; "" where there is none."""
    if published is None:
        return ""
    return f"{config.lake.url}: {_published_text(published, config)}"


def _published_text(published: "Publication | Uploaded | Exception", config: Config) -> str:
    from crawler.lake.held_shards import Uploaded

    if isinstance(published, Exception):
        return "not published" if config.scale.shard is None else "not uploaded"
    return upload_text(published) if isinstance(published, Uploaded) else publication_text(published)


def _internal_error(result: RunResult) -> Exception | None:
    return None if isinstance(result, RunManifest | CrawlerError) else result


def _print_records(snapshot: Path, run_manifest: RunManifest, count: int) -> None:
    try:
        lines = example_records(snapshot, run_manifest, count)
    except OSError as exc:
        logs.notice(f"--show: the snapshot's records cannot be read: {exc.strerror}")
    else:
        write(sys.stdout, b"".join(lines))


def _log_level(result: RunResult) -> int:
    """INFO where there is nothing to do, WARNING for a run to look at, ERROR for a run without a snapshot."""
    match result:
        case RunManifest(verdict=Verdict.COMPLETE) | OutputClosed():
            return logging.INFO
        case RunManifest() | Interrupted():
            return logging.WARNING
        case _:
            return logging.ERROR


def _event_fields(
    run: ShownRun, result: RunResult, published: PublishResult, message: str, output: Path, code: int
) -> dict[str, Any]:
    """The fields of the event `run_ended`.

    `verdict` and `snapshot` are null where there is no snapshot; then `reasons` holds the error's message. `lake` is
    the lake's URL, and null where the snapshot, or the shard, is in none.
    """
    run_manifest = result if isinstance(result, RunManifest) else None
    errors = (message,) if run_manifest is None and code != COMPLETE else ()
    return {
        "event": "run_ended",
        "target": str(run.target),
        "run_id": run.parameters.run_id,
        "verdict": None if run_manifest is None else run_manifest.verdict,
        "reasons": errors if run_manifest is None else run_manifest.reasons,
        "counts": asdict(run.counts),
        "requests": {"total": run.progress.exchanges} if run_manifest is None else asdict(run_manifest.requests),
        "duration_s": round(run.progress.seconds, 3),
        "snapshot": str(output / run_manifest.folder) if run_manifest is not None and run.writes_snapshot else None,
        "lake": None if published is None or isinstance(published, Exception) else published.lake,
        "identity": run.parameters.identity if run_manifest is None else run_manifest.identity,
        "exit_code": code,
    }
