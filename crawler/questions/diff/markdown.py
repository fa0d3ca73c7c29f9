"""A comparison as Markdown, for a comment on a pull request or a message in a chat."""

import re
from collections.abc import Iterator
from typing import Final

from crawler.questions.diff.changes import Change, ChangeKind, Comparison
from crawler.questions.diff.wording import counted, detail_of, digests_of, name_of, nothing_changed, run_lines

_MOST_ROWS: Final = 100
"""Of each kind. GitHub takes comments of 65,536 characters."""

_DIGEST: Final = re.compile(r"(sha\d+:[0-9a-f]{12})[0-9a-f]+")
_BACKTICKS: Final = re.compile("`+")


def markdown_lines(comparison: Comparison) -> Iterator[str]:
    """The lines, without newlines. Digests are shortened, and each kind has a hundred changes at most."""
    if comparison.is_unchanged:
        yield f"**{_code(nothing_changed(comparison))}**"
        yield from _notes(comparison)
        return
    for line in run_lines(comparison):
        side, _, run = line.partition(": ")
        yield f"- {side}: {_code(run)}"
    yield from _notes(comparison)
    for kind, count in comparison.counts.items():
        if count:
            yield from _section(comparison, kind, count)


def _notes(comparison: Comparison) -> Iterator[str]:
    for note in comparison.notes:
        yield f"- note: {_code(note)}"


def _section(comparison: Comparison, kind: ChangeKind, count: int) -> Iterator[str]:
    yield ""
    yield f"**{counted(kind, count, comparison.pairing)}**"
    yield ""
    for change in comparison.changes_of(kind, _MOST_ROWS):
        yield f"- {_row(change)}"
    if count > _MOST_ROWS:
        yield f"- and {count - _MOST_ROWS:,} more"


def _row(change: Change) -> str:
    digests = _DIGEST.sub(r"\1", digests_of(change))
    return " ".join(_code(part) for part in (name_of(change), digests, detail_of(change)) if part)


def _code(text: str) -> str:
    """Text as code: what is in it is neither a link, nor a mention, nor HTML, nor emphasis."""
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"
