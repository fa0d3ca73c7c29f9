"""The error messages of a command that cannot do its work."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Final, Never

import typer

from crawler.cli import logs
from crawler.cli.exit_codes import BAD_USAGE, COMPLETE, COULD_NOT_RUN
from crawler.errors import ConfigError, CrawlerError, LakeError, OutputClosed, QueryError, SnapshotError
from crawler.untrusted_text import printable

_MAX_MESSAGE_LENGTH: Final = 2000


def report_error(error: CrawlerError, code: int) -> Never:
    """Print an error, one line for each mistake, and end the command with `code`."""
    for line in str(error).splitlines():
        logs.notice(line, logging.ERROR)
    raise typer.Exit(code)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End a command that asks snapshots where it cannot answer: print the error, and exit with its code."""
    try:
        yield
    except OutputClosed:
        raise typer.Exit(COMPLETE) from None
    except (ConfigError, QueryError) as exc:
        report_error(exc, BAD_USAGE)
    except (SnapshotError, LakeError) as exc:
        report_error(exc, COULD_NOT_RUN)


def report_usage_error(error: typer.TyperException, arguments: Sequence[str]) -> None:
    """Print in one line what is wrong with a command line, and how to get help."""
    message = printable(error.format_message(), _MAX_MESSAGE_LENGTH).removesuffix(".")
    # pydantic's wording, which typer passes on
    for theirs, plain in (("Value error, ", ""), ("Input should be ", "must be ")):
        message = message.replace(theirs, plain)
    context = getattr(error, "ctx", None)  # typer sets none where an option lacks its value
    words = " ".join(["registry-crawler", *takewhile(str.isalpha, arguments)])
    command = words if context is None else context.command_path
    logs.notice(f"{message} (try '{command} --help')", logging.ERROR)


def report_internal_error(exc: Exception) -> None:
    logs.notice(internal_error(exc), logging.ERROR, bug=exc)


def internal_error(exc: Exception) -> str:
    return f"internal error; please report this: {logs.brief_traceback(exc)} (-v shows the traceback)"
