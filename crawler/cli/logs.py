"""Log lines and notices on standard error: text for people, or JSON for a log collector."""

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TextIO

from crawler.cli.streams import supports_escape_codes

log = logging.getLogger(__name__)

_notices = logging.getLogger("crawler.cli.notice")
_LEVEL_BY_VERBOSITY: Final = {0: logging.WARNING, 1: logging.INFO}
_PACKAGE: Final = Path(__file__).parent.parent

Event = MutableMapping[str, Any]


class LogFormat(StrEnum):
    """The values of `--log-format`."""

    TEXT = "text"
    JSON = "json"


def requested_format(arguments: Sequence[str]) -> LogFormat:
    """Find --log-format in a command line, which may be wrong elsewhere: its usage error has the format, too."""
    values = [value for flag, value in pairwise(arguments) if flag == "--log-format"]
    values += [value for word in arguments for flag, _, value in [word.partition("=")] if flag == "--log-format"]
    return LogFormat.JSON if LogFormat.JSON in values else LogFormat.TEXT


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to `sys.stderr` of the moment: rich replaces it while a bar is shown, and puts lines above the bar."""

    def __init__(self, formatter: logging.Formatter) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Ignore an OSError: the disk is full, or the pipe was closed, so that a message about it is lost as well."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def configure(log_format: LogFormat, verbosity: int) -> None:
    """Send all log lines to standard error, with Python's own warnings and lost exceptions.

    Libraries log warnings only, at any verbosity: their debug lines may hold secrets. In text a notice is a plain
    sentence; in JSON it is a log line like all others.
    """
    root = logging.getLogger()
    root.handlers[:] = [_StderrHandler(_StructuredFormatter(log_format, verbosity))]
    root.setLevel(logging.WARNING)
    # google-auth warns of a missing project, which no request of the crawler needs
    logging.getLogger("google.auth").setLevel(logging.ERROR)
    logging.getLogger("crawler").setLevel(_LEVEL_BY_VERBOSITY.get(verbosity, logging.DEBUG))
    is_json = log_format is LogFormat.JSON
    formatter = _StructuredFormatter(log_format, verbosity) if is_json else _PlainFormatter(verbosity)
    _notices.handlers[:] = [_StderrHandler(formatter)]
    _notices.setLevel(logging.INFO)
    _notices.propagate = False
    logging.captureWarnings(capture=True)
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread_exception


def notice(line: str, level: int = logging.WARNING, *, bug: BaseException | None = None, **fields: object) -> None:
    """Show one sentence to the operator, at any verbosity. `fields` are added in JSON.

    `bug` is an unexpected exception: its traceback is added in JSON, and in text with -v.
    """
    _notices.log(level, "%s", line, exc_info=bug, extra=fields)


def brief_traceback(exc: BaseException) -> str:
    """Return an unexpected exception's type, and the innermost line of this package in its traceback.

    Enough for a bug report. The exception's message is left out: it may quote values, secrets among them.
    """
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    lines = [
        f"{path.relative_to(_PACKAGE.parent)}:{frame.lineno}"
        for frame in traceback.extract_tb(exc.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(_PACKAGE)
    ]
    return f"{type(exc).__name__} in {lines[-1]}" if lines else type(exc).__name__


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    log.error("an exception was lost", exc_info=unraisable.exc_value)


def _log_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    log.error("a thread ended with an exception", exc_info=arguments.exc_value)


class _PlainFormatter(logging.Formatter):
    def __init__(self, verbosity: int) -> None:
        super().__init__()
        self._verbosity = verbosity

    def format(self, record: logging.LogRecord) -> str:
        line = f"registry-crawler: {record.getMessage()}"
        if record.exc_info and self._verbosity:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


class _StructuredFormatter(logging.Formatter):
    """Formats with structlog, which is imported for the first line: it is slow to import, and most runs log nothing.

    A JSON line has the fields that log collectors read: `time`, `message`, `severity` (Google Cloud Logging) and
    `level` (Loki, Datadog). `event` is the kind of the line: `log`, `progress` or `run_ended`.
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
                    processors.EventRenamer(
                        "message"
                    ),  # first: structlog keeps the message in `event`, and a field has that name
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
                processors.format_exc_info if self._verbosity else _add_brief_exception,
            ],
        )


def _add_severity(_: object, __: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    return {"severity": record.levelname, "level": record.levelname.lower(), "logger": record.name, **event}


def _add_event(_: object, __: str, event: Event) -> Event:
    return {"event": "log", **event}


def _add_brief_exception(_: object, __: str, event: Event) -> Event:
    exc_info = event.pop("exc_info", None)
    if exc_info:
        event["event"] += f": {brief_traceback(exc_info[1])}"
    return event
