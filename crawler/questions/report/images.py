"""How old the images are, for which platforms, and whether they are signed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crawler.questions.report.statements import create, drop, statement
from crawler.tables.database import Database
from crawler.untrusted_text import printable

PLATFORMS_SHOWN: Final = 12

_AGES: Final = (
    (30, "under 1 month"),
    (91, "1 to 3 months"),
    (182, "3 to 6 months"),
    (365, "6 to 12 months"),
    (730, "1 to 2 years"),
    (1095, "2 to 3 years"),
)
"""Ages in days, each the first that is too old for its name."""

_OLDEST: Final = "over 3 years"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Known:
    """How many manifests there are, and of how many something is known.

    Attributes:
        images: manifests that are images, or of an unknown kind.
        of_unknown_kind: those that may be indexes or signatures.
        subjects: images and indexes that have a tag: what people pull, and sign.
        with_layers: manifests that were read.
        with_size: manifests whose size is listed.
        with_referrers: subjects whose signatures were looked for.
    """

    manifests: int
    images: int
    of_unknown_kind: int
    subjects: int
    with_layers: int
    with_size: int
    with_referrers: int


@dataclass(frozen=True, slots=True)
class Bar:
    """How many images are of one kind."""

    label: str
    images: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many subjects have one kind of referrer, are proved to have none, and how many may have one."""

    label: str
    listed: int
    none: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of a snapshot.

    Attributes:
        ages: the youngest first, and those of unknown age last.
        platforms: the most frequent first; the last is of images of an unknown platform, if there are any.
        coverage: signatures, SBOMs and provenances of the subjects.
    """

    known: Known
    ages: tuple[Bar, ...]
    platforms: tuple[Bar, ...]
    coverage: tuple[Coverage, ...]

    @property
    def ages_known(self) -> bool:
        return any(bar.images for bar in self.ages if bar.label != UNKNOWN)

    @property
    def platforms_known(self) -> bool:
        return any(bar.label != UNKNOWN for bar in self.platforms)


def read_images(database: Database, started_at: str) -> Images:
    """The images of the only snapshot in a database, and their age at the start of the run. Raises SnapshotError."""
    create(database, "manifests", {"started_at": started_at})
    create(database, "subjects")
    create(database, "platform_rows")
    known = Known(*next(iter(database.query(statement("known")).rows)))
    images = Images(
        known=known,
        ages=_ages(database.query(statement("ages")).rows),
        platforms=_platforms(list(database.query(statement("platforms")).rows)),
        coverage=_coverage(database, known) if known.with_referrers else (),
    )
    for table in ("manifests", "subjects", "platform_rows"):
        drop(database, table)
    return images


def _ages(rows: Iterable[tuple[int | None, int]]) -> tuple[Bar, ...]:
    counts = dict.fromkeys([*(label for _, label in _AGES), _OLDEST, UNKNOWN], 0)
    for age_days, images in rows:
        counts[_age(age_days)] += images
    return tuple(Bar(label, images) for label, images in counts.items())


def _age(days: int | None) -> str:
    """A time that is more than a day in the future is of a wrong clock."""
    if days is None or days < -1:
        return UNKNOWN
    return next((label for limit, label in _AGES if days < limit), _OLDEST)


def _platforms(rows: list[tuple[str | None, int]]) -> tuple[Bar, ...]:
    named = [Bar(printable(platform, 60), images) for platform, images in rows if platform is not None]
    shown, rest = named[:PLATFORMS_SHOWN], named[PLATFORMS_SHOWN:]
    others = [Bar(f"others ({len(rest):,})", sum(bar.images for bar in rest))] if rest else []
    unknown = [Bar(UNKNOWN, images) for platform, images in rows if platform is None]
    return (*shown, *others, *unknown)


def _coverage(database: Database, known: Known) -> tuple[Coverage, ...]:
    counts = iter(next(iter(database.query(statement("coverage")).rows)))
    pairs = zip(counts, counts, strict=True)
    return tuple(
        Coverage(label, listed, none, known.subjects - listed - none)
        for label, (listed, none) in zip(("signature", "SBOM", "provenance"), pairs, strict=True)
    )
