"""A few repositories that were measured become what a crawl is expected to cost."""

from math import ceil
from typing import Final

from crawler.config import RegistryConfig
from crawler.forecast.cost import Cost
from crawler.forecast.expectation import Expectation
from crawler.forecast.sample import STANDARD_ERRORS, Level, cost_of_one_unit, expected_cost, sum_levels
from crawler.forecast.sampler import Findings
from crawler.model.words import repositories
from crawler.transport.messages import Purpose

_FIRST_TOKENS: Final = 1
"""More tokens than batches in a sample of batched tokens: the first one, of the first batch."""


def expect_from_sample(found: Findings, registry: RegistryConfig) -> Expectation:
    """What a crawl costs, by the repositories that were measured."""
    levels = found.levels
    unit = cost_of_one_unit(levels)
    once = found.connection + found.discovery
    each = expected_cost(levels, unit)
    total = sum_levels(levels, lambda node: node.expected(unit).total)
    least = sum_levels(levels, lambda node: node.least(unit))
    corrected = _corrected(each, found, registry)
    correction = corrected.total - each.total
    measured = once.total + sum(node.listing.total + node.reading.total for level in levels for node in level.sample)
    return Expectation(
        cost=once + corrected,
        least=max(measured, once.total + least.expected - STANDARD_ERRORS * least.error + correction),
        most=once.total + total.expected + STANDARD_ERRORS * total.error + correction,
        is_lower_bound=not found.names_are_all,
        repositories=sum_levels(levels, lambda _: 1).expected,
        resolves=sum_levels(levels, lambda node: node.tags_to_resolve).expected,
        images=sum_levels(levels, lambda node: node.images).expected,
        evidence=_evidence(found),
    )


def _corrected(each: Cost, found: Findings, registry: RegistryConfig) -> Cost:
    """What does not grow as the sample does: tokens for many repositories, and an API that is not there."""
    factors: dict[Purpose, float] = {}
    sample = [node for level in found.levels for node in level.sample]
    if registry.tokens == "batched" and sample:
        size = registry.profile.scopes_per_token
        measured = sum(node.listing.of(Purpose.TOKEN) for node in sample)
        if measured <= ceil(len(sample) / size) + _FIRST_TOKENS and each.of(Purpose.TOKEN):
            factors[Purpose.TOKEN] = ceil(found.names / size) / each.of(Purpose.TOKEN)
    if not found.has_referrers_api and each.of(Purpose.REFERRERS):
        factors[Purpose.REFERRERS] = found.asked.of(Purpose.REFERRERS) / each.of(Purpose.REFERRERS)
    return each.scaled(lambda kind: factors.get(kind, 1))


def _evidence(found: Findings) -> tuple[str, ...]:
    return tuple(filter(None, (_repositories_text(found), _units_text(found), _failures_text(found))))


def _repositories_text(found: Findings) -> str:
    sampled = sum(len(level.sample) for level in found.levels)
    if len(found.levels) > 1 or found.levels[0].size.expected != found.names:
        nodes = sum_levels(found.levels, lambda _: 1)
        if all(_is_listed_whole(level) for level in found.levels):
            return f"every folder was opened: {sampled:,} nodes"
        of = "at least " if not found.names_are_all else "about "
        return f"{sampled:,} of {of}{nodes.expected:,.0f} nodes of folders, on {len(found.levels)} levels"
    if not found.names_are_all:
        read = f"discovery ({found.method}) was not read to its end"
        return f"{sampled:,} of at least {repositories(found.names)}: {read}, after {found.pages:,} pages"
    if sampled == found.names:
        return f"all {repositories(found.names)}"
    return f"{sampled:,} of {repositories(found.names)}, which are all that discovery ({found.method}) lists"


def _is_listed_whole(level: Level) -> bool:
    return level.size.error == 0 and len(level.sample) >= level.size.expected


def _units_text(found: Findings) -> str:
    nodes = [node for level in found.levels for node in level.sample]
    units, read = sum(node.units for node in nodes), sum(node.units_read for node in nodes)
    if not units:
        return ""
    of_these = "all" if read == units else f"{read:,}"
    text = f"{of_these} of their {units:,} tags and images were read"
    return text if read == units else f"{text}; where tags share an image, the crawl costs less"


def _failures_text(found: Findings) -> str:
    if not found.failures:
        return ""
    example = next(iter(found.failures.values()))
    return f"{repositories(len(found.failures))} of them could not be listed, for example {example}"
