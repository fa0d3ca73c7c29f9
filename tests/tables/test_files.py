"""The files of tables have the columns and types that `schema` prints, whatever a night brought."""

import json

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet
from support.stored_snapshots import golden_records

from crawler.errors import SnapshotError
from crawler.tables.database import query_errors, table_columns
from crawler.tables.definitions import tables
from crawler.tables.dialects import Dialect, render_schema
from crawler.tables.files import FileFormat, open_writer
from crawler.tables.selection import select_folder

SPARK = {
    pa.string(): "STRING",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}


def spark_type(type_):
    if pa.types.is_list(type_):
        return f"ARRAY<{spark_type(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return f"STRUCT<{', '.join(f'`{field.name}`: {spark_type(field.type)}' for field in type_)}>"
    return SPARK[type_]


def bigquery_field(field):
    if pa.types.is_list(field.type):
        return {**bigquery_field(pa.field(field.name, field.type.value_type)), "mode": "REPEATED"}
    described = {"name": field.name, "mode": "NULLABLE"}
    if pa.types.is_struct(field.type):
        return {**described, "type": "RECORD", "fields": [bigquery_field(each) for each in field.type]}
    return {**described, "type": {"BIGINT": "INTEGER", "DOUBLE": "FLOAT"}.get(SPARK[field.type], SPARK[field.type])}


@pytest.mark.parametrize("records", [None, []], ids=["records", "empty"])
def test_files_have_the_types_that_schema_prints(publish, tmp_path, records):
    with open_writer(select_folder(publish(records=records)), tmp_path) as writer:
        for name in tables():
            writer.write(name, tmp_path / name, FileFormat.PARQUET)
            written = parquet.read_schema(tmp_path / name)
            columns = table_columns(name)
            spark = ",\n".join(f"`{field.name}` {spark_type(field.type)}" for field in written)
            assert spark == render_schema(name, "", columns, Dialect.SPARK)
            athena = spark.replace(": ", ":").replace(", ", ",").lower()
            assert athena == render_schema(name, "", columns, Dialect.ATHENA).replace("struct<", "struct<`").replace(
                ":", "`:"
            ).replace(",", ",`").replace(",`\n", ",\n")
            printed = json.loads(render_schema(name, "", columns, Dialect.BIGQUERY))
            assert [bigquery_field(field) for field in written] == printed
            assert all(field.nullable for field in written), name


def test_files_of_a_damaged_record_are_not_made(publish, tmp_path):
    folder = publish(records=[{**golden_records()[0], "observed_at": "yesterday"}])
    with open_writer(select_folder(folder), tmp_path) as writer:
        with pytest.raises(SnapshotError, match=r"repositories cannot be written: .*yesterday"):
            writer.write("repositories", tmp_path / "repositories", FileFormat.PARQUET)
        assert writer.write("runs", tmp_path / "runs", FileFormat.PARQUET) == 1


@pytest.mark.parametrize(
    "said",
    [
        'Could not write file "/tmp/x": No space left on device',
        (
            'Async write failed for range [offset=1, size=2]: {"exception_type":"IO","exception_message":'
            '"Could not write file \\"/tmp/x\\": No space left on device","errno":"28"}'
        ),
    ],
)
def test_files_that_do_not_fit_on_the_disk_are_said(said):
    with pytest.raises(SnapshotError) as refused, query_errors():
        raise duckdb.IOException(said)
    message = 'Could not write file "/tmp/x": No space left on device: set TMPDIR to a folder with more room'
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"run_id": 5}, "run_id of its _run.json is no string"),
        ({"target": None}, "target of its _run.json is no string"),
        ({"files": [{"name": "../part", "longest_line": 1}]}, "names a file that is not in its folder: ../part"),
        (
            {"files": [{"name": "/etc/passwd", "longest_line": 1}]},
            "names a file that is not in its folder: /etc/passwd",
        ),
        ({"files": [{"name": "part", "longest_line": "long"}]}, "is no snapshot that can be read"),
    ],
)
def test_files_of_a_snapshot_are_in_its_folder(publish, described, message):
    folder = publish()
    manifest = json.loads((folder / "_run.json").read_bytes())
    (folder / "_run.json").write_text(json.dumps({**manifest, **described}))
    with pytest.raises(SnapshotError, match=message):
        select_folder(folder)
