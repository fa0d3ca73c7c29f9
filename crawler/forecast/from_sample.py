"""A few repositories that were measured become what a crawl is expected to cost."""

from dataclasses import replace
from math import ceil
from typing import Final

from crawler.config import RegistryConfig
from crawler.discovery.ownership import Ownership
from crawler.forecast.cost import Cost
from crawler.forecast.expectation import Expectation
from crawler.forecast.findings import Findings
from crawler.model.words import repositories
from crawler.transport.messages import Purpose

_FIRST_TOKENS: Final = 1
"""More tokens than batches in a sample of batched tokens: the first one, of the first batch."""


def expect_from_sample(found: Findings, registry: RegistryConfig) -> Expectation:
    """What a crawl costs, by the repositories that were measured."""
    sample, once = found.sample, found.connection + found.discovery
    each = sample.cost
    corrected = _corrected(each, found, registry)
    fixed = once.total + corrected.total - each.total
    least, most = sample.range
    measured = once.total + sum(node.listing.total + node.reading.total for node in sample.nodes)
    return Expectation(
        cost=once + corrected,
        least=max(measured, fixed + least),
        most=fixed + most,
        is_lower_bound=not found.names_are_all,
        repositories=found.repositories,
        resolves=sample.sum(lambda node: node.tags_to_resolve).expected,
        images=sample.sum(lambda node: node.images).expected,
        evidence=tuple(filter(None, (_repositories_text(found), _units_text(found), _failures_text(found)))),
    )


def part_of_sample(expected: Expectation, found: Findings, ownership: Ownership) -> Expectation:
    """What one shard of the whole costs: its part, and the names, which it may be the one to read."""
    shard, owned = ownership.shard, sum(map(ownership.owns, found.seen))
    part = owned / len(found.seen) if found.seen else 1 / shard.count
    text = (
        f"{owned:,} of {len(found.seen):,} names are those of shard {shard}"
        if found.seen
        else f"shard {shard} is taken to own 1 of {shard.count:,} equal parts, because the names are not known"
    )
    once = found.connection + found.discovery
    return replace(
        expected,
        cost=once + (expected.cost - once).times(part),
        least=once.total + (expected.least - once.total) * part,
        most=once.total + (expected.most - once.total) * part,
        repositories=expected.repositories * part,
        resolves=expected.resolves * part,
        images=expected.images * part,
        evidence=(*expected.evidence, text),
    )


def _corrected(each: Cost, found: Findings, registry: RegistryConfig) -> Cost:
    """What does not grow as the sample does: tokens for many repositories, and an API that is not there."""
    factors: dict[Purpose, float] = {}
    nodes = found.sample.nodes
    if registry.tokens == "batched" and each.of(Purpose.TOKEN):
        size = registry.profile.scopes_per_token
        measured = sum(node.listing.of(Purpose.TOKEN) for node in nodes)
        if measured <= ceil(len(nodes) / size) + _FIRST_TOKENS:
            factors[Purpose.TOKEN] = ceil(found.repositories / size) / each.of(Purpose.TOKEN)
    if not found.has_referrers_api and each.of(Purpose.REFERRERS):
        factors[Purpose.REFERRERS] = found.asked.of(Purpose.REFERRERS) / each.of(Purpose.REFERRERS)
    exchanges = {kind: count * factors.get(kind, 1) for kind, count in each.exchanges.items()}
    return Cost(exchanges, each.bytes)  # a token for many repositories is as long as they are many


def _repositories_text(found: Findings) -> str:
    if found.survey.nodes:
        return _survey_text(found)
    if found.opened_folders:
        return _folders_text(found)
    if not found.names_are_all:
        read = f"discovery ({found.method}) was not read to its end, but for {found.pages:,} pages"
        return f"{found.listed:,} of at least {repositories(found.names)}: {read}"
    if found.listed == found.names:
        return f"all {repositories(found.names)}"
    return f"{found.listed:,} of {repositories(found.names)}, which are all that discovery ({found.method}) lists"


def _survey_text(found: Findings) -> str:
    at_least, more = ("", "") if found.survey.is_whole else ("at least ", ": a walk also finds emptied ones")
    nodes = "repositories" if found.names else "repositories and folders"
    return f"{found.listed:,} of {at_least}{len(found.survey.nodes):,} {nodes}, by {found.survey.source}{more}"


def _folders_text(found: Findings) -> str:
    if found.names_are_all:
        return f"every folder was opened: {found.listed:,} repositories and folders"
    return (
        f"{found.listed:,} of at least {found.repositories:,} repositories and folders: neither the catalog nor "
        "Artifact Registry's API says how many are below the others"
    )


def _units_text(found: Findings) -> str:
    units = sum(node.units for node in found.sample.nodes)
    read = sum(node.units_read for node in found.sample.nodes)
    if not units:
        return ""
    if read == units:
        return f"all of their {units:,} tags and images were read"
    text = f"{read:,} of their {units:,} tags and images were read; tags that share an image cost less"
    return (
        f"{text}, and a far larger repository costs more"
        if found.listed < found.repositories and not found.survey.has_contents
        else text
    )


def _failures_text(found: Findings) -> str:
    if not found.failures:
        return ""
    example = next(iter(found.failures.values()))
    return f"{repositories(len(found.failures))} of them could not be listed, for example {example}"
