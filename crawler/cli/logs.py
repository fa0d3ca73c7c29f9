"""What goes to standard error beside the progress: log lines for a person, or for a collector."""

import logging
import sys
import threading
from collections.abc import MutableMapping, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TextIO

from crawler.cli.internal_errors import brief_traceback
from crawler.cli.output import supports_escape_codes

log = logging.getLogger(__name__)

_NOTICE = logging.getLogger("crawler.cli.say")
_LEVELS: Final = {0: logging.WARNING, 1: logging.INFO}

Event = MutableMapping[str, Any]


class LogFormat(StrEnum):
    """The values of `--log-format`."""

    TEXT = "text"
    JSON = "json"


def format_of(arguments: Sequence[str]) -> LogFormat:
    """The log format that a command line asks for, even where the rest of it is wrong."""
    asked = [value for flag, value in pairwise(arguments) if flag == "--log-format"]
    asked += [value for word in arguments for flag, _, value in [word.partition("=")] if flag == "--log-format"]
    return LogFormat.JSON if LogFormat.JSON in asked else LogFormat.TEXT


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment, so that lines go above a progress bar, not through it."""

    def __init__(self, formatter: logging.Formatter) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """That standard error is full, or its reader has gone, is no reason to say so there."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def configure(log_format: LogFormat, verbosity: int) -> None:
    """Send all log lines to standard error, Python's own warnings and lost exceptions included.

    Libraries stay at warnings: their debug lines may hold secrets. What `say` says is a plain line for a person, and
    for a collector a log line like all others.
    """
    root = logging.getLogger()
    root.handlers[:] = [_StandardError(_Formatter(log_format, verbosity))]
    root.setLevel(logging.WARNING)
    logging.getLogger("google.auth").setLevel(logging.ERROR)  # it advises to name a project, which nobody needs here
    logging.getLogger("crawler").setLevel(_LEVELS.get(verbosity, logging.DEBUG))
    said = _Formatter(log_format, verbosity) if log_format is LogFormat.JSON else _Sentences(verbosity)
    _NOTICE.handlers[:] = [_StandardError(said)]
    _NOTICE.setLevel(logging.INFO)
    _NOTICE.propagate = False
    logging.captureWarnings(capture=True)
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_end_of_thread


def notice(line: str, level: int = logging.WARNING, *, bug: BaseException | None = None, **fields: object) -> None:
    """Tell the person who runs the command one thing, at any verbosity; `fields` go along where lines are JSON.

    `bug` is an unexpected exception: its traceback goes along in JSON, and where more is to be said.
    """
    _NOTICE.log(level, "%s", line, exc_info=bug, extra=fields)


def _log_unraisable(lost: "sys.UnraisableHookArgs") -> None:
    log.error("an exception was lost", exc_info=lost.exc_value)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    log.error("a thread ended with an exception", exc_info=ended.exc_value)


class _Sentences(logging.Formatter):
    def __init__(self, verbosity: int) -> None:
        super().__init__()
        self._verbosity = verbosity

    def format(self, record: logging.LogRecord) -> str:
        line = f"registry-crawler: {record.getMessage()}"
        if record.exc_info and self._verbosity:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


class _Formatter(logging.Formatter):
    """structlog's, made for the first line that there is: most runs log none, and it takes its time to import.

    A line of JSON has the fields that collectors know: `time`, `message`, `severity` (Google Cloud Logging's) and
    `level` (Loki's and Datadog's). `event` says what kind of line it is: `log`, unless it is one of a run's.
    """

    def __init__(self, log_format: LogFormat, verbosity: int) -> None:
        super().__init__()
        self._log_format = log_format
        self._verbosity = verbosity

    def format(self, record: logging.LogRecord) -> str:
        return self._structured.format(record)

    @cached_property
    def _structured(self) -> logging.Formatter:
        from structlog import dev, processors, stdlib

        if self._log_format is LogFormat.JSON:
            return stdlib.ProcessorFormatter(
                processors=[stdlib.ProcessorFormatter.remove_processors_meta, processors.JSONRenderer()],
                foreign_pre_chain=[
                    processors.EventRenamer("message"),  # before the fields, of which one is named event
                    processors.TimeStamper(fmt="iso", utc=True, key="time"),
                    _add_severity,
                    stdlib.ExtraAdder(),
                    _add_event,
                    processors.format_exc_info,
                ],
            )
        return stdlib.ProcessorFormatter(
            processors=[
                stdlib.ProcessorFormatter.remove_processors_meta,
                dev.ConsoleRenderer(colors=supports_escape_codes(sys.stderr)),
            ],
            foreign_pre_chain=[
                stdlib.add_log_level,
                processors.TimeStamper(fmt="iso", utc=True),
                processors.format_exc_info if self._verbosity else _exception_in_brief,
            ],
        )


def _add_severity(_: object, __: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    return {"severity": record.levelname, "level": record.levelname.lower(), "logger": record.name, **event}


def _add_event(_: object, __: str, event: Event) -> Event:
    return {"event": "log", **event}


def _exception_in_brief(_: object, __: str, event: Event) -> Event:
    exc_info = event.pop("exc_info", None)
    if exc_info:
        event["event"] += f": {brief_traceback(exc_info[1])}"
    return event
