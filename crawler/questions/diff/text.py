"""A comparison as text for a terminal."""

from collections.abc import Iterator

from crawler.questions.diff.changes import Change, ChangeKind, Comparison
from crawler.questions.diff.wording import counted, detail_of, digests_of, heading, name_of, nothing_changed, run_lines


def text_lines(comparison: Comparison) -> Iterator[str]:
    """The lines, without newlines: the snapshots, how much changed, and every change under its kind."""
    if comparison.is_unchanged:
        yield nothing_changed(comparison)
        yield from _notes(comparison)
        return
    yield from run_lines(comparison)
    yield from _notes(comparison)
    yield ""
    found = {kind: count for kind, count in comparison.counts.items() if count}
    for kind, count in found.items():
        yield counted(kind, count, comparison.pairing)
    for kind, count in found.items():
        yield from _section(comparison, kind, count)


def _notes(comparison: Comparison) -> Iterator[str]:
    for note in comparison.notes:
        yield f"note: {note}"


def _section(comparison: Comparison, kind: ChangeKind, count: int) -> Iterator[str]:
    yield ""
    yield f"{heading(kind, comparison.pairing)}:"
    for change in comparison.changes_of(kind, count):
        yield f"  {_line(change)}"


def _line(change: Change) -> str:
    return "  ".join(part for part in (name_of(change), digests_of(change), detail_of(change)) if part)
