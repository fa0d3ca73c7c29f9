"""`registry-crawler runs`: what lies in the output folder, and can be dropped."""

import logging

import typer

from crawler.cli import logs
from crawler.cli.error_output import report_error
from crawler.cli.exit_codes import BAD_USAGE, COULD_NOT_RUN
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder, RunId
from crawler.errors import ConfigError, SnapshotError

runs = typer.Typer(help="Unfinished runs in the output folder.", rich_markup_mode=None)


@runs.callback()
def _group() -> None:
    # keeps `discard` a command of its own while it is the only one
    pass


@runs.command()
def discard(
    run_id: RunId,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Drop an unfinished run and its records, for good. Refused while a process works on it.

    RUN_ID is the run's name, as crawl and the folder .unfinished have it.

    Exit code: 0 dropped, 1 could not be dropped, 2 bad usage, or no such run.
    """
    from crawler.config import STDIO, Flag, OutputConfig
    from crawler.snapshot.locks import FileLocks, NoLocks
    from crawler.snapshot.unfinished import UnfinishedRuns

    logs.configure(log_format, verbosity=0)
    try:
        settings = OutputConfig.load(config, [] if output is None else [Flag("--output", "output.path", output)])
    except ConfigError as mistakes:
        report_error(mistakes, BAD_USAGE)
    if settings.path == STDIO:
        report_error(ConfigError(["--output: standard output has no runs"]), BAD_USAGE)
    unfinished = UnfinishedRuns(settings.path, FileLocks() if settings.lock else NoLocks())
    try:
        unfinished.discard(run_id)
    except LookupError as exc:
        there_are = f"there is no unfinished run {run_id!r} in {settings.path}; there are: {exc}"
        report_error(ConfigError([there_are]), BAD_USAGE)
    except SnapshotError as exc:
        report_error(exc, COULD_NOT_RUN)
    logs.notice(f"run {run_id} is discarded", logging.INFO)
