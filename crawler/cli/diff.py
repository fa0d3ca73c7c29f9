"""`registry-crawler diff`: what changed between two snapshots, and what of it is proved."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.exit_codes import FOUND
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.snapshot_options import output_folder
from crawler.cli.streams import data_output
from crawler.errors import ConfigError, OutputClosed
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.questions.diff.changes import Comparison


class DiffFormat(StrEnum):
    """How changes are printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


_NAMES = "Folder, run id, TARGET (its newest complete snapshot) or TARGET@DATE"

OldArgument = Annotated[str, typer.Argument(metavar="OLD", help=_NAMES, show_default=False)]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="Likewise", show_default=False)]
DiffFormatOption = Annotated[DiffFormat, typer.Option("--format", help="How the changes are printed")]
AsMirror = Annotated[
    bool,
    typer.Option("--as-mirror", help="NEW is of a mirror of OLD's registry: compare names below each target's prefix"),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="KIND,...",
        help="Exit with 4 if there are such changes: added, removed, moved, emptied, problems, unknown, any, or a kind "
        "as JSON has it, such as tag-removed",
    ),
]


def diff(
    old: OldArgument = "",
    new: NewArgument = "",
    form: DiffFormatOption = DiffFormat.TEXT,
    fail_on: FailOn = None,
    as_mirror: AsMirror = False,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print what changed between two snapshots.

    Without arguments: the two newest complete snapshots of the only target. With one argument, that snapshot is NEW,
    and OLD is the newest complete one before it.

    A removal or a move is printed only if NEW proves it. What NEW could not read is `unknown`.

    Exit code: 0 done, 1 no such snapshot, or it cannot be read, 2 bad usage, 4 --fail-on found something.

    \b
    Examples:
      registry-crawler diff
      registry-crawler diff gcr.io/my-project --fail-on removed,moved
      registry-crawler diff gcr.io/my-project@2026-11-20 gcr.io/my-project --format markdown
      registry-crawler diff gcr.io/my-project mirror.example.com/gcr --as-mirror
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.questions.diff.changes import compare
    from crawler.questions.diff.fail_on import parse_fail_on
    from crawler.questions.diff.pairing import Pairing
    from crawler.questions.diff.wording import counted
    from crawler.tables.selection import select_pair

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        failing = parse_fail_on(fail_on) if fail_on is not None else frozenset()
        if as_mirror and not (old and new):
            raise ConfigError(["--as-mirror needs two snapshots: OLD of the registry, and NEW of its mirror"])
        pair = select_pair(output_folder(config, output), [name for name in (old, new) if name])
        with compare(*pair, Pairing.AS_MIRROR if as_mirror else Pairing.BY_NAME) as comparison:
            _warn_of_order(comparison)
            with suppress(OutputClosed):  # whoever reads the first lines alone gets the same exit code
                _print(comparison, form)
            found = [kind for kind, count in comparison.counts.items() if count and kind in failing]
            for kind in found:
                line = counted(kind, comparison.counts[kind], comparison.pairing)
                logs.notice(f"--fail-on: {line}", logging.ERROR)
    if found:
        raise typer.Exit(FOUND)


def _warn_of_order(comparison: "Comparison") -> None:
    old, new = comparison.old, comparison.new
    if old.run_id == new.run_id:
        logs.notice(f"OLD and NEW are the same snapshot, {printable(new.run_id)}: nothing can have changed")
    elif old.target == new.target and new.started_at < old.started_at:
        logs.notice("NEW was begun before OLD: what is added was removed, and what is removed was added")


def _print(comparison: "Comparison", form: DiffFormat) -> None:
    """Raises OutputClosed and SnapshotError."""
    with data_output() as out:
        for line in _lines(form)(comparison):
            print(line, file=out)


def _lines(form: DiffFormat) -> "Callable[[Comparison], Iterable[str]]":
    match form:
        case DiffFormat.TEXT:
            from crawler.questions.diff.text import text_lines

            return text_lines
        case DiffFormat.JSON:
            from crawler.questions.diff.document import json_lines

            return json_lines
        case DiffFormat.MARKDOWN:
            from crawler.questions.diff.markdown import markdown_lines

            return markdown_lines
        case DiffFormat.HTML:
            from crawler.questions.diff.html import html_page

            return lambda comparison: html_page(comparison).splitlines()
