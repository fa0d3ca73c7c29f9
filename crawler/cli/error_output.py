"""How a command ends that cannot do what it is asked to."""

import logging
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, Never

import typer

from crawler.cli import logs
from crawler.cli.internal_errors import brief_traceback
from crawler.errors import CrawlerError
from crawler.untrusted_text import printable

_LONGEST: Final = 2000


def report_error(error: CrawlerError, code: int) -> Never:
    """Say what is wrong, each mistake in its line, and end the command."""
    for line in str(error).splitlines():
        logs.notice(line, logging.ERROR)
    raise typer.Exit(code)


def report_usage_error(error: typer.TyperException, arguments: Sequence[str]) -> None:
    """Say in one line what is wrong with a command line, and how to get help."""
    wrong = printable(error.format_message(), _LONGEST).removesuffix(".")
    for theirs, plain in (("Value error, ", ""), ("Input should be ", "must be ")):
        wrong = wrong.replace(theirs, plain)
    context = getattr(error, "ctx", None)  # that an option wants a value is said without
    words = " ".join(["registry-crawler", *takewhile(str.isalpha, arguments)])
    command = words if context is None else context.command_path
    logs.notice(f"{wrong} (try '{command} --help')", logging.ERROR)


def report_internal_error(bug: Exception) -> None:
    logs.notice(internal_error(bug), logging.ERROR, bug=bug)


def internal_error(bug: Exception) -> str:
    return f"internal error; please report this: {brief_traceback(bug)} (-v shows the traceback)"
