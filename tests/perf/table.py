"""The result: measured values beside their targets, as a table and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any, Final


class Unit(StrEnum):
    """The unit of a value, and its format."""

    RATIO = "×"
    SHARE = "%"
    SECONDS = "s"
    MICROSECONDS = "µs"
    MEGABYTES = "MB"
    COUNT = ""


_WRITTEN: Final = {
    Unit.RATIO: "{:.2f} ×",
    Unit.SHARE: "{:.1%}",
    Unit.SECONDS: "{:.1f} s",
    Unit.MICROSECONDS: "{:.0f} µs",
    Unit.MEGABYTES: "{:.0f} MB",
    Unit.COUNT: "{:.0f}",
}


@dataclass(frozen=True, slots=True)
class AtMost:
    limit: float

    sign = "≤"

    def missed_by(self, figure: float) -> float:
        """By how much the target is missed, as a share of the limit; 0 if it is met."""
        return max(0.0, figure / self.limit - 1) if self.limit else figure


@dataclass(frozen=True, slots=True)
class AtLeast:
    limit: float

    sign = "≥"

    def missed_by(self, figure: float) -> float:
        """By how much the target is missed, as a share of the limit; 0 if it is met."""
        return max(0.0, 1 - figure / self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement, with a value for each round. A row without a target is for comparison only."""

    letter: str
    what: str
    unit: Unit
    figures: Sequence[float]
    target: AtMost | AtLeast | None = None

    @property
    def missed_by(self) -> float:
        return 0.0 if self.target is None else self.target.missed_by(median(self.figures))

    def cells(self) -> tuple[str, ...]:
        spread = f"{self._written(min(self.figures))} – {self._written(max(self.figures))}"
        return (
            self.letter,
            self.what,
            self._written(median(self.figures)),
            spread if len(self.figures) > 1 else "",
            "" if self.target is None else f"{self.target.sign} {self._written(self.target.limit)}",
            self._judged(),
        )

    def document(self) -> dict[str, Any]:
        return {
            "row": self.letter,
            "what": self.what,
            "unit": self.unit.value,
            "median": median(self.figures),
            "figures": list(self.figures),
            "target": None if self.target is None else f"{self.target.sign} {self.target.limit}",
            "met": None if self.target is None else self.missed_by == 0,
        }

    def _judged(self) -> str:
        if self.target is None:
            return ""
        if self.missed_by == 0:
            return "met"
        return f"missed by {self.missed_by:.0%}" if self.target.limit else "missed"

    def _written(self, figure: float) -> str:
        return _WRITTEN[self.unit].format(figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A measurement that is not possible on this machine, and why."""

    letter: str
    what: str
    why: str

    missed_by = 0.0

    def cells(self) -> tuple[str, ...]:
        return self.letter, self.what, self.why, "", "", ""

    def document(self) -> dict[str, Any]:
        return {"row": self.letter, "what": self.what, "unmeasured": self.why}


def ratio(
    letter: str, what: str, ones: Sequence[float], others: Sequence[float], target: AtMost | None = None
) -> Row | Unmeasured:
    """`ones` ÷ `others`, round by round, so that what slows a machine for a while slows both.

    Differences between runs of two sizes can come to less than nothing on a busy machine: their ratio says nothing.
    """
    if min(*ones, *others) <= 0:
        return Unmeasured(letter=letter, what=what, why="the machine was too busy")
    figures = [one / other for one, other in zip(ones, others, strict=True)]
    return Row(letter=letter, what=what, unit=Unit.RATIO, figures=figures, target=target)


_HEADINGS: Final = ("", "what", "median", "min – max", "target", "")


def written(rows: Sequence[Row | Unmeasured]) -> str:
    """The table, followed by the missed targets."""
    cells = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    letter = ""
    for line in cells:
        if line[0] != letter:
            lines.append("")
            letter = line[0]
        texts = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        figures = [text.rjust(width) for text, width in zip(line[2:5], widths[2:5], strict=True)]
        lines.append("  ".join([*texts, *figures, line[5]]).rstrip())
    return "\n".join([*lines, "", _verdict(rows)])


def _verdict(rows: Sequence[Row | Unmeasured]) -> str:
    """The rows with missed targets, and how many targets each missed; the rows that lack something."""
    missed = Counter(row.letter for row in rows if row.missed_by)
    aimed = Counter(row.letter for row in rows if isinstance(row, Row) and row.target is not None)
    unmeasured = Counter(row.letter for row in rows if isinstance(row, Unmeasured))
    judged = "not met: " + ", ".join(f"{letter} ({count} of {aimed[letter]})" for letter, count in missed.items())
    lacking = ", ".join(f"{letter} ({count})" for letter, count in unmeasured.items())
    return "\n".join(
        [judged if missed else "all measured targets met", *([f"not measured: {lacking}"] if unmeasured else [])]
    )
