"""Which runs of a lake are removed, and in which order, so that no reader sees half of one.

What is in a lake is learned from its markers. When a run is removed, an object `_runs/RUN_ID.removing` says so.
Then its row in `runs` goes: from then on a reader that joins on `runs` does not see the run. Its other tables follow,
then its marker, and that object last. A run with a marker, without a row in `runs` and with that object is half
removed: it is not published again, and the next prune removes the rest. Without that object it is kept: `runs` may have
been compacted, and a row that is not found is no proof that it was removed.

Only objects that the layout gives to a run are removed, and in Delta tables what their log has in the run's partition.
A lake of Parquet files may have been made into Delta tables by another tool: then a file leaves the log first, too.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from crawler.lake.layout import MARKERS, RUNS, LakeFormat, RunLayout, layout_of, tables_in_order
from crawler.lake.marker import Marker, parse_marker
from crawler.lake.opening import open_delta, open_store
from crawler.lake.store import Store
from crawler.snapshot.reader import PublishedRun
from crawler.snapshot.retention import Retention, RetentionRules, choose
from crawler.untrusted_text import printable

_MARKER: Final = re.compile(rf"{MARKERS}/([^/]+)\.json")
_DATA_FILE: Final = re.compile(r"[^/]+/date=[^/]+/run=([^/]+)/part-00000\.(?:parquet|jsonl\.gz)")
_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,99}", re.ASCII)
_DELTA_LOG: Final = "/_delta_log/"
_LONGEST_REASON: Final = 200

_NO_ROW: Final = (
    f"its row in {RUNS} is not where it was published, and no prune has begun to remove it: see what became of {RUNS}; "
    "to remove the run, remove its other objects by hand, the marker last"
)

_FILE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*", re.ASCII)

_DeltaFiles = Mapping[str, Mapping[str, Collection[str]]]
"""The paths that the logs of Delta tables have, by table and partition."""


@dataclass(frozen=True, slots=True)
class PrunedLake:
    """A lake that is open for removing runs. Made by `open_pruned_lake`. Each run's format is in its marker."""

    url: str
    store: Store
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LakeRun:
    """A run of a lake.

    Attributes:
        tables: those that the run's objects may be in.
        is_in_delta: whether Delta tables have, or may have, the run's files in their logs.
        objects: the bytes of the objects that are there, by name: data files, and the marker.
    """

    marker: Marker
    layout: RunLayout
    tables: frozenset[str]
    objects: Mapping[str, int]
    is_in_delta: bool

    @property
    def run(self) -> PublishedRun:
        return self.marker.run

    @property
    def bytes(self) -> int:
        return sum(self.objects.values())


