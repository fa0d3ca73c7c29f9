"""Which objects a run has in a lake, and their names below the lake's URL."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from crawler.errors import LakeError
from crawler.tables.definitions import tables
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable

RUNS: Final = "runs"
"""The table that is published last: a run without a row in it is not there yet."""

MARKERS: Final = "_runs"
"""The folder of the markers, one for each run that is published."""

_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class LakeFormat(StrEnum):
    """The files that a lake consists of."""

    PARQUET = "parquet"
    JSON_LINES = "jsonl"
    DELTA = "delta"

    @property
    def suffix(self) -> str:
        """The end of a data file's name. The files of Delta tables are Parquet."""
        return ".jsonl.gz" if self is LakeFormat.JSON_LINES else ".parquet"


@dataclass(frozen=True, slots=True)
class RunLayout:
    """The objects of one run.

    A table of a run is one object, however large: whichever of two publishers creates it, it has all rows once.

    Attributes:
        date: the day on which the run began, 2026-11-26.
    """

    run_id: str
    date: str
    form: LakeFormat

    @property
    def partition(self) -> str:
        """The folder of the run, in the folder of each table."""
        return f"date={self.date}/run={self.run_id}"

    @property
    def file(self) -> str:
        """The run's data file in the folder of each table."""
        return f"{self.partition}/part-00000{self.form.suffix}"

    def table_object(self, table: str) -> str:
        """The object with the rows of one table."""
        return f"{table}/{self.file}"

    @property
    def marker(self) -> str:
        """The object that is created last: the run is published, and is not published again."""
        return f"{MARKERS}/{self.run_id}.json"


def run_layout(snapshot: SelectedSnapshot, form: LakeFormat) -> RunLayout:
    """The objects of a snapshot's run. Raises LakeError for a run whose id or date cannot be part of a name."""
    try:
        return layout_of(snapshot.run_id, snapshot.started_at, form)
    except ValueError as exc:
        raise LakeError(f"{snapshot.folder}: {exc}") from None


def layout_of(run_id: str, started_at: str, form: LakeFormat) -> RunLayout:
    """The objects of a run. Raises ValueError for a run whose id or date cannot be part of a name."""
    date = started_at[:10]
    if not _RUN_ID.fullmatch(run_id) or not _is_day(date):
        raise ValueError(f"run {printable(run_id)}, begun {printable(date)}, has no name in a lake")
    return RunLayout(run_id, date, form)


def _is_day(date: str) -> bool:
    try:
        return bool(_DATE.fullmatch(date) and datetime.strptime(date, "%Y-%m-%d"))  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        return False


def tables_in_order() -> Sequence[str]:
    """The tables in the order in which they are published: `runs` last."""
    return [*(name for name in tables() if name != RUNS), RUNS]
