"""Asks a registry what a few of its repositories cost, as a crawl would ask, and stops at a bound.

The exchanges are made one repository after the other, so that what is counted meanwhile is the cost of that repository.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from statistics import mean, median
from typing import Final, cast

from crawler.digest_cache.cache import DigestCache
from crawler.discovery.name_filter import NameFilter
from crawler.discovery.pending import ListResult
from crawler.errors import CredentialsError, RegistryError
from crawler.forecast.cost import NOTHING, Cost, Spending
from crawler.forecast.findings import Extent, Findings, Known
from crawler.forecast.last_snapshot import listing_weight
from crawler.forecast.sample import RULE_OF_THREE, Sample, SampledRepository, merged, spread_evenly
from crawler.forecast.survey import Survey, survey_folders, with_folders
from crawler.inspect.allowance import Allowance
from crawler.inspect.inspector import Inspector
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.image import Image
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.run.assemble import OpenParts, open_parts
from crawler.run.credentials import ResolvedAuth
from crawler.run.depth import reads_images
from crawler.run.failures import unwrap_group
from crawler.run.inspection import Inspection
from crawler.run.plan import Plan
from crawler.transport.messages import Purpose
from crawler.transport.run_limits import RunLimits

_UNIT_GUESS: Final = {Depth.TAGS: 0.0, Depth.DIGESTS: 1.0, Depth.MANIFESTS: 2.0, Depth.CONFIGS: 3.0}
"""The exchanges of a tag, until some were measured."""


_ROUNDS: Final = 4
"""The repositories are listed in so many rounds, each of which spreads over all of them: the bound ends one early."""


def bounded_plan(plan: Plan, spending: Spending) -> Plan:
    """The plan of a crawl for its forecast: with its own count of exchanges, and without the crawl's budget."""
    return replace(plan, limits=RunLimits(plan.limits.policy, spending), allowance=Allowance(None))


async def sample_registry(
    plan: Plan, spending: Spending, extent: Extent, auth: ResolvedAuth, cache: DigestCache, *, known: Known
) -> Findings:
    """Ask the registry.

    `plan` and `spending` belong together, by `bounded_plan`. What is in `cache` is not asked for, and what is read is
    put into it. Raises what a crawl raises where it cannot begin: CredentialsError, RegistryError, GaveUp.
    """
    inspection = Inspection(cache) if reads_images(plan.config.images) else None
    with unwrap_group():
        async with open_parts(plan, auth, inspection) as parts:
            sampler = _Sampler(
                plan, parts, spending, extent, known=known, survey=partial(survey_folders, plan, spending, auth)
            )
            with spending.bounded(extent.exchanges):
                await sampler.ask()
            found = sampler.findings()
    return found


