"""How much a forecast asks a registry, what it knows before, and what it finds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from crawler.forecast.cost import NOTHING, Cost
from crawler.forecast.sample import Sample, SampledRepository
from crawler.forecast.survey import NO_SURVEY, Survey
from crawler.model.record import Listing
from crawler.wire.pull_limit import PullsLeft

NO_SAMPLE: Final = Sample(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much a forecast asks.

    Attributes:
        exchanges: the most in all.
        discovery_exchanges: after so many, no further page of names is read.
        folders: how many of Google's folders are opened one by one.
        repositories: how many are listed where only listings cost anything.
        listing_exchanges: what listings may cost where depth depends on what they have: then more are listed.
        pulls: the most images that are read where the registry limits pulls.
    """

    exchanges: int
    discovery_exchanges: int
    repositories: int
    listing_exchanges: int
    folders: int
    pulls: int


FIRST_NIGHT: Final = Extent(
    exchanges=100, discovery_exchanges=20, repositories=20, listing_exchanges=65, folders=30, pulls=5
)
"""Where there is no snapshot that says what the registry holds."""

LATER_NIGHT: Final = Extent(
    exchanges=40, discovery_exchanges=5, repositories=5, listing_exchanges=0, folders=0, pulls=1
)
"""Where the last snapshot says it: what the exchanges weigh, and how long they take."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What the registry answered.

    Attributes:
        connection: the cost of the connection, with what credentials cost.
        discovery: the cost of the pages of names.
        method: the discovery method.
        pages: how many pages of names were read.
        repositories: how many are known, with Google's folders.
        names: the repositories on them, after the filters; 0 for Google's folders.
        names_are_all: whether there are no further names.
        seen: the names that were read, or the nodes of the survey; none where folders were opened one by one.
        survey: what another source than discovery has; without nodes where none was needed.
        opened_folders: whether Google's folders were opened one by one.
        sample: the repositories that were measured.
        listings: tags and images of the repositories that were measured, by name.
        failures: repositories that could not be listed, with the error.
        latency_s: how long an exchange takes; None where no exchange was timed.
        pulls_left: what is left of a limit on pulls; None where the registry does not say.
        has_referrers_api: False where it was asked, and is not there.
        asked: all exchanges of the forecast itself.
    """

    connection: Cost = NOTHING
    discovery: Cost = NOTHING
    method: str = ""
    pages: int = 0
    repositories: int = 0
    names: int = 0
    names_are_all: bool = False
    seen: Collection[str] = ()
    survey: Survey = NO_SURVEY
    opened_folders: bool = False
    sample: Sample = NO_SAMPLE
    listings: dict[str, tuple[Listing, SampledRepository]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    latency_s: float | None = None
    pulls_left: PullsLeft | None = None
    has_referrers_api: bool = True
    asked: Cost = NOTHING

    @property
    def listed(self) -> int:
        """How many repositories or folders were listed, or refused it."""
        return len(self.listings) + len(self.failures)

    @property
    def lists_images(self) -> bool:
        """Whether listings have images, so that no tag has to be resolved."""
        return any(listing.images is not None for listing, _ in self.listings.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before the registry is asked.

    Attributes:
        names: the repositories to list; without any, some of those that discovery finds.
        survey: what the registry has, by a snapshot; without nodes where there is none.
    """

    names: Sequence[str] = ()
    survey: Survey = NO_SURVEY
