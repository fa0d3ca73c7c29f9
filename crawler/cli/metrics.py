"""`registry-crawler metrics`: what a monitoring system should know of the snapshots in the output folder."""

from pathlib import Path
from typing import Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.snapshot_options import output_settings
from crawler.cli.streams import data_output

TextFile = Annotated[
    Path | None,
    typer.Option(
        "--textfile",
        metavar="FILE",
        help="Replace this file of node_exporter's textfile collector, instead of printing",
    ),
]


def metrics(
    textfile: TextFile = None,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print metrics of the newest snapshots for Prometheus: when, which verdict, how many, at which cost.

    Exit code: 0 done, 1 a folder cannot be read or the file cannot be written, 2 bad usage.
    """
    from crawler.questions.metrics.exposition import render_metrics, write_metrics
    from crawler.questions.metrics.history import target_histories
    from crawler.snapshot.locks import configured_locks
    from crawler.snapshot.unfinished import UnfinishedRuns

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        settings = output_settings(config, output)
        unfinished = UnfinishedRuns(settings.path, configured_locks(settings))
        histories = target_histories(settings.path, unfinished)
        if textfile is not None:
            write_metrics(textfile, histories)
            return
        with data_output() as out:
            out.write(render_metrics(histories).decode())