class _Sampler:
    """One forecast's questions. `findings` is valid at any time, also after `ask` was cancelled."""

    def __init__(
        self,
        plan: Plan,
        parts: OpenParts,
        spending: Spending,
        extent: Extent,
        *,
        known: Known,
        survey: Callable[[Collection[str]], Awaitable[Survey]],
    ) -> None:
        """`survey` asks other sources for Google's folders, from these roots down."""
        registry = plan.registry
        self._survey = survey
        self._known = known
        self._plan = plan
        self._parts = parts
        self._spending = spending
        self._extent = extent
        self._filter = NameFilter(registry.target, include=registry.include, exclude=registry.exclude)
        self._found = Findings(connection=spending.so_far)
        self._names: list[str] = []
        self._came_listed: dict[str, Listing] = {}
        self._nodes: dict[str, SampledRepository] = {}
        self._before_page: Cost | None = None
        """What was spent before the page that is being read; None while none is."""
        self._folders = 0
        self._latencies: list[float] = []
        self._page_latencies: list[float] = []

    async def ask(self) -> None:
        await self._discover()
        if self._names and self._known.survey.nodes:
            self._compare_with_snapshot()
        # what came with its listing shows how a crawl lists; a listing by the protocol would show something else
        names = list(self._came_listed) or self._known.names or self._names or list(self._found.survey.nodes)
        await self._list_some([name for name in names if _is_valid(name)])
        if self._parts.inspector is not None:
            await self._read(self._parts.inspector)

    def findings(self) -> Findings:
        found = self._found
        found.method, found.pages = self._parts.discovery.method, self._parts.discovery.pages_read
        found.names, found.seen = len(self._names), found.survey.nodes or self._names
        if self._before_page is not None:  # the bound came before the page, or before the end of the pages
            found.discovery += self._spending.so_far - self._before_page
        timed = self._latencies or self._page_latencies
        found.latency_s = median(timed) if timed else None
        found.pulls_left = self._plan.allowance.pulls_left
        found.has_referrers_api = self._parts.inspector is None or not self._parts.inspector.lacks_referrers_api
        found.asked = self._spending.so_far
        found.listings = {name: (listing, self._nodes[name]) for name, (listing, _) in found.listings.items()}
        found.opened_folders = bool(self._folders)
        size = len(found.survey.nodes) or self._folders or len(self._names)
        images = self._plan.config.images
        has_more_below = images.depth.reads_manifests or images.referrers is ReferrersLevel.API
        found.repositories = size
        nodes = list(self._nodes.values())
        if rest := merged(self._surveyed(found.survey)):
            nodes, size = [*nodes, rest], len(nodes) + 1
        found.sample = Sample(
            size,
            nodes,
            unit_error=RULE_OF_THREE if has_more_below else 0.0,
        )
        return found

    def _surveyed(self, survey: Survey) -> Iterator[SampledRepository]:
        """The nodes that were not listed, where the survey has their contents. Their listings cost what others did."""
        if not survey.has_contents or not self._nodes:
            return
        listed = sum((node.listing for node in self._nodes.values()), NOTHING).times(1 / len(self._nodes))
        listing_as_now = _with_images if self._found.lists_images else _without_images
        nodes = {name: listing_as_now(listing) for name, listing in survey.nodes.items()}
        weight = mean([_weight(name, nodes[name]) for name in self._nodes if name in nodes] or [1.0])
        for name, listing in nodes.items():
            if name not in self._nodes:
                cost = replace(listed, bytes=listed.times(_weight(name, listing) / weight).bytes)
                yield self._sampled(name, listing, cost)

    # ------------------------------------------------------------------------------------------------------- discovery

    async def _discover(self) -> None:
        """Read pages of names, until there are no more, or enough exchanges were made for them."""
        discovery = self._parts.discovery
        async with aclosing(cast("AsyncGenerator[NamePage]", discovery.pages())) as pages:
            async for page, cost in self._measured(pages):
                self._found.discovery += cost
                if discovery.requires_all_listings:
                    if not self._extent.folders or await self._survey_folders(page):
                        return
                    await self._open_folders(page)
                    continue
                self._add_names(page)
                if self._found.discovery.total >= self._extent.discovery_exchanges:
                    return
        if self._before_page is not None:
            self._found.discovery += self._spending.so_far - self._before_page
            self._before_page = None
        self._found.names_are_all = not self._folders or len(self._nodes) == self._folders

    async def _survey_folders(self, page: NamePage) -> bool:
        """Whether another source says how many folders there are, and they are too many to open each."""
        if self._known.survey.nodes:
            self._found.survey, self._found.names_are_all = with_folders(self._known.survey, page), True
        elif not self._folders:  # the first page has the roots
            survey = await self._survey(page)
            if len(survey.nodes) > self._extent.folders:
                self._found.survey, self._found.names_are_all = survey, survey.is_whole
        return bool(self._found.survey.nodes)

    def _compare_with_snapshot(self) -> None:
        """The names of now, with what the snapshot has of them; its own names, where discovery has too many pages."""
        known, found = self._known.survey, self._found
        if found.names_are_all:
            found.survey = replace(known, nodes={name: known.nodes.get(name) for name in self._names})
        else:
            found.survey, found.names_are_all = known, True
            found.discovery = found.discovery.times(max(1, len(known.nodes) / len(self._names)))

    async def _measured(self, pages: AsyncIterator[NamePage]) -> AsyncIterator[tuple[NamePage, Cost]]:
        """Each page, with what it cost since the last one was asked for."""
        self._before_page, began = self._spending.so_far, time.monotonic()
        async for page in pages:
            cost, self._before_page = self._spending.so_far - self._before_page, None
            if cost.total:
                self._page_latencies.append((time.monotonic() - began) / cost.total)
            yield page, cost
            self._before_page, began = self._spending.so_far, time.monotonic()

    def _add_names(self, page: NamePage) -> None:
        for name, listing in page.items():
            if self._filter.matches(name) and _is_valid(name):
                self._names.append(name)
                if listing is not None:
                    self._came_listed[name] = listing

    async def _open_folders(self, page: NamePage) -> None:
        """List some nodes of a page, whose children are on the next page. The others count as nodes without any."""
        chosen = set(spread_evenly(list(page), max(0, self._extent.folders - len(self._nodes))))
        self._folders += len(page)
        for name in page:
            with self._parts.discovery.pending(name) as pending:
                result: ListResult = Listing(tags=())
                if name in chosen and _is_valid(name):
                    result = await self._list(name)
                pending.resolve(result)

    # --------------------------------------------------------------------------------------------------------- listing

    async def _list_some(self, names: Sequence[str]) -> None:
        """List repositories, spread evenly; more of them where how many tags they have is what counts."""
        few = spread_evenly(names, self._extent.repositories)
        chosen = set(few)
        more: list[str] = []
        if self._parts.inspector is not None and not self._found.survey.has_contents:
            more = spread_evenly([name for name in names if name not in chosen], self._extent.listing_exchanges)
            more = [name for start in range(_ROUNDS) for name in more[start::_ROUNDS]]  # spread, wherever it stops
        self._parts.lister.prefetch_hint(map(RepositoryName, (*few, *more)))
        for name in few:
            await self._list(name)
        for name in more:
            if self._spending.total >= self._extent.listing_exchanges:
                return
            await self._list(name)

    async def _list(self, name: str) -> ListResult:
        """List a repository or a folder, and measure it."""
        before, waited_s, began = self._spending.so_far, self._plan.limits.wait_s, time.monotonic()
        result: ListResult
        try:
            result = self._came_listed.get(name) or await self._parts.lister.list_tags(RepositoryName(name))
        except (RegistryError, CredentialsError) as exc:
            result = exc
        seconds = time.monotonic() - began - (self._plan.limits.wait_s - waited_s)
        cost = self._spending.so_far - before
        if cost.total:
            self._latencies.append(max(seconds, 0.0) / cost.total)
        self._nodes[name] = self._sampled(name, result, cost)
        if isinstance(result, Listing):
            self._found.listings[name] = (result, self._nodes[name])
        else:
            self._found.failures[name] = str(result)
        return result

    def _sampled(self, name: str, result: ListResult, cost: Cost) -> SampledRepository:
        if not isinstance(result, Listing):
            return SampledRepository(listing=cost)
        node = SampledRepository(
            listing=cost,
            tags=len(result.tags),
            images=len(result.images or ()),
        )
        inspector = self._parts.inspector
        if inspector is None or not self._filter.matches(name):
            return node
        images = self._plan.config.images
        looks_into_images = images.depth.reads_manifests or images.referrers is ReferrersLevel.API
        return replace(
            node,
            tags_to_resolve=len(inspector.tags_to_resolve(result)),
            images_to_read=len(inspector.images_to_read(result)) if looks_into_images else 0,
            batch=inspector.contents.batch_size,
        )

    # --------------------------------------------------------------------------------------------------------- reading

    async def _read(self, inspector: Inspector) -> None:
        """Read tags and images of the repositories that were listed, of each in proportion to how many it has.

        The large ones come first: most of a registry's images are in them.
        """
        waiting = sorted((name for name in self._nodes if self._nodes[name].units), key=self._units_of, reverse=True)
        unread = sum(map(self._units_of, waiting))
        for name in waiting:
            units = self._units_of(name)
            if count := min(units, self._affordable(units / unread)):
                await self._read_some(inspector, name, count)
            unread -= units

    def _units_of(self, name: str) -> int:
        return self._nodes[name].units

    def _affordable(self, share: float) -> int:
        """How many tags or images may be read for a share of the exchanges that are left.

        Their price is taken to be low, so that a small registry is read whole; the bound holds all the same.
        """
        images = self._plan.config.images
        read = [node for node in self._nodes.values() if node.units_read]
        units = sum(node.units_read for node in read)
        guess = _UNIT_GUESS[images.depth] + (images.referrers is ReferrersLevel.API)
        each = min(guess, sum(node.reading.total for node in read) / units) if units else guess
        left = self._extent.exchanges - self._spending.total
        affordable = round(left * share / max(each, 0.01))
        if self._plan.registry.profile.limits_pulls and images.depth.reads_manifests:
            return min(affordable, self._extent.pulls - units)
        return affordable

    async def _read_some(self, inspector: Inspector, name: str, count: int) -> None:
        listing, node = self._found.listings[name][0], self._nodes[name]
        tags, images = inspector.tags_to_resolve(listing), inspector.images_to_read(listing)
        chosen = spread_evenly([*tags, *(images if node.images_to_read else ())], count)
        picked = [each for each in chosen if not isinstance(each, str)]
        picked_tags = [each for each in chosen if isinstance(each, str)]
        if count == node.units:
            part = listing
        else:
            tags_of_images = [tag for image in picked for tag in image.tags]
            part = listing.replace(
                tags=(*picked_tags, *tags_of_images),
                images=None if listing.images is None else tuple(picked),
            )
        before = self._spending.so_far
        await inspector.inspect(RepositoryName(name), part)
        reading = self._spending.so_far - before
        images_read = len(picked)
        if picked and listing.lists_untagged:
            # an image of several platforms was read with its children, which the listing has too
            images_read = min(node.images_to_read, max(images_read, round(reading.of(Purpose.MANIFEST))))
        self._nodes[name] = replace(node, tags_read=len(picked_tags), images_read=images_read, reading=reading)


def _weight(name: str, listing: Listing) -> float:
    """About the bytes of a listing."""
    return listing_weight(name, listing.tags, len(listing.images or ()))


def _with_images(listing: Listing | None) -> Listing:
    """What a survey has, as a listing with images; where it has none, an image for each tag."""
    if listing is None or listing.images is not None:
        return listing or Listing(tags=(), images=())
    return listing.replace(images=tuple(Image(tag, (tag,)) for tag in listing.tags))


def _without_images(listing: Listing | None) -> Listing:
    """What a survey has, as a listing of tags alone."""
    return Listing(tags=()) if listing is None else listing.replace(images=None)


def _is_valid(name: str) -> bool:
    """Whether the name is one that a crawl requests."""
    try:
        RepositoryName(name)
    except ValueError:
        return False
    return True
