"""What a run says while it runs: how far it is, and lines for the operator."""

import logging
from dataclasses import dataclass
from typing import Protocol

from crawler.old_names import OldName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        seconds: since the run began.
        discovered: names so far; all names once `discovery_done`.
        done: repositories that have their record.
        failed: repositories that are denied or failed.
        exchanges: with the registry, token servers and APIs.
    """

    seconds: float
    discovered: int
    discovery_done: bool
    done: int
    failed: int
    exchanges: int

    known = OldName("discovered")
    walked = OldName("discovery_done")
    unwell = OldName("failed")


class Notice(Protocol):
    """Takes a line for the operator; `level` is one of `logging`'s."""

    def __call__(self, line: str, level: int = logging.WARNING, /) -> None: ...


def log_notice(line: str, level: int = logging.WARNING, /) -> None:
    """The notice of a run that has no operator before it: a line in the log."""
    log.log(level, "%s", line)
