"""A comparison as one HTML page."""

from dataclasses import dataclass
from typing import Final

from crawler.questions.diff.changes import Change, ChangeKind, Comparison
from crawler.questions.diff.wording import detail_of, digests_of, heading, name_of, nothing_changed, run_lines
from crawler.questions.page import render_page

_MOST_ROWS: Final = 1000
"""Of each kind. A browser shows some thousands of rows at once, and no hundred thousand."""


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    digests: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Section:
    kind: str
    heading: str
    count: int
    rows: list[_Row]

    @property
    def left_out(self) -> int:
        return self.count - len(self.rows)


def html_page(comparison: Comparison) -> str:
    """The page. Each kind has a thousand changes at most, and says how many more there are."""
    return render_page(
        "diff.html",
        runs=run_lines(comparison),
        notes=comparison.notes,
        nothing=nothing_changed(comparison) if comparison.is_unchanged else "",
        sections=[_section(comparison, kind, count) for kind, count in comparison.counts.items() if count],
    )


def _section(comparison: Comparison, kind: ChangeKind, count: int) -> _Section:
    rows = [_row(change) for change in comparison.changes_of(kind, _MOST_ROWS)]
    return _Section(kind.value, heading(kind, comparison.pairing), count, rows)


def _row(change: Change) -> _Row:
    return _Row(name_of(change), digests_of(change), detail_of(change))
