"""`registry-crawler runs`: unfinished runs in the output folder."""

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
    # without a callback typer makes the only command of a group the group itself: `runs RUN_ID`
    pass


@runs.command()
def discard(
    run_id: RunId,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Delete an unfinished run and its records. Refused while a process works on the run.

    RUN_ID is the name of the run, as crawl prints it and as in the folder .unfinished.

    Exit code: 0 deleted, 1 could not be deleted, 2 bad usage, or no such run.
    """
    from crawler.config import STDIO, Flag, OutputConfig
    from crawler.snapshot.locks import FileLocks, NoLocks
    from crawler.snapshot.unfinished import UnfinishedRuns

    logs.configure(log_format, verbosity=0)
    try:
        settings = OutputConfig.load(config, [] if output is None else [Flag("--output", "output.path", output)])
    except ConfigError as exc:
        report_error(exc, BAD_USAGE)
    if settings.path == STDIO:
        report_error(ConfigError(["--output: standard output holds no runs"]), BAD_USAGE)
    unfinished = UnfinishedRuns(settings.path, FileLocks() if settings.lock else NoLocks())
    try:
        unfinished.discard(run_id)
    except LookupError as exc:
        message = f"there is no unfinished run {run_id!r} in {settings.path}; there are: {exc}"
        report_error(ConfigError([message]), BAD_USAGE)
    except SnapshotError as exc:
        report_error(exc, COULD_NOT_RUN)
    logs.notice(f"run {run_id} is discarded", logging.INFO)
