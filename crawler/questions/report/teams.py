"""Who uses how much: repositories, tags and bytes of each team.

A team is the first part of a repository's name below the folder that all repositories are in: `checkout` of
`my-project/checkout/cart`, where everything is in `my-project`.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any, Final

from crawler.questions.report.images import Known
from crawler.questions.report.statements import create, statement
from crawler.tables.database import Database
from crawler.untrusted_text import printable

TEAMS_SHOWN: Final = 15


class BytesFrom(StrEnum):
    """What the bytes of the teams are made from."""

    LAYERS = "layers"
    """Each layer once for each team that has it, as registries store it."""
    SIZES = "sizes"
    """Sizes of images, as the registry lists them: a layer counts for each image that has it."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Team:
    """A team, or all teams that are not shown. `size_bytes` is None where it is not known."""

    name: str
    repositories: int
    tags: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """The teams of a snapshot.

    Attributes:
        below: the folder that all repositories are in, with a slash at its end; "" where they share none.
        shown: the largest first.
        others: how many teams are not shown; `rest` is their sum, None where all are shown.
        total_bytes: of the whole registry. Less than the sum of the teams where they share layers.
        left_out: manifests whose bytes are not known.
    """

    below: str
    bytes_from: BytesFrom
    shown: tuple[Team, ...]
    others: int
    rest: Team | None
    total_bytes: int | None
    left_out: int


_STATEMENTS: Final = {
    BytesFrom.LAYERS: "layers_of_teams",
    BytesFrom.SIZES: "sizes_of_teams",
    BytesFrom.NOTHING: "no_bytes_of_teams",
}


def read_teams(database: Database, known: Known) -> Teams:
    """The teams of the only snapshot in a database, whose temporary table `listed` is there. Raises SnapshotError."""
    below = _shared_folder(*next(iter(database.query(statement("span")).rows)))
    bytes_from = _bytes_from(known)
    create(database, _STATEMENTS[bytes_from], None if bytes_from is BytesFrom.NOTHING else {"below": below})
    ((total_bytes,),) = database.query(statement("registry_bytes")).rows
    if total_bytes is None:  # only indexes were read, which have no layers
        bytes_from = BytesFrom.NOTHING
    rows = list(database.query(statement("teams"), {"below": below, "most": TEAMS_SHOWN}).rows)
    rest = next((row for row in rows if row[0] is None), None)
    return Teams(
        below=printable(below),
        bytes_from=bytes_from,
        shown=tuple(_team(row) for row in rows if row[0] is not None),
        others=0 if rest is None else rest[2],
        rest=None if rest is None else _team(rest),
        total_bytes=total_bytes,
        left_out=_left_out(known, bytes_from),
    )


def _shared_folder(first: str | None, last: str | None) -> str:
    """The folder that all repositories are in, from the first and the last name in their order."""
    if first is None or last is None:
        return ""
    both = zip(first.split("/")[:-1], last.split("/")[:-1], strict=False)
    return "".join(f"{part}/" for part, _ in takewhile(lambda parts: parts[0] == parts[1], both))


def _bytes_from(known: Known) -> BytesFrom:
    if known.with_layers:
        return BytesFrom.LAYERS
    return BytesFrom.SIZES if known.with_size else BytesFrom.NOTHING


def _left_out(known: Known, bytes_from: BytesFrom) -> int:
    counted = {BytesFrom.LAYERS: known.with_layers, BytesFrom.SIZES: known.with_size, BytesFrom.NOTHING: 0}
    return known.manifests - counted[bytes_from]


def _team(row: tuple[Any, ...]) -> Team:
    name, _, _, repositories, tags, size_bytes = row
    return Team(printable(name or ""), repositories, tags, size_bytes)
