"""`registry-crawler runs`: what lies in the output folder, and can be dropped."""

from pathlib import Path
from typing import Annotated

import typer

from crawler.cli.complaints import complain
from crawler.cli.exit_codes import BAD_USAGE, COULD_NOT_RUN
from crawler.errors import ConfigError, SnapshotError

runs = typer.Typer(no_args_is_help=True, help="Unfinished runs in the output folder.", rich_markup_mode=None)


@runs.callback()
def _group() -> None:
    """Keep `discard` a command of its own while it is the only one."""


@runs.command()
def discard(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="As --resume and the folder .unfinished name it")],
    config: Annotated[Path | None, typer.Option(help="TOML, as for crawl")] = None,
    output: Annotated[str | None, typer.Option(help="The folder for snapshots, as for crawl")] = None,
) -> None:
    """Drop an unfinished run and its records, for good. Refused while a process works on it.

    Exit code: 0 dropped, 1 could not be dropped, 2 bad usage, or no such run.
    """
    from crawler.config import STANDARD_STREAM, Flag, OutputConfig
    from crawler.snapshot.locks import FileLocks, NoLocks
    from crawler.snapshot.unfinished import UnfinishedRuns

    try:
        settings = OutputConfig.load(config, [] if output is None else [Flag("--output", "output.path", output)])
    except ConfigError as mistakes:
        complain(mistakes, BAD_USAGE)
    if settings.path == STANDARD_STREAM:
        complain(ConfigError(["--output: standard output has no runs"]), BAD_USAGE)
    unfinished = UnfinishedRuns(settings.path, FileLocks() if settings.lock else NoLocks())
    try:
        unfinished.discard(run_id)
    except LookupError as exc:
        there_are = f"there is no unfinished run {run_id!r} in {settings.path}; there are: {exc}"
        complain(ConfigError([there_are]), BAD_USAGE)
    except SnapshotError as exc:
        complain(exc, COULD_NOT_RUN)
    print(f"run {run_id} is discarded")
