"""What else than a crawl says how many repositories there are: a snapshot, and for Google's folders two sources.

A walk opens every folder. Google's catalog or its API say in a few exchanges how many there are. A crawl walks all the
same, because only the walk finds everything: the catalog of a Google host may be empty, and the API leaves out names
whose last image was deleted. For a forecast both are good evidence.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

from crawler.discovery import Discovery
from crawler.errors import CredentialsError, GaveUp, RegistryError
from crawler.forecast.cost import Spending
from crawler.forecast.last_snapshot import LastSnapshot, listings_of
from crawler.inspect.tag_filter import TagFilter
from crawler.model.record import Listing
from crawler.profiles import DiscoveryMethod
from crawler.run.assemble import open_parts
from crawler.run.credentials import ResolvedAuth
from crawler.run.depth import reads_images
from crawler.run.plan import Plan
from crawler.transport.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from crawler.model.record import NamePage

log = logging.getLogger(__name__)

MAX_EXCHANGES: Final = 40
"""Of one survey: 40,000 names of a catalog, or 40,000 images of the API."""

_LABELS: Final = {
    DiscoveryMethod.CATALOG: "the catalog",
    DiscoveryMethod.ARTIFACT_REGISTRY: "Artifact Registry's API",
}


@dataclass(frozen=True, slots=True)
class Survey:
    """Repositories, with the nodes of Google's folders, as another source than discovery has them.

    Attributes:
        source: for people; "" where no source has any.
        nodes: the names, and the folders above them; each with its listing, where the source has it.
        is_whole: whether these are all: the API leaves out names whose last image was deleted.
        has_contents: whether all tags and images of every node are there.
    """

    source: str = ""
    nodes: Mapping[str, Listing | None] = field(default_factory=dict)
    is_whole: bool = False
    has_contents: bool = False


NO_SURVEY: Final = Survey()


def survey_of_snapshot(snapshot: LastSnapshot, tag_filter: TagFilter) -> Survey:
    """What a snapshot has. Raises SnapshotError."""
    run = snapshot.run_manifest
    source = f"the snapshot of {run.started_at[:10]} ({run.run_id}, depth {run.depth})"
    return Survey(source, listings_of(snapshot, tag_filter), is_whole=True, has_contents=True)


def with_folders(survey: Survey, roots: Collection[str]) -> Survey:
    """The survey with the folders above its repositories, up to the roots."""
    folders = {node: None for name in survey.nodes for node in _folders(name, roots)}
    return replace(survey, nodes={**folders, **survey.nodes})


async def survey_folders(plan: Plan, spending: Spending, auth: ResolvedAuth, roots: Collection[str]) -> Survey:
    """Ask the catalog, and the API where the catalog has no names at or below the roots.

    The API is also asked where depth looks into images: it says how many there are. A source that cannot be asked has
    none.
    """
    by_catalog = await _survey(plan, spending, auth, roots, DiscoveryMethod.CATALOG)
    if by_catalog.nodes and not reads_images(plan.config.images):
        return by_catalog
    by_api = await _survey(plan, spending, auth, roots, DiscoveryMethod.ARTIFACT_REGISTRY)
    return Survey(
        source=" and ".join(filter(None, (by_catalog.source, by_api.source))),
        nodes={**by_catalog.nodes, **by_api.nodes},
        is_whole=by_catalog.is_whole,
        has_contents=by_api.is_whole,
    )


async def _survey(
    plan: Plan, spending: Spending, auth: ResolvedAuth, roots: Collection[str], method: DiscoveryMethod
) -> Survey:
    """What one source has, as far as the bound allows."""
    images_from = "api" if method is DiscoveryMethod.ARTIFACT_REGISTRY else "listing"
    registry = plan.registry.model_copy(update={"discovery": method, "images_from": images_from})
    # the forecast can do without: no retries, and no waiting for what is not there
    limits = RunLimits(replace(plan.limits.policy, attempts=1), spending)
    nodes: dict[str, Listing | None] = {}
    is_whole = False
    try:
        async with open_parts(replace(plan, registry=registry, limits=limits), auth, None) as parts:
            with spending.bounded(MAX_EXCHANGES):
                await _add_nodes(nodes, parts.discovery, roots)
                is_whole = bool(nodes)
    except (RegistryError, CredentialsError, GaveUp) as exc:
        log.info("%s does not say how many folders there are: %s", _LABELS[method], exc)
    return Survey(_LABELS[method] if nodes else "", nodes, is_whole=is_whole)


async def _add_nodes(nodes: dict[str, Listing | None], discovery: Discovery, roots: Collection[str]) -> None:
    async with aclosing(cast("AsyncGenerator[NamePage]", discovery.pages())) as pages:
        async for page in pages:
            for name, listing in page.items():
                nodes.update({node: nodes.get(node) for node in _folders(name, roots)})
                if name in nodes:
                    nodes[name] = listing


def _folders(name: str, roots: Collection[str]) -> Iterator[str]:
    """The name and the folders above it, up to the first root; none where it is not below a root."""
    nodes = []
    while name not in roots:
        nodes.append(name)
        name, slash, _ = name.rpartition("/")
        if not slash:
            return
    yield name
    yield from nodes
