"""Publish a snapshot: every table, `runs` last, then the marker that says it is done.

Whoever reads the tables joins them on `runs`, so a run is there with all its rows, or not at all. What a publisher
left that was killed is kept, and completed by the next one. Two publishers at once create each object once; the one
that creates the marker has published the snapshot, and the other finds that it is published.
"""

import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from crawler.errors import LakeError, SnapshotError
from crawler.lake.layout import RUNS, LakeFormat, RunLayout, run_layout, tables_in_order
from crawler.lake.marker import LakeObject, Marker, parse_marker
from crawler.lake.messages import kept
from crawler.lake.opening import open_delta, open_store
from crawler.lake.store import Content, Store
from crawler.lake.verify import verify_files
from crawler.model.run_manifest import TOOL
from crawler.model.timestamps import timestamp
from crawler.snapshot.decoding import parse_run_manifest
from crawler.snapshot.disk import wrap_os_errors
from crawler.tables.database import table_columns
from crawler.tables.files import FileFormat, TableWriter, open_writer
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.lake.delta import DeltaLake

_FILE_FORMATS: Final = {
    LakeFormat.PARQUET: FileFormat.PARQUET,
    LakeFormat.DELTA: FileFormat.PARQUET,
    LakeFormat.JSON_LINES: FileFormat.JSON_LINES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a lake has of a run.

    Attributes:
        is_new: whether it was published now; else it had been before, or another publisher was quicker.
        published_at: RFC 3339 UTC with milliseconds.
    """

    lake: str
    run_id: str
    form: str
    published_at: str
    objects: tuple[LakeObject, ...]
    is_new: bool

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.objects)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.objects)


@dataclass(frozen=True, slots=True)
class Lake:
    """A lake that is open: where its objects are, and which files it consists of. Made by `open_lake`.

    Attributes:
        delta: None where the lake's files are found by their place alone.
    """

    url: str
    form: LakeFormat
    store: Store
    delta: "DeltaLake | None"


def open_lake(url: str, form: LakeFormat, environ: Mapping[str, str]) -> Lake:
    """A lake, without a request yet. `environ` has the provider's endpoint and credentials.

    Raises ConfigError where they make no sense, or where a library is missing.
    """
    return Lake(url, form, open_store(url, environ), open_delta(url, environ) if form is LakeFormat.DELTA else None)


def publish_snapshot(snapshot: SelectedSnapshot, lake: Lake, scratch: Path) -> Publication:
    """Publish a snapshot, unless it is published already. Files are made in the folder `scratch`, one at a time.

    Raises SnapshotError where the snapshot is damaged or the disk fails, and LakeError; the snapshot is as it was.
    """
    layout = run_layout(snapshot, lake.form)
    try:
        earlier = _read_marker(snapshot, lake, layout)
        return _publish(snapshot, lake, layout, scratch) if earlier is None else earlier
    except LakeError as exc:
        raise LakeError(f"{exc}; {kept(snapshot.run_id, lake.url)}") from None


def _publish(snapshot: SelectedSnapshot, lake: Lake, layout: RunLayout, scratch: Path) -> Publication:
    with wrap_os_errors(snapshot.run_manifest):
        content = snapshot.run_manifest.read_bytes()
    verify_files(snapshot, parse_run_manifest(content))
    try:
        with open_writer(snapshot, scratch) as writer:
            objects = tuple(_publish_table(table, lake, layout, writer, scratch) for table in tables_in_order())
    except SnapshotError as exc:  # the snapshot is whole, so this is a matter of publishing, such as a full TMPDIR
        raise LakeError(str(exc)) from None
    published_at, token = timestamp(datetime.now(UTC)), secrets.token_hex(8)
    published = {
        "published_at": published_at,
        "token": token,
        "tool": asdict(TOOL),
        "format": lake.form,
        "objects": [asdict(each) for each in objects],
    }
    marker = orjson.dumps(
        {**orjson.loads(content), "lake": published}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    if not lake.store.create(layout.marker, marker):
        # another publisher's marker, or our own: the answer to a request that is sent again says that it is there
        found = _read_marker(snapshot, lake, layout, token)
        if found is None:
            raise LakeError(f"{printable(lake.url)}: {layout.marker} was there, and is not")
        return found
    return Publication(
        lake=lake.url,
        run_id=snapshot.run_id,
        form=lake.form,
        published_at=published_at,
        objects=objects,
        is_new=True,
    )


def _publish_table(table: str, lake: Lake, layout: RunLayout, writer: TableWriter, scratch: Path) -> LakeObject:
    with _table_file(table, lake.form, writer, scratch) as (content, rows):
        name = layout.table_object(table)
        published = LakeObject(name, table, rows, _put(lake.store, name, content, layout.table_object(RUNS)))
    if lake.delta is not None:
        lake.delta.add_file(table, table_columns(table), layout, size=published.bytes, rows=rows)
    return published


@contextmanager
def _table_file(table: str, form: LakeFormat, writer: TableWriter, scratch: Path) -> Iterator[tuple[Content, int]]:
    """A table as a file: its content and its rows. The file is removed at once, so that a kill leaves none."""
    path = scratch / f"{table}{form.suffix}"
    rows = writer.write(table, path, _FILE_FORMATS[form])
    with wrap_os_errors(path), path.open("rb") as file:
        path.unlink()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            yield content, rows


def _put(store: Store, name: str, content: Content, runs: str) -> int:
    """Create an object; return the bytes of the one that is there now. `runs` is the one that makes the run visible.

    An object that was there already has the same rows: a run's snapshot never changes. It is replaced only if its size
    differs, because another version of the crawler wrote it, and not once the run is visible: it may be being read.
    """
    there = store.size(name)
    if there is None and store.create(name, content):
        return len(content)
    there = store.size(name)
    if there is not None and (there == len(content) or store.size(runs) is not None):
        return there
    store.replace(name, content)
    return len(content)


def _read_marker(snapshot: SelectedSnapshot, lake: Lake, layout: RunLayout, token: str = "") -> Publication | None:
    """What the run's marker says; None where there is none. It is new where it has our `token`."""
    content = lake.store.read(layout.marker)
    if content is None:
        return None
    try:
        marker = parse_marker(content)
    except ValueError:
        raise LakeError(f"{printable(lake.url)}: {layout.marker} is no run's: look at it, and remove it") from None
    if marker.target != snapshot.target:
        raise LakeError(
            f"{printable(lake.url)}: run {snapshot.run_id} is there already, as a run of {printable(marker.target)}; "
            f"that of {printable(snapshot.target)} needs another lake, or another snapshot"
        )
    _check_visible(lake, layout, marker)
    return Publication(
        lake=lake.url,
        run_id=snapshot.run_id,
        form=marker.form,
        published_at=marker.published_at,
        objects=marker.objects,
        is_new=marker.token == token,
    )


def _check_visible(lake: Lake, layout: RunLayout, marker: Marker) -> None:
    """Raise LakeError for a run whose removal did not finish: it has its marker still, and no row in `runs`."""
    if marker.form not in set(LakeFormat):
        return  # of a later version
    runs = replace(layout, form=LakeFormat(marker.form)).table_object(RUNS)
    if marker.form == LakeFormat.DELTA and lake.delta is not None:
        is_visible = layout.partition in lake.delta.files(RUNS)
    else:
        is_visible = lake.store.size(runs) is not None
    if not is_visible:
        raise LakeError(
            f"{printable(lake.url)}: run {layout.run_id} is half removed, {layout.marker} is there and {runs} is not: "
            f"let `registry-crawler runs prune --lake {shlex.quote(printable(lake.url))}` finish first"
        )
