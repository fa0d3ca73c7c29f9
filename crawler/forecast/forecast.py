"""The forecast of one crawl: what it costs, how long it takes, how sure that is, and what would be cheaper."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final

import anyio.to_thread

from crawler.config import Config, RegistryConfig
from crawler.digest_cache.cache import DigestCache
from crawler.discovery.ownership import Ownership
from crawler.errors import SnapshotError
from crawler.forecast.advice import Bill, cheaper_ways
from crawler.forecast.cost import Cost, Spending
from crawler.forecast.duration import Duration, Pace, expected_duration
from crawler.forecast.expectation import Expectation
from crawler.forecast.findings import FIRST_NIGHT, LATER_NIGHT, Findings, Known
from crawler.forecast.from_sample import expect_from_sample, part_of_sample
from crawler.forecast.from_snapshot import expect_from_snapshot
from crawler.forecast.last_snapshot import (
    LastSnapshot,
    find_last_snapshot,
    is_shallower,
    pick_names,
    why_not_comparable,
)
from crawler.forecast.sampler import bounded_plan, sample_registry
from crawler.forecast.survey import survey_of_snapshot
from crawler.inspect.tag_filter import TagFilter
from crawler.run.credentials import ResolvedAuth, resolve_credentials
from crawler.run.plan import Plan, SharedRateLimits, make_plan
from crawler.run.throughput import describe_pace
from crawler.transport.messages import Purpose

_FOR_IMAGES: Final = (Purpose.MANIFEST, Purpose.BLOB, Purpose.REFERRERS)

_LONG_RUN: Final = 1000
"""Exchanges from which on the pace of a run says something of the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulls:
    """Pulls that count against the registry's limit. `remaining` and `limit` are None where it does not say them."""

    needed: int
    remaining: int | None
    limit: int | None

    @property
    def share(self) -> float | None:
        """The part of the limit that the crawl needs."""
        return self.needed / self.limit if self.limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a crawl would cost.

    Attributes:
        shard: which part of the target it is of, such as `3/8`; None for all of it.
        exchanges, least, most: in all: as expected, and the range in which they are.
        by_kind: as expected.
        is_lower_bound: whether there is more that the forecast did not see: discovery was not read to its end.
        bytes: of response bodies, decompressed.
        duration: at the configured pace, with what limits it.
        least_s, most_s: of `least` and `most` exchanges.
        pulls: None where the registry does not limit them, or the crawl makes none.
        cheaper: what would cost less.
        evidence: what the forecast is drawn from.
        notes: what the operator should know of the crawl.
        asked: exchanges of the forecast itself, by kind.
    """

    target: str
    registry: str
    kind: str
    identity: str
    depth: str
    referrers: str
    shard: str | None
    exchanges: int
    least: int
    most: int
    by_kind: Mapping[str, int]
    is_lower_bound: bool
    bytes: int
    duration: Duration
    least_s: float
    most_s: float
    pace: str
    pulls: Pulls | None
    cheaper: tuple[str, ...]
    evidence: tuple[str, ...]
    notes: tuple[str, ...]
    asked: Mapping[str, int]


async def make_forecast(config: Config, registry: RegistryConfig, rate_limits: SharedRateLimits) -> Forecast:
    """Ask the registry a little, and say what a crawl would cost. Nothing is written.

    Raises what a crawl raises where it cannot begin: CredentialsError, RegistryError, GaveUp, ConfigError for a list of
    names, and SnapshotError where the last snapshot is damaged.
    """
    snapshot, unreadable = await anyio.to_thread.run_sync(_readable_snapshot, config, registry)
    unused = "" if snapshot is None else why_not_comparable(snapshot.run_manifest, config, registry)
    known, comparable = Known(), None
    if snapshot is not None and not unused:
        if is_shallower(snapshot.run_manifest, config):
            images = config.images
            tag_filter = TagFilter(include=images.include_tags, exclude=images.exclude_tags)
            known = Known(survey=await anyio.to_thread.run_sync(survey_of_snapshot, snapshot, tag_filter))
        else:
            names = await anyio.to_thread.run_sync(pick_names, snapshot, LATER_NIGHT.repositories)
            known, comparable = Known(names=names), snapshot
    extent = FIRST_NIGHT if comparable is None else LATER_NIGHT
    spending = Spending()
    plan = bounded_plan(make_plan(config, registry, rate_limits), spending)
    auth = await resolve_credentials(registry, plan.limits.outage)
    # two views of one file: the sample puts what it reads into its own, and the crawl will not have that
    ownership, file = await _new_ownership(config, registry), _cache_file(config)
    with DigestCache.open_unchanged(file) as cache, DigestCache.open_unchanged(file) as sampled:
        found = await sample_registry(plan, spending, extent, auth, sampled, known=known)
        if comparable is None:
            expected = expect_from_sample(found, registry)
            expected = expected if ownership is None else part_of_sample(expected, found, ownership)
        else:
            count = partial(expect_from_snapshot, comparable, found, config, registry, cache, ownership=ownership)
            expected = await anyio.to_thread.run_sync(count)
        notes = (*auth.warnings, *cache.notes, *unreadable)
    if unused and snapshot is not None:
        notes = (*notes, f"the snapshot of {_day(snapshot)} was not used: {unused}")
    return _forecast(plan, auth, found, expected, snapshot=comparable, notes=notes)


async def _new_ownership(config: Config, registry: RegistryConfig) -> Ownership | None:
    """What is owned by the shard that the crawl is; None for a crawl of everything. Raises SnapshotError."""
    if config.scale.shard is None:
        return None
    from crawler.run.shards import new_ownership

    return await anyio.to_thread.run_sync(new_ownership, config, registry, config.scale.shard)


def _cache_file(config: Config) -> Path | None:
    """The digest cache of the crawl. A shard's own file begins with what that of the whole has."""
    file, united = config.cache_file, config.united_cache_file
    return united if file is not None and not file.exists() else file


