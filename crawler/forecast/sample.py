"""A few repositories that were measured become an estimate of all repositories, and of how far it may be off."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt
from statistics import mean, median, stdev
from typing import Final, TypeVar

from crawler.forecast.cost import NOTHING, Cost
from crawler.transport.messages import Purpose

T = TypeVar("T")

STANDARD_ERRORS: Final = 2.1
"""How many of them a range reaches to each side: for twenty samples, 95 % of the time."""


RULE_OF_THREE: Final = 3 / STANDARD_ERRORS
"""Where n of n are alike, 95 % of the time at most 3/n of the others are not: here, cost one exchange less or more."""

_FEWEST_LARGEST: Final = 3
"""The repositories from which the tail of a small sample is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRepository:
    """What one repository, or one of Google's folders, was measured to cost.

    Attributes:
        listing: the cost of its listing, with tokens.
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
        """What the whole repository costs; `of_one_unit` is the mean cost of a tag or image, for those not read."""
        rest = of_one_unit.times(self.units - self.units_read)
        if self.batch > 1 and rest.of(Purpose.API):
            batches = ceil(self.units / self.batch) - ceil(self.units_read / self.batch)
            rest = Cost({**rest.exchanges, Purpose.API: batches}, rest.bytes)
        return self.listing + self.reading + rest

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
class Sample:
    """Repositories, or Google's folders, of which some were measured.

    Attributes:
        size: how many there are.
        nodes: those that were measured. Empty only where there are none, or none could be asked.
        unit_error: the least standard error of what a tag or image costs, times how many were read. 0 where each costs
            the same.
    """

    size: int
    nodes: Sequence[SampledRepository] = ()
    unit_error: float = 0.0

    @property
    def of_one_unit(self) -> Cost:
        """The mean cost of a tag or image that depth looks into, over all that were read."""
        read = [node for node in self.nodes if node.units_read]
        units = sum(node.units_read for node in read)
        return sum((node.reading for node in read), NOTHING).times(1 / units) if units else NOTHING

    @property
    def cost(self) -> Cost:
        """What all of them cost, as expected."""
        if not self.nodes:
            return NOTHING
        unit = self.of_one_unit
        return sum((node.expected(unit) for node in self.nodes), NOTHING).times(self.size / len(self.nodes))

    def sum(self, value: Callable[[SampledRepository], float]) -> Estimate:
        """The sum of a value over all of them. Those that were not measured differ as much as those that were."""
        if not self.nodes:
            return Estimate(0.0)
        values = [value(node) for node in self.nodes]
        average, unseen = mean(values), max(0.0, 1 - len(values) / max(self.size, 1))
        spread = stdev(values) if len(values) > 1 else abs(average)
        return Estimate(self.size * average, self.size * spread / sqrt(len(values)) * sqrt(unseen))

    @property
    def range(self) -> tuple[float, float]:
        """Between how many exchanges all of them cost.

        A few repositories of a registry have most of its tags, and a sample has none or one of them. So the range
        reaches further up, by what Zipf's law adds to the tail of the sample: each repository that is e times as rare
        is e times as large, and all of them together cost the same again.
        """
        unit, unread = self.of_one_unit, self._error_of_unread
        most, least = self.sum(lambda node: node.expected(unit).total), self.sum(lambda node: node.least(unit))
        tail = self.size * self._tail * log(max(self.size / max(len(self.nodes), 1), 1))
        # of a tag that is resolved, `least` has the one exchange that it costs at least
        unsure = 0 if any(node.tags_to_resolve for node in self.nodes) else unread
        return (
            least.expected - STANDARD_ERRORS * (least.error + unsure),
            most.expected + STANDARD_ERRORS * (most.error + unread) + tail,
        )

    @property
    def _tail(self) -> float:
        """The scale of the tail: the exchanges above the median of the nth largest repository, times its share."""
        unit, count = self.of_one_unit, len(self.nodes)
        costs = sorted((node.expected(unit).total for node in self.nodes), reverse=True)
        largest = costs[: max(_FEWEST_LARGEST, count // 5)]
        return max(((cost - median(costs)) * rank / count for rank, cost in enumerate(largest, 1)), default=0.0)

    @property
    def _error_of_unread(self) -> float:
        """The standard error of what was not read of tags and images: how much those differ that were read."""
        each = [node.reading.total / node.units_read for node in self.nodes if node.units_read]
        unread = self.sum(lambda node: node.units - node.units_read).expected
        if not each:
            return unread
        read = sum(node.units_read for node in self.nodes)
        measured = stdev(each) / sqrt(len(each)) if len(each) > 1 else each[0] / sqrt(read)
        return unread * max(measured, self.unit_error / read)


def merged(nodes: Iterable[SampledRepository]) -> SampledRepository | None:
    """One node in place of many of which nothing was read; None in place of none."""
    total: SampledRepository | None = None
    for node in nodes:
        if total is None:
            total = node
            continue
        total = SampledRepository(
            listing=total.listing + node.listing,
            tags=total.tags + node.tags,
            images=total.images + node.images,
            tags_to_resolve=total.tags_to_resolve + node.tags_to_resolve,
            # a batch is of one repository, and the last one of each is not full
            images_to_read=total.images_to_read + ceil(node.images_to_read / node.batch) * node.batch,
            batch=node.batch,
        )
    return total


def spread_evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, at even distances."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]
