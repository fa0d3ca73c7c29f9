"""The last snapshot, and a few exchanges, become what the next crawl is expected to cost."""

from collections.abc import Mapping
from typing import Final

from crawler.config import Config, RegistryConfig
from crawler.digest_cache.cache import DigestCache
from crawler.discovery.ownership import Ownership
from crawler.forecast.cost import Cost
from crawler.forecast.expectation import Expectation
from crawler.forecast.findings import Findings
from crawler.forecast.last_snapshot import Inventory, LastSnapshot, Night, count_inventory, listing_weight
from crawler.inspect.tag_filter import TagFilter
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.run_manifest import RunManifest
from crawler.model.words import repositories
from crawler.profiles import DiscoveryMethod
from crawler.transport.messages import Purpose

_AS_BEFORE: Final = (Purpose.CATALOG, Purpose.LISTING, Purpose.TOKEN, Purpose.API)
"""Exchanges that depend on the repositories alone."""

_USUAL_BYTES: Final[Mapping[Purpose, float]] = {
    Purpose.MANIFEST: 1500,
    Purpose.BLOB: 4000,
    Purpose.TOKEN: 1500,
    Purpose.REFERRERS: 300,
    Purpose.LISTING: 300,
    Purpose.CATALOG: 30_000,
    Purpose.API: 60_000,
}
"""Of one exchange, where none was measured."""

_SAME_SHARE: Final = 0.05
"""Two numbers that differ by no more of the larger one count as the same."""


def expect_from_snapshot(
    snapshot: LastSnapshot,
    found: Findings,
    config: Config,
    registry: RegistryConfig,
    cache: DigestCache,
    *,
    ownership: Ownership | None,
) -> Expectation:
    """What a crawl costs where the registry has what it had: one shard of it, with its `ownership`.

    Reads the whole snapshot. Raises SnapshotError.
    """
    run, images = snapshot.run_manifest, config.images
    night = Night(
        depth=images.depth,
        referrers=images.referrers if registry.profile.has_referrers_api else ReferrersLevel.NONE,
        tag_filter=TagFilter(include=images.include_tags, exclude=images.exclude_tags),
        lists_images=found.lists_images,
        limits_pulls=registry.profile.limits_pulls,
        batch=max((node.batch for _, node in found.listings.values()), default=1),
        images_per_page=1 if registry.profile.api is None else registry.profile.api.images_per_exchange,
        is_known=cache.has,
        ownership=ownership,
    )
    inventory = count_inventory(snapshot.lines(), night)
    growth = _growth(run, found)
    once = {Purpose.PING, Purpose.CATALOG}
    expected = _exchanges(run, inventory, found, night)
    exchanges = {kind: count * (1 if kind in once else growth) for kind, count in expected.items()}
    cost = Cost(exchanges, _bytes(exchanges, run, inventory, found))
    return Expectation(
        cost=cost,
        least=cost.total,
        most=cost.total + _usual_news(run, images.depth) * inventory.share,
        is_lower_bound=False,
        repositories=run.discovery.repositories * inventory.share * growth,
        resolves=inventory.resolves,
        images=inventory.images if found.lists_images else 0,
        evidence=_evidence(run, inventory, found, night),
    )


def _growth(run: RunManifest, found: Findings) -> float:
    """How many times as many names there are now; 1 where discovery was not read to its end."""
    if not found.names_are_all or not found.names or not run.discovery.repositories:
        return 1.0
    return found.names / run.discovery.repositories


