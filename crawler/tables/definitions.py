"""The tables: a view in `sql/` for each. Its columns and their types follow from the view and from the raw columns."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from typing import Final

_READS: Final = "reads: "
_NAMES: Final = ("runs", "repositories", "tags", "images", "platforms", "layers", "referrers", "problems")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of snapshots. Every row has run_id, registry and target.

    Attributes:
        meaning: what a row is.
        reads: the fields of a record that the query reads, such as `images.digest`, beside those of every row. Others
            are not parsed: a record with layers and labels is ten times as long as one without.
        sql: the query over `records`, or over `run_manifests`.
    """

    name: str
    meaning: str
    reads: tuple[str, ...]
    sql: str


@cache
def tables() -> dict[str, Table]:
    """Every table by name."""
    return {name: load_table(files(__package__) / "sql", name) for name in _NAMES}


def load_table(folder: Traversable, name: str) -> Table:
    """The table that the file NAME.sql in a folder defines."""
    text = (folder / f"{name}.sql").read_text(encoding="utf-8")
    comments = [line.removeprefix("-- ") for line in takewhile(_is_comment, text.splitlines())]
    reads = [field for line in comments[1:] for field in line.removeprefix(_READS).split(", ")]
    return Table(name, comments[0], tuple(reads), text)


def _is_comment(line: str) -> bool:
    return line.startswith("-- ")
