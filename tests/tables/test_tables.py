"""Each table of a golden snapshot has the rows that a plain reading of its JSON lines has, and typed columns."""

import gzip
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard
from support.stored_snapshots import GOLDEN, golden_records

from crawler.errors import QueryError, SnapshotError
from crawler.model.record_fields import RECORD
from crawler.tables.columns import RUN_COLUMNS, Column, ListOf, Scalar, record_columns
from crawler.tables.database import open_database, table_columns
from crawler.tables.definitions import tables
from crawler.tables.dialects import Dialect, render_schema
from crawler.tables.selection import select_snapshot

VERSIONS = sorted(GOLDEN.iterdir())


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = (folder / "part-00000.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads((folder / "_run.json").read_text(encoding="utf-8")), [json.loads(line) for line in lines]


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_database([select_snapshot(folder, str(folder))]) as database:
        return sorted(database.query(sql).rows, key=repr)


def images_of(records: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(record["repository"], image) for record in records for image in record["images"] or []]


def entries(mapping: dict[str, str] | None) -> list[dict[str, str]] | None:
    return None if mapping is None else [{"key": key, "value": value} for key, value in mapping.items()]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_tables_have_the_rows_of_the_records(folder):
    _, records = read(folder)
    expected: dict[str, list[tuple[Any, ...]]] = {
        "SELECT repository, outcome, tags, images, problems, suspect, error_code, http_status FROM repositories": [
            (
                record["repository"],
                record["outcome"],
                len(record["tags"]),
                None if record["images"] is None else len(record["images"]),
                len(record["problems"]),
                record["suspect"],
                (record["error"] or {}).get("code"),
                (record["error"] or {}).get("http_status"),
            )
            for record in records
        ],
        "SELECT repository, tag, digest FROM tags": [
            (
                record["repository"],
                tag,
                next((image["digest"] for image in record["images"] or [] if tag in image["tags"]), None),
            )
            for record in records
            for tag in record["tags"]
        ],
        'SELECT repository, digest, tags, kind, size_bytes, architecture, "user", labels, annotations FROM images': [
            (
                name,
                image["digest"],
                image["tags"],
                image["kind"],
                image["size_bytes"],
                (image["config"] or {}).get("architecture"),
                (image["config"] or {}).get("user"),
                entries((image["config"] or {}).get("labels")),
                entries((image["manifest"] or {}).get("annotations")),
            )
            for name, image in images_of(records)
        ],
        "SELECT repository, digest, child_digest, os, role FROM platforms": [
            (name, image["digest"], platform["digest"], platform["os"], platform["role"])
            for name, image in images_of(records)
            for platform in image["platforms"] or []
        ],
        "SELECT repository, digest, position, layer_digest, size_bytes FROM layers": [
            (name, image["digest"], position, layer["digest"], layer["size_bytes"])
            for name, image in images_of(records)
            for position, layer in enumerate((image["manifest"] or {}).get("layers") or [])
        ],
        "SELECT repository, digest, referrer_digest, kind, via FROM referrers": [
            (name, image["digest"], referrer["digest"], referrer["kind"], referrer["via"])
            for name, image in images_of(records)
            for referrer in image["referrers"] or []
        ],
        "SELECT repository, problem, tag, code, http_status FROM problems": [
            (record["repository"], each["problem"], each["tag"], each["code"], each["http_status"])
            for record in records
            for each in record["problems"]
        ],
    }
    for sql, wanted in expected.items():
        assert wanted, f"the golden snapshot has no row for {sql}"
        assert rows(folder, sql) == sorted(wanted, key=repr)


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_runs_table_has_the_run_manifest(folder):
    manifest, _ = read(folder)
    ((verdict, reasons, ok, exchanges, started_at),) = rows(
        folder, "SELECT verdict, reasons, ok, exchanges, started_at FROM runs"
    )
    counts = manifest["counts"]
    assert (verdict, reasons, ok) == (manifest["verdict"], manifest["reasons"], counts["ok"])
    assert exchanges == manifest["requests"]["total"]
    assert started_at == datetime.fromisoformat(manifest["started_at"])


@pytest.mark.parametrize("name", tables())
def test_every_row_has_its_run_registry_and_target(name):
    assert [column.name for column in table_columns(name)][:3] == ["run_id", "registry", "target"]


@pytest.mark.parametrize("name", tables())
def test_columns_of_a_table_are_the_same_for_every_snapshot(name, publish):
    with open_database([select_snapshot(Path(), str(publish(records=[])))]) as database:
        assert database.columns(name) == table_columns(name)
        assert list(database.query(f"SELECT * FROM {name}").rows) == [] or name == "runs"


def test_tables_of_several_snapshots_are_one(publish):
    snapshots = [select_snapshot(Path(), str(publish(day))) for day in ("2026-11-20", "2026-11-21")]
    with open_database(snapshots) as database:
        found = list(database.query("SELECT run_id, count(*) FROM repositories GROUP BY run_id ORDER BY 1").rows)
    assert found == [(snapshots[0].run_id, 6), (snapshots[1].run_id, 6)]


def test_record_columns_are_those_of_the_record():
    assert list(record_columns()) == list(RECORD.field_names)
    assert record_columns(["images.digest"])["images"] == 'STRUCT("digest" VARCHAR)[]'
    assert "config" not in RUN_COLUMNS


@pytest.mark.parametrize("target", ["[::1]:5000", "registry.example.com/a*b?c"])
def test_snapshot_in_a_folder_with_special_characters_is_read(target, publish):
    folder = publish(target=target)
    assert rows(folder, "SELECT DISTINCT target FROM tags") == [(target,)]


def test_records_have_the_fields_of_a_record_alone(publish):
    with open_database([select_snapshot(Path(), str(publish()))]) as database:
        assert database.query("SELECT * FROM records").columns == RECORD.field_names
        assert database.query("SELECT * FROM run_manifests").columns == tuple(RUN_COLUMNS)


def test_missing_temporary_folder_is_named(publish, monkeypatch, tmp_path):
    folder = publish()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SnapshotError, match="set TMPDIR"):
        rows(folder, "SELECT 1")


