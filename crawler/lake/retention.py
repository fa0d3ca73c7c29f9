"""Which runs of a lake are removed, and in which order, so that no reader sees half of one.

What is in a lake is learned from its markers. Of a run that is removed, its row in `runs` goes first: from then on
nobody who joins on `runs` sees the run. Its other tables follow, and its marker goes last: a run with a marker and
without a row in `runs` is half removed, is published by nobody, and is removed to the end by the next prune.

Only objects that the layout gives to a run are removed, and in Delta tables what their log has in the run's partition.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from crawler.lake.layout import MARKERS, RUNS, LakeFormat, RunLayout, layout_of, tables_in_order
from crawler.lake.marker import Marker, parse_marker
from crawler.lake.opening import open_delta, open_store
from crawler.lake.store import Store
from crawler.snapshot.reader import PublishedRun
from crawler.snapshot.retention import Retention, RetentionRules, choose

if TYPE_CHECKING:
    from crawler.lake.delta import DeltaLake

_MARKER: Final = re.compile(rf"{MARKERS}/([^/]+)\.json", re.ASCII)
_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,99}", re.ASCII)
_PARTITION: Final = re.compile(r"[^/]+/date=[^/]+/run=([^/]+)/part-00000\.(?:parquet|jsonl\.gz)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeRun:
    """A run of a lake.

    Attributes:
        objects: the bytes of its objects that are there, by name: its tables and its marker.
    """

    target: str
    run: PublishedRun
    layout: RunLayout
    tables: tuple[str, ...]
    objects: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.objects.values())


@dataclass(frozen=True, slots=True)
class UnknownMarker:
    """An object in the place of a marker, of which no run is known. `reason` says why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LakePlan:
    """What becomes of the runs of a lake.

    Attributes:
        targets: by name. What was half removed is dropped, whatever the rules.
        unknown: these are kept.
        unfinished: runs that were not published to the end, or are just being published. They are kept.
    """

    targets: tuple[Retention[LakeRun], ...]
    unknown: tuple[UnknownMarker, ...]
    unfinished: tuple[str, ...]
