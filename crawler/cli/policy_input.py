"""`--policy FILE`: a retention policy that is judged, and what is said at the end of what it would delete."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from crawler.model.words import repositories, size_text

if TYPE_CHECKING:
    from crawler.questions.audit.decisions import PolicyDecisions
    from crawler.questions.running.uses import RunningImages
    from crawler.tables.selection import SelectedSnapshot

_COUNTED: Final = ("answer", "digest", "breaks", "freed_bytes")

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Retention policy: JSON of Artifact Registry, ECR or Harbor, or one of your own in TOML. It is judged, "
        "never applied",
    ),
]


def open_policy(file: Path | None, snapshot: "SelectedSnapshot") -> "list[PolicyDecisions]":
    """The decisions of a policy about a snapshot, to be read; none without a file. Raises ConfigError."""
    if file is None:
        return []
    from crawler.questions.audit.decisions import PolicyDecisions
    from crawler.questions.cleanup.load import load_policy

    return [PolicyDecisions(load_policy(file), snapshot)]


def totals_of(
    decisions: "Sequence[PolicyDecisions]", runs: "Sequence[RunningImages]", columns: Sequence[str]
) -> "list[CleanupTotals]":
    """What counts the rows of an answer; nothing for one without a policy, or without the columns of cleanup."""
    return [CleanupTotals(each, runs, columns) for each in decisions if {*_COUNTED} <= {*columns}]


class CleanupTotals:
    """What the rows of `audit cleanup` come to, counted as they pass."""

    def __init__(self, decisions: "PolicyDecisions", runs: "Sequence[RunningImages]", columns: Sequence[str]) -> None:
        self._decisions = decisions
        self._runs = runs
        self._at = [columns.index(name) for name in _COUNTED]
        self._deleted = self._unknown = self._unread = self._breaking = self._freed = 0

    def count(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        answer, digest, breaks, freed = self._at
        for row in rows:
            if row[answer] == "yes":
                self._deleted += 1
                self._breaking += row[breaks] is not None
                self._freed += row[freed] or 0
            elif row[digest] is None:
                self._unread += 1
            else:
                self._unknown += 1
            yield row

    def sentence(self) -> str:
        """The totals in words."""
        decisions = self._decisions
        deletes = (
            f"would delete {self._deleted:,} of {decisions.judged:,} images and free up to {size_text(self._freed)}"
        )
        doubts = [
            _counted(self._unknown, "image", "images") if self._unknown else "",
            repositories(self._unread) if self._unread else "",
        ]
        parts = [
            f"the {decisions.product} policy {deletes}",
            f"{_counted(self._breaking, 'deletion', 'deletions')} would break something" if self._breaking else "",
            f"{' and '.join(filter(None, doubts))} could not be judged" if any(doubts) else "",
            "" if self._runs else "whether workloads use them is not known without --running",
            "nothing was deleted",
        ]
        return "; ".join(part for part in parts if part)


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
