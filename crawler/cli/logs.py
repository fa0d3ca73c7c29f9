"""What goes to standard error beside the progress: log lines for a person, or for a collector."""

import logging
import sys
from functools import cached_property
from typing import TextIO

_SAYING = logging.getLogger("crawler.cli")
_LEVELS = {0: logging.WARNING, 1: logging.INFO}


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment, so that lines go above a progress bar, not through it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def configure(log_format: str, verbosity: int) -> None:
    """Send our log lines to standard error. Libraries stay at warnings: their debug lines may hold secrets.

    What `say` says is a plain line for a person, and for a collector a log line like all others.
    """
    lines = _StandardError()
    lines.setFormatter(_Formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [lines]
    root.setLevel(logging.WARNING)
    logging.getLogger("google.auth").setLevel(logging.ERROR)  # it advises to name a project, which nobody needs here
    logging.getLogger("crawler").setLevel(_LEVELS.get(verbosity, logging.DEBUG))
    said = _StandardError()
    said.setFormatter(
        _Formatter(log_format) if log_format == "json" else logging.Formatter("registry-crawler: %(message)s")
    )
    _SAYING.handlers[:] = [said]
    _SAYING.propagate = False


def say(line: str) -> None:
    """Tell the person who runs the command one thing."""
    _SAYING.error("%s", line)


class _Formatter(logging.Formatter):
    """structlog's, made for the first line that there is: most runs log none, and it takes its time to import."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        return self._structured.format(record)

    @cached_property
    def _structured(self) -> logging.Formatter:
        import structlog

        renderer: structlog.typing.Processor = (
            structlog.processors.JSONRenderer()
            if self._log_format == "json"
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        )
        time = structlog.processors.TimeStamper(fmt="iso", utc=True)
        return structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_log_level, time, structlog.processors.format_exc_info],
        )
