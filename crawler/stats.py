"""What a run knows of itself while it goes on: how far it is, what became of each repository, what took longest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from crawler.model.record import JournalEntry, Outcome, Record
from crawler.model.run_manifest import Counts, Slow

SLOWEST_KEPT: Final = 10
FAILURES_KEPT: Final = 3
_FAILURES: Final = frozenset({Outcome.DENIED, Outcome.FAILED})
"""Outcomes that keep a snapshot from being complete."""


@dataclass(slots=True)
class RunStats:
    """Counts that only grow: `known` names so far, and all there are once `walked`.

    `passed_over` counts names that the target or the filters leave out.

    `before` holds, with its children, what a resumed run has recorded earlier and discovery has not told of again yet;
    `gone` counts what is left of that in the end.
    """

    discovered: int = 0
    discovery_done: bool = False
    filtered_out: int = 0
    no_longer_listed: int = 0
    resumed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    suspect: int = 0
    tags: int = 0
    images: int | None = None
    problems: int = 0
    sample_failures: list[Record] = field(default_factory=list)
    slowest_threshold_s: float = 0.0
    _slowest: list[tuple[float, str]] = field(default_factory=list)

    @property
    def recorded(self) -> int:
        return self.outcomes.total()

    @property
    def counts(self) -> Counts:
        return Counts(
            repositories=self.recorded,
            suspect=self.suspect,
            tags=self.tags,
            images=self.images,
            problems=self.problems,
            **{outcome.value: self.outcomes[outcome] for outcome in Outcome},
        )

    @property
    def slowest(self) -> tuple[Slow, ...]:
        """The repositories that took longest, the slowest first."""
        ranked = sorted(self._slowest, reverse=True)
        return tuple(Slow(repository=name, seconds=round(seconds, 3)) for seconds, name in ranked)

    def restore(self, entries: Iterable[JournalEntry]) -> None:
        """Count what a resumed run had recorded before and keeps; these repositories are not listed again."""
        for entry in entries:
            self.resumed[entry.repository] = entry.children
            self.outcomes[entry.outcome] += 1
            self.tags += entry.tags
            self.problems += entry.problems
            self._add_images(entry.images)

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self.outcomes[record.outcome] += 1
            self.tags += len(record.tags)
            self.problems += len(record.problems)
            if record.images is not None:
                self._add_images(len(record.images))
            if record.suspect is not None or record.outcome in _FAILURES:
                self._add_failure(record)

    def _add_images(self, images: int | None) -> None:
        if images is not None:
            self.images = images + (self.images or 0)

    def _add_failure(self, trouble: Record) -> None:
        self.suspect += trouble.suspect is not None
        if len(self.sample_failures) < FAILURES_KEPT:
            self.sample_failures.append(trouble)

    def add_duration(self, repository: str, seconds: float) -> None:
        """Keep a repository that took longer than `remarkable_s`."""
        heappush(self._slowest, (seconds, repository))
        if len(self._slowest) > SLOWEST_KEPT:
            heappop(self._slowest)
            self.slowest_threshold_s = self._slowest[0][0]
