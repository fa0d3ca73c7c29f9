"""Whether a snapshot can answer a question, and which options of a crawl it would take."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crawler.model.depth import Depth, ReferrersLevel
from crawler.questions.audit.own_tables import open_tables
from crawler.questions.audit.question import Need
from crawler.tables.database import Database
from crawler.tables.selection import SelectedSnapshot

_DEPTHS: Final = tuple(Depth)
_REFERRERS: Final = tuple(ReferrersLevel)


@dataclass(frozen=True, slots=True)
class _Levels:
    """The levels of a crawl that meet a need. `listed` is SQL: whether the registry's listing met it at any depth."""

    depth: Depth = Depth.TAGS
    referrers: ReferrersLevel = ReferrersLevel.NONE
    listed: str = ""


_LEVELS: Final = {
    Need.IMAGES: _Levels(Depth.DIGESTS, listed="SELECT images IS NOT NULL FROM runs"),
    Need.TIMES: _Levels(
        Depth.CONFIGS, listed="SELECT true FROM pullable WHERE coalesce(created_at, uploaded_at) IS NOT NULL LIMIT 1"
    ),
    Need.SIZES: _Levels(Depth.MANIFESTS, listed="SELECT true FROM pullable WHERE size_bytes IS NOT NULL LIMIT 1"),
    Need.MANIFESTS: _Levels(Depth.MANIFESTS),
    Need.CONFIGS: _Levels(Depth.CONFIGS),
    Need.REFERRERS: _Levels(referrers=ReferrersLevel.LISTED),
}


def unmet_needs(needs: Iterable[Need], snapshot: SelectedSnapshot) -> list[Need]:
    """Those of the needs that a snapshot does not meet. Raises SnapshotError."""
    shallow = [need for need in needs if not _is_deep_enough(_LEVELS[need], snapshot)]
    if not any(_LEVELS[need].listed for need in shallow):
        return shallow
    with open_tables([snapshot]) as database:
        return [need for need in shallow if not _is_listed(_LEVELS[need], database)]


def crawl_options(needs: Iterable[Need]) -> str:
    """The options of a crawl whose snapshot meets the needs; "" where it takes none."""
    levels = [_LEVELS[need] for need in needs]
    depth = max((level.depth for level in levels), key=_DEPTHS.index, default=Depth.TAGS)
    referrers = max((level.referrers for level in levels), key=_REFERRERS.index, default=ReferrersLevel.NONE)
    options = [
        "" if depth is Depth.TAGS else f"--depth {depth}",
        "" if referrers is ReferrersLevel.NONE else f"--referrers {referrers}",
    ]
    return " ".join(option for option in options if option)


def _is_deep_enough(levels: _Levels, snapshot: SelectedSnapshot) -> bool:
    is_deep = _DEPTHS.index(snapshot.depth) >= _DEPTHS.index(levels.depth)
    return is_deep and _REFERRERS.index(snapshot.referrers) >= _REFERRERS.index(levels.referrers)


def _is_listed(levels: _Levels, database: Database) -> bool:
    return bool(levels.listed) and any(found for (found,) in database.query(levels.listed).rows)
