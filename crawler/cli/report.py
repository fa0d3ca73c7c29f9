"""`registry-crawler report`: a snapshot as one page to look at."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.snapshot_options import SnapshotArgument, output_folder
from crawler.cli.streams import data_output

if TYPE_CHECKING:
    from crawler.questions.report.collect import Report


class PageFormat(StrEnum):
    """The formats of a page."""

    HTML = "html"
    MARKDOWN = "markdown"


PageFormatOption = Annotated[PageFormat, typer.Option("--format", help="The format of the page")]


def report(
    snapshot: SnapshotArgument = "",
    form: PageFormatOption = PageFormat.HTML,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print a snapshot as one page: verdict, changes, growth, bytes by team, age, platforms, signatures, problems.

    The page goes to standard output. It needs no JavaScript and loads nothing. Its charts need the extra `report`:
    pip install 'registry-crawler[report]'.

    Exit code: 0 done, also for a partial snapshot, 1 no such snapshot, or it cannot be read, 2 bad usage.

    \b
    Examples:
      registry-crawler report > report.html
      registry-crawler report gcr.io/my-project --format markdown
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.questions.report.collect import collect_report
    from crawler.tables.selection import select_snapshot

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        folder, page = output_folder(config, output), _page_of(form)
        chosen = select_snapshot(folder, snapshot)
        text = page(collect_report(chosen))
        with data_output() as out:
            out.write(text)


def _page_of(form: PageFormat) -> "Callable[[Report], str]":
    """How a page of this format is made. Raises ConfigError where a library is missing, before anything is read."""
    if form is PageFormat.HTML:
        from crawler.questions.report.html_page import html_page

        return html_page
    from crawler.questions.report.markdown_page import markdown_page

    return markdown_page