@dataclass(frozen=True, slots=True)
class UnknownMarker:
    """An object in the place of a marker whose run is kept. `reason` says why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LakePlan:
    """What becomes of the runs of a lake.

    Attributes:
        targets: by name. What is half removed is dropped, whatever the rules say.
        unknown: the runs of these are kept.
        unfinished: ids of runs that have data and no marker: a publisher is at work, or was killed. They are kept.
    """

    targets: tuple[Retention[LakeRun], ...]
    unknown: tuple[UnknownMarker, ...]
    unfinished: tuple[str, ...]


def open_pruned_lake(url: str, environ: Mapping[str, str]) -> PrunedLake:
    """A lake, without a request yet. Raises ConfigError where the environment makes no sense for its provider."""
    return PrunedLake(url, open_store(url, environ), environ)


def plan_lake_retention(lake: PrunedLake, rules: RetentionRules, now: datetime) -> LakePlan:
    """Read which runs there are, and choose. Nothing is changed.

    Raises LakeError, and ConfigError where a run is in Delta tables and deltalake is not installed.
    """
    # in this order: where a marker is listed, and then no row in runs, the run is not just being published
    sizes = dict(lake.store.sizes(MARKERS))
    contents = lake.store.read_all([name for name in sizes if _MARKER.fullmatch(name)])
    found = [_described(name, content) for name, content in sorted(contents.items())]
    described = [each for each in found if isinstance(each, LakeRun)]
    tables = sorted({*tables_in_order()}.union(*(each.tables for each in described)))
    for table in tables:
        sizes |= lake.store.sizes(table)
    logs = _delta_files(lake, tables, described, sizes)
    visible: dict[str, list[LakeRun]] = {each.marker.target: [] for each in described}
    half_removed: dict[str, list[LakeRun]] = {target: [] for target in visible}
    unknown = [each for each in found if isinstance(each, UnknownMarker)]
    for run in (_with_objects(each, sizes, logs) for each in described):
        if _is_visible(run, logs):
            visible[run.marker.target].append(run)
        elif run.layout.removal in sizes or lake.store.size(run.layout.removal) is not None:
            half_removed[run.marker.target].append(run)
        elif lake.store.size(run.layout.marker) is not None:  # or another prune has just removed it
            unknown.append(UnknownMarker(run.layout.marker, _NO_ROW))
    chosen = [choose(target, runs, rules, now) for target, runs in sorted(visible.items())]
    return LakePlan(
        tuple(Retention(each.target, each.kept, (*each.dropped, *half_removed[each.target])) for each in chosen),
        tuple(unknown),
        tuple(_unfinished(sizes, lake.store)),
    )


def remove_runs(lake: PrunedLake, runs: Sequence[LakeRun]) -> None:
    """Remove runs of a plan, all of them step by step. What a kill or an error leaves is removed by the next prune.

    Raises LakeError.
    """
    for each in runs:
        lake.store.create(each.layout.removal, b"")
    _remove_data(lake, runs, [RUNS])
    _remove_data(lake, runs, sorted(frozenset[str]().union(*(each.tables for each in runs)) - {RUNS}))
    lake.store.delete([each.layout.marker for each in runs])
    lake.store.delete([each.layout.removal for each in runs])


def _remove_data(lake: PrunedLake, runs: Sequence[LakeRun], tables: Sequence[str]) -> None:
    partitions = [each.layout.partition for each in runs if each.is_in_delta]
    if partitions:
        delta = open_delta(lake.url, lake.environ)
        for table in tables:  # before a file is gone, or readers of the table fail
            delta.remove_runs(table, partitions)
    lake.store.delete([name for each in runs for name in each.objects if name.partition("/")[0] in tables])


def _described(name: str, content: bytes) -> LakeRun | UnknownMarker:
    """The run of a marker, without its objects."""
    try:
        marker = parse_marker(content)
        _check_time(marker.run.started_at)
        layout = layout_of(marker.run.run_id, marker.run.started_at, _format(marker.form))
    except ValueError as exc:
        return UnknownMarker(name, printable(str(exc), _LONGEST_REASON))
    if name != layout.marker:
        return UnknownMarker(name, "it is the marker of another run")
    tables = frozenset(each.table for each in marker.objects)
    if RUNS not in tables:
        return UnknownMarker(name, f"it names no object of {RUNS}")
    if not all(_TABLE.fullmatch(table) for table in tables) or {each.name for each in marker.objects} != {
        layout.table_object(table) for table in tables
    }:
        return UnknownMarker(name, "it names objects that are not this run's")
    return LakeRun(marker, layout, tables.union(tables_in_order()), {}, layout.form is LakeFormat.DELTA)


def _check_time(started_at: str) -> None:
    time = datetime.fromisoformat(started_at)
    if time.tzinfo is None:
        raise ValueError("its started_at has no time zone")
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ValueError("its started_at is no time of UTC") from None


def _format(form: str) -> LakeFormat:
    try:
        return LakeFormat(form)
    except ValueError:
        raise ValueError(f"this version does not know the format {printable(form)}") from None


def _delta_files(
    lake: PrunedLake, tables: Sequence[str], runs: Sequence[LakeRun], names: Collection[str]
) -> _DeltaFiles:
    """What the logs have, where any run is in Delta tables, or any table has a log."""
    if not any(each.is_in_delta for each in runs) and not any(_DELTA_LOG in name for name in names):
        return {}
    delta = open_delta(lake.url, lake.environ)
    return {table: delta.files(table) for table in tables}


def _with_objects(described: LakeRun, sizes: Mapping[str, int], logs: _DeltaFiles) -> LakeRun:
    names = {described.layout.marker, *(described.layout.table_object(table) for table in described.tables)}
    partition = described.layout.partition
    names |= set(_names_in_logs(partition, logs))
    objects = {name: sizes[name] for name in sorted(names) if name in sizes}
    is_in_delta = described.is_in_delta or any(partition in by_partition for by_partition in logs.values())
    return replace(described, objects=objects, is_in_delta=is_in_delta)


def _names_in_logs(partition: str, logs: _DeltaFiles) -> Iterator[str]:
    """The objects of a run's partitions. A log may name any path; only files in the partition's folder count."""
    for table, by_partition in logs.items():
        for path in by_partition.get(partition, ()):
            folder, _, name = path.rpartition("/")
            if folder == partition and _FILE_NAME.fullmatch(name):
                yield f"{table}/{path}"


def _is_visible(run: LakeRun, logs: _DeltaFiles) -> bool:
    """Whether a run has its row in `runs`."""
    if run.layout.partition in logs.get(RUNS, ()):
        return True
    return run.layout.form is not LakeFormat.DELTA and run.layout.table_object(RUNS) in run.objects


def _unfinished(sizes: Mapping[str, int], store: Store) -> Iterator[str]:
    """Runs with data and without a marker, which is asked for once more: it may have come meanwhile."""
    with_data = {found[1] for name in sizes if (found := _DATA_FILE.fullmatch(name))}
    for run_id in sorted(with_data):
        marker = f"{MARKERS}/{run_id}.json"
        if marker not in sizes and store.size(marker) is None:
            yield run_id
