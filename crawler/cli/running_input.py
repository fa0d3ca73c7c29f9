"""`--running FILE`: what runs, as `kubectl get pods -A -o json` prints it."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from crawler.errors import ConfigError
from crawler.untrusted_text import quoted_path

if TYPE_CHECKING:
    from crawler.questions.running.uses import RunningImages
    from crawler.tables.selection import SelectedSnapshot

_STANDARD_INPUT: Final = "-"

RunningOption = Annotated[
    str | None,
    typer.Option(
        "--running",
        metavar="FILE",
        help="What runs: the output of `kubectl get pods -A -o json`, of one cluster or several; - reads it from "
        "standard input",
    ),
]


@contextmanager
def open_running(source: str | None, snapshot: "SelectedSnapshot") -> "Iterator[list[RunningImages]]":
    """What runs of a snapshot's target, to be read; none without a source. Raises ConfigError and SnapshotError."""
    if source is None:
        yield []
        return
    from crawler.questions.diff.proof import ComparedRun
    from crawler.questions.running.uses import RunningImages

    named = "--running: standard input" if source == _STANDARD_INPUT else f"--running {quoted_path(source)}"
    run = ComparedRun.read(snapshot)
    try:
        opened = _open(source)
    except OSError as exc:
        raise ConfigError([f"{named}: cannot be read: {exc.strerror}"]) from None
    with opened as stream:
        yield [RunningImages(stream, named, run)]


def _open(source: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if source == _STANDARD_INPUT else Path(source).open("rb")
