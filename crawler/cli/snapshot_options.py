"""What the commands that ask snapshots have in common: which snapshot, from which folder, and how rows are printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli.rows import Format
from crawler.errors import ConfigError

if TYPE_CHECKING:
    from crawler.config import OutputConfig

SnapshotArgument = Annotated[
    str,
    typer.Argument(
        metavar="[SNAPSHOT]",
        help="Folder, run id, TARGET (its newest complete snapshot) or TARGET@DATE  [default: the only target]",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the rows are printed")]


def output_settings(config: Path | None, output: str | None) -> "OutputConfig":
    """The folder of the snapshots, by --output, the environment or the configuration file. Raises ConfigError."""
    from crawler.config import STDIO, Flag, OutputConfig

    settings = OutputConfig.load(config, [] if output is None else [Flag("--output", "output.path", output)])
    if settings.path == STDIO:
        raise ConfigError(["--output: standard output holds no snapshots"])
    return settings


def output_folder(config: Path | None, output: str | None) -> Path:
    """See `output_settings`. Raises ConfigError."""
    return output_settings(config, output).path
