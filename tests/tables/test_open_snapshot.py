"""`crawler.open_snapshot`: a snapshot's records and tables for a program."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from support.stored_snapshots import GOLDEN, golden_records

import crawler
from crawler.model.record import Record
from crawler.sinks.jsonl import encode

VERSIONS = sorted(GOLDEN.iterdir())


def decoded(records: list[Record]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in encode(records).splitlines()]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_open_snapshot_gives_the_records_and_the_run_manifest_that_were_written(folder):
    with crawler.open_snapshot(folder) as snapshot:
        records = list(snapshot.records())
        run_manifest = snapshot.run_manifest
    assert decoded(records) == golden_records()
    assert {type(record.outcome) for record in records} == {crawler.Outcome}
    assert {type(image) for record in records for image in record.images or ()} == {crawler.Image}
    assert run_manifest.verdict is crawler.Verdict.COMPLETE or run_manifest.reasons
    later = {"shard": None, "group": None}  # fields that the first snapshots of this schema do not have
    assert json.loads(json.dumps(asdict(run_manifest))) == {
        **later,
        **json.loads((folder / "_run.json").read_text(encoding="utf-8")),
    }


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_open_snapshot_reads_compressed_records(publish, suffix):
    with crawler.open_snapshot(publish(suffix=suffix)) as snapshot:
        names = [record.repository for record in snapshot.records()]
    assert names == [record["repository"] for record in golden_records()]


def test_open_snapshot_gives_tables_to_pyarrow_and_polars(publish):
    folder = publish()
    images = [image for record in golden_records() for image in record["images"] or ()]
    with crawler.open_snapshot(str(folder)) as snapshot:
        as_arrow = pa.table(snapshot.table("images"))
        as_polars = pl.DataFrame(snapshot.table("images"))
    assert as_arrow.num_rows == as_polars.height == len(images)
    assert sorted(as_arrow["digest"].to_pylist()) == sorted(image["digest"] for image in images)
    assert as_arrow.schema.field("uploaded_at").type == pa.timestamp("us", tz="UTC")


def test_open_snapshot_tables_are_read_anew_each_time_and_side_by_side(publish):
    with crawler.open_snapshot(publish()) as snapshot:
        tags = snapshot.table("tags")
        first, second = pa.RecordBatchReader.from_stream(tags), pa.RecordBatchReader.from_stream(tags)
        assert first.read_all().num_rows == second.read_all().num_rows == pa.table(tags).num_rows > 0


def test_open_snapshot_answers_sql_with_parameters_in_utc(publish, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with crawler.open_snapshot(publish("2026-11-20")) as snapshot:
        found = snapshot.query("SELECT started_at, $word AS word FROM runs", {"word": "it's"})
        rows = pa.table(found).to_pylist()
    assert rows == [{"started_at": datetime(2026, 11, 20, 2, tzinfo=UTC), "word": "it's"}]


def test_open_snapshot_says_what_is_wrong_with_a_query(publish):
    with crawler.open_snapshot(publish()) as snapshot:
        with pytest.raises(
            crawler.QueryError, match="there is no table 'tag'; there are runs, repositories, tags, images"
        ):
            snapshot.table("tag")
        with pytest.raises(crawler.QueryError, match="nothing"):
            pa.table(snapshot.query("SELECT nothing FROM tags"))
        with pytest.raises(crawler.QueryError, match="file system operations are disabled"):
            pa.table(snapshot.query("SELECT * FROM read_text('/etc/hostname')"))


def test_open_snapshot_runs_nothing_that_writes(publish):
    folder = publish()
    part = folder / "part-00000.jsonl"
    with crawler.open_snapshot(folder) as snapshot, pytest.raises(crawler.QueryError, match="which is not run"):
        snapshot.query(f"COPY (SELECT 1) TO '{part}' (FORMAT csv, USE_TMP_FILE false)")
    assert len(part.read_bytes().splitlines()) == len(golden_records())


def test_open_snapshot_reads_what_a_later_version_added(publish):
    records = golden_records()
    later = {**records[0], "added": 1, "images": [{**image, "added": 1} for image in records[0]["images"] or ()]}
    with crawler.open_snapshot(publish(records=[later], added={"later": 1})) as snapshot:
        (record,) = snapshot.records()
    assert record.repository == later["repository"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"schema": 2}\n', "a line of a snapshot is no record: "),
        (b"[]\n", "a line of a snapshot is no record: "),
        (b"{\n", "a line of a snapshot is no record: "),
    ],
)
def test_open_snapshot_names_a_line_that_is_no_record(publish, line, message):
    folder = publish()
    (folder / "part-00000.jsonl").write_bytes(line)
    with crawler.open_snapshot(folder) as snapshot, pytest.raises(crawler.SnapshotError, match=message):
        list(snapshot.records())


def test_open_snapshot_names_a_damaged_file(publish):
    folder = publish(suffix=".jsonl.zst")
    data = (folder / "part-00000.jsonl.zst").read_bytes()
    (folder / "part-00000.jsonl.zst").write_bytes(data[:20] + b"\xff" * 40 + data[60:])
    with crawler.open_snapshot(folder) as snapshot, pytest.raises(crawler.SnapshotError, match="damaged"):
        list(snapshot.records())


@pytest.mark.parametrize(
    ("run_manifest", "message"),
    [(None, "is no snapshot that can be read"), ("{}", "is no snapshot that can be read"), ("[]", "is no snapshot")],
)
def test_open_snapshot_needs_a_snapshot(publish, tmp_path, run_manifest, message):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    if run_manifest is not None:
        (folder / "_run.json").write_text(run_manifest, encoding="utf-8")
    with pytest.raises(crawler.SnapshotError, match=message), crawler.open_snapshot(folder):
        pass


def test_open_snapshot_says_which_field_of_the_run_manifest_is_wrong(publish):
    folder = publish(discovery={"method": "catalog"})
    message = r"_run\.json is not a run's: discovery\.pages: "
    with pytest.raises(crawler.SnapshotError, match=message), crawler.open_snapshot(folder):
        pass


def test_open_snapshot_is_read_while_its_block_lasts(publish):
    with crawler.open_snapshot(publish()) as snapshot:
        tags = snapshot.table("tags")
    with pytest.raises(crawler.QueryError, match="the snapshot is closed: its tables are read while"):
        pa.table(tags)