def _exchanges(run: RunManifest, inventory: Inventory, found: Findings, night: Night) -> dict[Purpose, float]:
    then = run.requests.by_kind
    exchanges = {kind: _own_part(then.get(kind.value, 0), _of_names(kind, run), inventory) for kind in _AS_BEFORE}
    exchanges[Purpose.PING] = found.connection.of(Purpose.PING)
    if night.batch > 1:  # that night may have read manifests by the API, which this one knows
        exchanges[Purpose.API] = run.discovery.pages + inventory.api_pages
    for kind, count in inventory.exchanges.items():
        exchanges[kind] = exchanges.get(kind, 0) + count
    if night.referrers is ReferrersLevel.API and run.referrers == ReferrersLevel.API:
        exchanges[Purpose.REFERRERS] = _own_part(then.get(Purpose.REFERRERS.value, 0), 0, inventory)
    elif not found.has_referrers_api:
        exchanges[Purpose.REFERRERS] = found.asked.of(Purpose.REFERRERS)
    return exchanges


def _of_names(kind: Purpose, run: RunManifest) -> int:
    """The exchanges of a kind that were pages of names: every shard may have to read all of these."""
    if kind is Purpose.CATALOG:
        return run.requests.by_kind.get(kind.value, 0)
    return run.discovery.pages if kind is Purpose.API and run.discovery.method == DiscoveryMethod.API else 0


def _own_part(exchanges: int, of_names: int, inventory: Inventory) -> float:
    of_names = min(of_names, exchanges)
    return of_names + (exchanges - of_names) * inventory.share


def _bytes(
    exchanges: Mapping[Purpose, float], run: RunManifest, inventory: Inventory, found: Findings
) -> dict[Purpose, float]:
    """Where as much is asked as last night, as much comes; else what the exchanges of the plan weigh, and listings."""
    knew_its_tags = run.cache.hits >= inventory.resolves / 2  # else they came with their manifests, and tonight do not
    if knew_its_tags and all(
        _is_about(count, run.requests.by_kind.get(kind.value, 0)) for kind, count in exchanges.items()
    ):
        return {Purpose.LISTING: run.requests.bytes}  # of all kinds together
    asked = found.asked
    sizes = {
        kind: count * (asked.bytes.get(kind, 0) / asked.of(kind) if asked.of(kind) else _USUAL_BYTES.get(kind, 0))
        for kind, count in exchanges.items()
    }
    weight = sum(
        listing_weight(name, listing.tags, len(listing.images or ())) for name, (listing, _) in found.listings.items()
    )
    listed = sum(node.listing.bytes.get(Purpose.LISTING, 0) for _, node in found.listings.values())
    if listed:
        sizes[Purpose.LISTING] = listed * inventory.listing_weight / weight
    return sizes


def _is_about(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_SHARE * max(one, other)


def _usual_news(run: RunManifest, depth: Depth) -> int:
    """What the last night read that no night had read before: as much may be new tonight."""
    is_later_night = run.previous_run_id is not None and run.cache.hits > run.cache.misses
    return run.cache.misses if is_later_night and run.depth == depth else 0


def _evidence(run: RunManifest, inventory: Inventory, found: Findings, night: Night) -> tuple[str, ...]:
    had, depth = f"{repositories(run.discovery.repositories)}, {inventory.tags:,} tags", night.depth
    if night.ownership is not None:
        own = f"{inventory.repositories:,} of them are those of shard {night.ownership.shard}"
        had = f"{repositories(run.discovery.repositories)}; {own}, with {inventory.tags:,} tags"
    lines = [f"the snapshot of {run.started_at[:10]} ({run.run_id}): {had}"]
    if found.names_are_all and found.names and found.names != run.discovery.repositories:
        lines.append(f"discovery ({found.method}) lists {repositories(found.names)} now")
    if depth.reads_manifests:
        known = "the digest cache has all manifests and configs of it"
        unknown = inventory.exchanges.get(Purpose.BLOB, 0) + inventory.exchanges.get(Purpose.MANIFEST, 0)
        if unknown > inventory.resolves:
            known = f"the digest cache lacks {unknown - inventory.resolves:,.0f} manifests and configs of it"
        lines.append(f"{known}; each image that is new since then costs 1 to 3 exchanges more")
    return tuple(lines)