def test_line_of_a_hundred_megabytes_is_read(publish):
    long = {**golden_records()[0], "tags": [f"{number:01000}" for number in range(100_000)]}
    folder = publish(records=[long, golden_records()[1]])
    assert rows(folder, "SELECT max(tags) FROM repositories") == [(100_000,)]


def test_memory_grows_with_the_longest_line_alone(publish):
    folder = publish()
    setting = "SELECT current_setting('memory_limit')"
    assert rows(folder, setting) == [("953.6 MiB",)]
    manifest = json.loads((folder / "_run.json").read_text())
    manifest["files"][0]["longest_line"] = 1024**3
    (folder / "_run.json").write_text(json.dumps(manifest))
    assert rows(folder, setting) == [("10.0 GiB",)]


def test_query_that_needs_more_memory_says_what_helps(publish):
    with pytest.raises(QueryError) as refused:
        rows(publish(), "SELECT list(repeat('x', 1000000) || i) FROM range(3000) AS numbers(i)")
    assert str(refused.value).startswith("Out of Memory Error: ")
    assert str(refused.value).endswith(": ask for fewer columns or rows at once, and sort less")
    assert "SET " not in str(refused.value)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_compressed_snapshot_has_the_same_rows(suffix, compress, publish):
    plain, folder = publish(), publish()
    file = folder / "part-00000.jsonl"
    file.with_name(f"part-00000.jsonl{suffix}").write_bytes(compress(file.read_bytes()))
    file.unlink()
    manifest = json.loads((folder / "_run.json").read_text())
    manifest["files"][0]["name"] += suffix
    (folder / "_run.json").write_text(json.dumps(manifest))
    sql = "SELECT repository, digest, layer_digest FROM layers"
    assert rows(folder, sql) == rows(plain, sql) != []


def test_file_that_is_no_record_is_an_error(publish):
    folder = publish()
    with (folder / "part-00000.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises((QueryError, SnapshotError)):
        rows(folder, "SELECT count(*) FROM tags")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET memory_limit = '64GB'",
        "SELECT * FROM 'https://example.com/rows.csv'",
        "SELECT",
        "SELECT nothing FROM runs",
    ],
)
def test_query_reads_nothing_but_the_snapshots(sql, publish, tmp_path, monkeypatch):
    folder = publish()
    monkeypatch.chdir(tmp_path)
    with pytest.raises((QueryError, SnapshotError)):
        rows(folder, sql)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshots"]


# ------------------------------------------------------------------------------------------------ for other engines


@pytest.mark.parametrize("name", tables())
def test_schema_for_bigquery_has_every_column(name):
    columns = table_columns(name)
    fields = json.loads(render_schema(name, "", columns, Dialect.BIGQUERY))
    assert [field["name"] for field in fields] == [column.name for column in columns]
    assert {field["mode"] for field in fields} <= {"NULLABLE", "REPEATED"}
    assert {field["type"] for field in fields} <= {"STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "RECORD"}


@pytest.mark.parametrize("name", tables())
def test_schema_for_duckdb_makes_the_same_table(name):
    import duckdb

    statement = render_schema(name, "", table_columns(name), Dialect.DUCKDB)
    with duckdb.connect() as connection:
        connection.execute(statement)
        made = connection.sql(f"SELECT * FROM {name}")
        assert made.columns == [column.name for column in table_columns(name)]


def test_schemas_write_nested_types():
    columns = [column for column in table_columns("images") if column.name in {"labels", "uploaded_at"}]
    text = Scalar("VARCHAR")
    assert isinstance(columns[1].type, ListOf)
    assert columns[0] == Column("uploaded_at", Scalar("TIMESTAMP WITH TIME ZONE"))
    assert render_schema("images", "", columns, Dialect.SPARK) == (
        "`uploaded_at` TIMESTAMP,\n`labels` ARRAY<STRUCT<`key`: STRING, `value`: STRING>>"
    )
    assert render_schema("images", "", columns, Dialect.ATHENA) == (
        "`uploaded_at` timestamp,\n`labels` array<struct<key:string,value:string>>"
    )
    assert render_schema("images", "", [Column("tags", ListOf(text))], Dialect.DUCKDB) == (
        'CREATE TABLE images (\n    "tags" VARCHAR[]\n)'
    )


@pytest.mark.parametrize("name", tables())
async def test_json_schema_accepts_what_query_prints(name, command, publish):
    ended = await command("query", f"SELECT * FROM {name}", publish(), "--format", "json")
    schema = json.loads(render_schema(name, "", table_columns(name), Dialect.JSON_SCHEMA))
    printed = json.loads(ended.out)
    assert printed
    for row in printed:
        jsonschema.validate(row, schema, format_checker=jsonschema.FormatChecker())
