"""How a command ends that cannot do what it is asked to."""

from typing import Never

import typer

from crawler.cli import logs
from crawler.errors import CrawlerError


def complain(error: CrawlerError, code: int) -> Never:
    """Say what is wrong, each mistake in its line, and end the command."""
    for line in str(error).splitlines():
        logs.say(line)
    raise typer.Exit(code)