def _readable_snapshot(config: Config, registry: RegistryConfig) -> tuple[LastSnapshot | None, tuple[str, ...]]:
    """The target's last complete snapshot, and a note where there is one that cannot be read."""
    try:
        return find_last_snapshot(config, registry), ()
    except SnapshotError as exc:
        return None, (f"the last snapshot was not used: {exc}",)


def _forecast(
    plan: Plan,
    auth: ResolvedAuth,
    found: Findings,
    expected: Expectation,
    *,
    snapshot: LastSnapshot | None,
    notes: tuple[str, ...],
) -> Forecast:
    config, registry = plan.config, plan.registry
    bill = _bill(expected)
    cheaper = cheaper_ways(bill, config, registry, auth)
    expected, budget_note = _within_budget(expected, _own_budget(config))
    pulls = _pulls(expected, found, registry)
    cost = expected.cost
    duration = _duration(plan, found, cost, snapshot)
    return Forecast(
        target=str(registry.target),
        registry=registry.target.registry,
        kind=registry.profile.kind,
        identity=auth.label,
        depth=config.images.depth,
        referrers=config.images.referrers,
        shard=None if config.scale.shard is None else str(config.scale.shard),
        exchanges=round(cost.total),
        least=min(ceil(expected.least), round(cost.total)),
        most=max(int(expected.most), round(cost.total)),
        by_kind={kind.value: round(count) for kind, count in sorted(cost.exchanges.items()) if round(count)},
        is_lower_bound=expected.is_lower_bound,
        bytes=round(cost.total_bytes),
        duration=duration,
        least_s=duration.seconds * expected.least / max(cost.total, 1),
        most_s=duration.seconds * expected.most / max(cost.total, 1),
        pace=describe_pace(config.limits.concurrency, plan.quota),
        pulls=pulls,
        cheaper=cheaper,
        evidence=expected.evidence,
        notes=tuple(filter(None, (*notes, budget_note, _pulls_note(pulls)))),
        asked={kind.value: round(count) for kind, count in sorted(found.asked.exchanges.items()) if count},
    )


def _bill(expected: Expectation) -> Bill:
    cost = expected.cost
    return Bill(
        repositories=expected.repositories,
        tokens=cost.of(Purpose.TOKEN),
        listings=cost.of(Purpose.LISTING),
        resolves=expected.resolves,
        images=expected.images,
    )


def _own_budget(config: Config) -> int | None:
    """What depth may cost: a shard's part of what all of them may spend."""
    budget, shard = config.limits.budget, config.scale.shard
    return budget if budget is None or shard is None else shard.share_of(budget)


def _within_budget(expected: Expectation, budget: int | None) -> tuple[Expectation, str]:
    """The expectation under `--budget`, and a note where the budget is too small for the crawl."""
    for_images = sum(expected.cost.of(kind) for kind in _FOR_IMAGES)
    if budget is None or for_images <= budget:
        return expected, ""
    share = budget / for_images
    cost = expected.cost.scaled(lambda kind: share if kind in _FOR_IMAGES else 1)
    saved = expected.cost.total - cost.total
    note = f"--budget {budget:,} ends the crawl's depth early: it needs {for_images:,.0f}, and the snapshot is partial"
    return expected.with_cost(cost, least=max(expected.least - saved, 0), most=cost.total), note


def _pulls(expected: Expectation, found: Findings, registry: RegistryConfig) -> Pulls | None:
    needed = round(expected.cost.of(Purpose.MANIFEST) - expected.resolves)
    if not registry.profile.limits_pulls or needed <= 0:
        return None
    left = found.pulls_left
    return Pulls(
        needed=needed,
        remaining=None if left is None else left.remaining,
        limit=None if left is None else left.limit,
    )


def _pulls_note(pulls: Pulls | None) -> str:
    if pulls is None or pulls.remaining is None or pulls.needed <= pulls.remaining:
        return ""
    return (
        f"the registry's limit has {pulls.remaining:,} pulls left, and the crawl needs {pulls.needed:,}: the snapshot "
        "will be partial, and the next crawl goes on where this one stopped"
    )


def _duration(plan: Plan, found: Findings, cost: Cost, snapshot: LastSnapshot | None) -> Duration:
    of_api = cost.of(Purpose.API) > cost.total / 2
    kept = None if snapshot is None else _kept_pace(plan, snapshot)
    registry = Pace(
        concurrency=plan.config.limits.concurrency,
        latency_s=found.latency_s,
        quota=plan.quota,
        kept_per_s=None if of_api else kept,
    )
    api = Pace(
        concurrency=plan.api_concurrency,
        latency_s=found.latency_s,
        quota=plan.api_quota,
        kept_per_s=kept if of_api else None,
    )
    return expected_duration(cost.exchanges, cost.of(Purpose.CATALOG), registry, api)


def _kept_pace(plan: Plan, snapshot: LastSnapshot) -> float | None:
    """The pace of the last crawl, where it was long, and under the same limits."""
    run = snapshot.run_manifest
    is_same = run.pace.configured == describe_pace(plan.config.limits.concurrency, plan.quota)
    return run.pace.median_per_s if is_same and run.requests.total >= _LONG_RUN else None


def _day(snapshot: LastSnapshot) -> str:
    return snapshot.run_manifest.started_at[:10]
