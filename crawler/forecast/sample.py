"""A few repositories that were measured become an estimate of all repositories, and of how far it may be off.

A flat list of names is one level. Google's folders are a tree, of which a few nodes of each level are opened: how many
nodes the next level has follows from the children that they have (Knuth 1975, "Estimating the efficiency of
backtrack programs", with several nodes a level in place of one).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import mean, stdev
from typing import Final, TypeVar

from crawler.forecast.cost import NOTHING, Cost
from crawler.transport.messages import Purpose

T = TypeVar("T")

STANDARD_ERRORS: Final = 2.1
"""How many of them a range reaches to each side: for twenty samples, 95 % of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRepository:
    """What one repository, or one of Google's folders, was measured to cost.

    Attributes:
        listing: the cost of its listing, with tokens.
        children: nodes directly below it that the crawl lists too.
        tags: how many it has.
        images: how many its listing has; 0 where listings have none.
        tags_to_resolve: tags whose digest the listing does not have, and that depth asks for.
        images_to_read: images of the listing that depth looks into.
        tags_read: how many of these tags were resolved for the sample.
        images_read: how many of these images were read for the sample.
        reading: the cost of reading those.
        batch: manifests that the product's own API reads in one exchange.
    """

    listing: Cost
    children: int = 0
    tags: int = 0
    images: int = 0
    tags_to_resolve: int = 0
    images_to_read: int = 0
    tags_read: int = 0
    images_read: int = 0
    reading: Cost = NOTHING
    batch: int = 1

    @property
    def units(self) -> int:
        """The tags and images that depth looks into."""
        return self.tags_to_resolve + self.images_to_read

    @property
    def units_read(self) -> int:
        return self.tags_read + self.images_read

    @property
    def is_read_whole(self) -> bool:
        return self.units_read == self.units

    def expected(self, of_one_unit: Cost) -> Cost:
        """What the whole repository costs; `of_one_unit` is the cost of a tag or image where none of it was read."""
        if not self.units_read:
            return self.listing + of_one_unit.times(self.units)
        batches = ceil(self.units / self.batch) / ceil(self.units_read / self.batch)
        factor = self.units / self.units_read
        return self.listing + self.reading.scaled(lambda kind: batches if kind is Purpose.API else factor)

    def least(self, of_one_unit: Cost) -> float:
        """The fewest exchanges: all tags that were not read lead to images that were."""
        if self.is_read_whole or not self.tags_to_resolve:
            return self.expected(of_one_unit).total
        return self.listing.total + self.reading.total + self.units - self.units_read


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum over all repositories, and its standard error."""

    expected: float
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """Repositories, or nodes of one level of Google's folders, of which some were measured.

    Attributes:
        size: how many there are; with an error where it follows from another level.
        sample: those that were measured. Empty only where there are none.
    """

    size: Estimate
    sample: Sequence[SampledRepository]

    @property
    def is_whole(self) -> bool:
        """Whether each of them was measured, down to the last tag."""
        everything = self.size.error == 0 and len(self.sample) >= self.size.expected
        return everything and all(node.is_read_whole for node in self.sample)

    def sum(self, value: Callable[[SampledRepository], float]) -> Estimate:
        """The sum of a value over all of them."""
        if not self.sample:
            return Estimate(0.0)
        values, size = [value(node) for node in self.sample], self.size.expected
        average, unseen = mean(values), max(0.0, 1 - len(values) / max(size, 1))
        if not all(node.is_read_whole for node in self.sample):
            unseen = 1.0  # each value is an estimate, too
        spread = stdev(values) if len(values) > 1 else abs(average)
        error = size * spread / sqrt(len(values)) * sqrt(unseen)
        return Estimate(size * average, sqrt(error**2 + (average * self.size.error) ** 2))

    @property
    def below(self) -> Estimate:
        """How many nodes are directly below the nodes of this level."""
        return Level(self.size, [SampledRepository(listing=n.listing, children=n.children) for n in self.sample]).sum(
            lambda node: node.children
        )


def sum_levels(levels: Sequence[Level], value: Callable[[SampledRepository], float]) -> Estimate:
    """The sum of a value over all levels. The errors add up: where a level is larger, those below it are too."""
    sums = [level.sum(value) for level in levels]
    return Estimate(sum(each.expected for each in sums), sum(each.error for each in sums))


def expected_cost(levels: Sequence[Level], of_one_unit: Cost) -> Cost:
    """What all repositories of all levels cost; `of_one_unit` as in `SampledRepository.expected`."""
    return sum((_expected_cost(level, of_one_unit) for level in levels if level.sample), NOTHING)


def _expected_cost(level: Level, of_one_unit: Cost) -> Cost:
    measured = sum((node.expected(of_one_unit) for node in level.sample), NOTHING)
    return measured.times(level.size.expected / len(level.sample))


def cost_of_one_unit(levels: Sequence[Level]) -> Cost:
    """The mean cost of a tag or image that depth looks into, over all that were read."""
    read = [node for level in levels for node in level.sample if node.units_read]
    units = sum(node.units_read for node in read)
    return sum((node.reading for node in read), NOTHING).times(1 / units) if units else NOTHING


def spread_evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, at even distances."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]
