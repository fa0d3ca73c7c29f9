"""What a crawl is expected to cost, before that becomes minutes and advice."""

from dataclasses import dataclass, replace
from typing import Self

from crawler.forecast.cost import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a crawl is expected to cost.

    Attributes:
        cost: as expected.
        least, most: exchanges in all: the range in which they are.
        is_lower_bound: whether there are repositories that were not seen.
        repositories: with Google's folders.
        resolves: tags that are resolved, one exchange each.
        images: that listings have; 0 where they have none.
        evidence: what it is drawn from.
    """

    cost: Cost
    least: float
    most: float
    is_lower_bound: bool
    repositories: float
    resolves: float
    images: float
    evidence: tuple[str, ...]

    def with_cost(self, cost: Cost, *, least: float, most: float) -> Self:
        return replace(self, cost=cost, least=least, most=most)
