"""What a run counts: how far discovery is, the outcomes of the repositories, and the slowest of them.

The counts of several shards add up (`RunStats.merge`).
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from crawler.model.record import JournalEntry, Outcome, Problem, Record, count_unread
from crawler.model.run_manifest import Counts, Slow

SLOWEST_KEPT: Final = 10
FAILURES_KEPT: Final = 3
_FAILURES: Final = frozenset({Outcome.DENIED, Outcome.FAILED})
"""Outcomes that keep a snapshot from being complete."""


@dataclass(slots=True)
class RunStats:
    """The counts of one run. They change by the methods only.

    Attributes:
        discovered: names so far; once `discovery_done`, the number of names that have to have a record.
        discovery_ended: when discovery was done, by the monotonic clock.
        filtered_out: names that the target's prefix or the filters leave out.
        no_longer_listed: names that were recorded before an interruption, and that discovery has not listed again.
        resumed: what a resumed run recorded before the interruption, and discovery has not listed again yet: names
            with their children.
        images: None where no record has images.
        problems: how many of each kind.
        unread: images that were not read as deep as asked.
        unresolved: those of them whose digest is not known, so that they are not among `images`.
        sample_failures: the first few records that make the snapshot partial.
        slowest_threshold_s: only a repository that took more seconds than this is among the slowest.
    """

    discovered: int = 0
    discovery_done: bool = False
    discovery_ended: float | None = None
    filtered_out: int = 0
    no_longer_listed: int = 0
    resumed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    suspect: int = 0
    tags: int = 0
    images: int | None = None
    problems: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    unresolved: int = 0
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
            problems=self.problems.total(),
            unread=self.unread,
            **{outcome.value: self.outcomes[outcome] for outcome in Outcome},
        )

    @property
    def slowest(self) -> tuple[Slow, ...]:
        """The repositories that took longest, the slowest first."""
        ranked = sorted(self._slowest, reverse=True)
        return tuple(Slow(repository=name, seconds=round(seconds, 3)) for seconds, name in ranked)

    def add_names(self, count: int, *, filtered_out: int = 0) -> None:
        """Discovery yielded names: `count` that get a record, and names that the filters leave out."""
        self.discovered += count
        self.filtered_out += filtered_out

    def remove_name(self) -> None:
        """A name gets no record: it is a folder, or it has its record already."""
        self.discovered -= 1

    def end_discovery(self) -> None:
        """Discovery yielded its last name. What is left of `resumed` has a record, and is no longer listed."""
        self.no_longer_listed = len(self.resumed)
        self.discovered += self.no_longer_listed
        self.discovery_done = True
        self.discovery_ended = time.monotonic()

    def restore(self, entries: Iterable[JournalEntry]) -> None:
        """Count what a resumed run keeps of its journal; these repositories are not listed again."""
        for entry in entries:
            self.resumed[entry.repository] = entry.children
            self.outcomes[entry.outcome] += 1
            self.tags += entry.tags
            self.problems.update(entry.problems)
            self.unread += entry.unread
            self.unresolved += entry.unresolved
            self._add_images(entry.images)

    def take_resumed(self, name: str) -> tuple[str, ...] | None:
        """The children of a name that was recorded before the interruption; None for a name that was not.

        A name is given once.
        """
        return self.resumed.pop(name, None)

    def add(self, records: Sequence[Record]) -> None:
        """Count records that the sink took."""
        for record in records:
            self.outcomes[record.outcome] += 1
            self.tags += len(record.tags)
            unread = self._add_problems(record.problems) if record.problems else 0
            if record.images is not None:
                self._add_images(len(record.images))
            if unread or record.suspect is not None or record.outcome in _FAILURES:
                self._add_failure(record)

    def add_duration(self, repository: str, seconds: float) -> None:
        """Keep a repository that took more than `slowest_threshold_s`."""
        heappush(self._slowest, (seconds, repository))
        if len(self._slowest) > SLOWEST_KEPT:
            heappop(self._slowest)
            self.slowest_threshold_s = self._slowest[0][0]

    def merge(self, other: "RunStats") -> None:
        """Add the counts of another part of the same snapshot."""
        self.discovered += other.discovered
        self.discovery_done = self.discovery_done and other.discovery_done
        self.filtered_out += other.filtered_out
        self.no_longer_listed += other.no_longer_listed
        self.resumed.update(other.resumed)
        self.outcomes.update(other.outcomes)
        self.suspect += other.suspect
        self.tags += other.tags
        self.problems.update(other.problems)
        self.unread += other.unread
        self.unresolved += other.unresolved
        self._add_images(other.images)
        self.sample_failures = (self.sample_failures + other.sample_failures)[:FAILURES_KEPT]
        for slow in other.slowest:
            if slow.seconds > self.slowest_threshold_s:
                self.add_duration(slow.repository, slow.seconds)

    def _add_images(self, images: int | None) -> None:
        if images is not None:
            self.images = images + (self.images or 0)

    def _add_problems(self, problems: Sequence[Problem]) -> int:
        """Count the problems of a record. Returns how many of its images were not read."""
        self.problems.update(problem.problem.value for problem in problems)
        unread = count_unread(problem.key for problem in problems)
        self.unread += unread.images
        self.unresolved += unread.unresolved
        return unread.images

    def _add_failure(self, record: Record) -> None:
        self.suspect += record.suspect is not None
        if len(self.sample_failures) < FAILURES_KEPT:
            self.sample_failures.append(record)
