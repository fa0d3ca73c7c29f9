"""What the commands that ask snapshots have in common: which snapshot, from which folder, and how rows are printed."""

from pathlib import Path
from typing import Annotated

import typer

from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.rows import Format

__all__ = ["ConfigFile", "FormatOption", "LogFormatOption", "OutputFolder", "SnapshotArgument", "output_folder"]

SnapshotArgument = Annotated[
    str,
    typer.Argument(
        metavar="[SNAPSHOT]",
        help="Folder, run id, TARGET (its newest complete snapshot) or TARGET@DATE  [default: the only target]",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the rows are printed")]


def output_folder(config: Path | None, output: str | None) -> Path:
    """The folder of the snapshots, by --output, the environment or the configuration file. Raises ConfigError."""
    from crawler.config import STDIO, Flag, OutputConfig

    folder = OutputConfig.load(config, [] if output is None else [Flag("--output", "output.path", output)]).path
    if folder == STDIO:
        from crawler.errors import ConfigError

        raise ConfigError(["--output: standard output holds no snapshots"])
    return folder
