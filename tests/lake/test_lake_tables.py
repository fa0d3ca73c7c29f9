"""The tables of a lake in each format: equal rows, and the views that show the newest complete run of each target."""

import duckdb
import pytest
from deltalake import DeltaTable
from support.stored_snapshots import golden_records

from crawler.lake.layout import LakeFormat
from crawler.lake.publish import open_lake, publish_snapshot
from crawler.tables.columns import ListOf, Scalar, StructOf
from crawler.tables.database import table_columns
from crawler.tables.definitions import tables
from crawler.tables.dialects import Dialect
from crawler.tables.latest import render_latest_view
from crawler.tables.selection import select_folder


@pytest.fixture
def fill(publish, tmp_path):
    """Publishes four snapshots in a format; returns the folder of the lake."""
    nothing_told = {**golden_records()[0], "images": None, "children": None}
    nothing_there = {**golden_records()[0], "images": [], "children": [], "tags": []}
    folders = [
        publish("2026-11-20", records=[*golden_records(), nothing_told, nothing_there]),
        publish("2026-11-21", target="other.example.com", records=[]),
        publish("2026-11-22", verdict="partial", records=golden_records()[:1]),
        publish("2026-11-23", records=golden_records()[:2]),
    ]

    def fill(form):
        lake, scratch = tmp_path / form, tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        for folder in folders:
            publish_snapshot(select_folder(folder), open_lake(f"file://{lake}", form, {}), scratch)
        return lake

    return fill


def duckdb_type(type_):
    match type_:
        case ListOf(item):
            return f"{duckdb_type(item)}[]"
        case StructOf(fields):
            return f"STRUCT({', '.join(f'{name} {duckdb_type(inner)}' for name, inner in fields)})"
        case Scalar(name):
            return name


def open_tables(lake, form):
    """The tables of a lake, read as a user of DuckDB does."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name in tables():
        files = f"{lake}/{name}/date=*/run=*/part-*{form.suffix}"
        if form is LakeFormat.DELTA:
            connection.register(name, DeltaTable(lake / name).to_pyarrow_table())
            continue
        types = ", ".join(f"'{column.name}': '{duckdb_type(column.type)}'" for column in table_columns(name))
        options = "hive_partitioning = true" + (f", columns = {{{types}}}" if form is LakeFormat.JSON_LINES else "")
        reader = "read_json" if form is LakeFormat.JSON_LINES else "read_parquet"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {reader}('{files}', {options})")
    return connection


def rows_of(connection, table):
    names = ", ".join(f'"{column.name}"' for column in table_columns(table))
    return sorted(connection.execute(f"SELECT {names} FROM {table}").fetchall(), key=repr)


def test_lake_has_equal_rows_in_every_format(fill):
    lakes = [open_tables(fill(form), form) for form in LakeFormat]
    for name in tables():
        parquet, *others = (rows_of(lake, name) for lake in lakes)
        assert parquet
        assert all(found == parquet for found in others), name
    images = set(lakes[0].execute("SELECT images FROM repositories").fetchall())
    assert {(None,), (0,)} <= images, "what was not told is null, and nothing is 0"


@pytest.mark.parametrize("form", LakeFormat)
def test_lake_shows_the_newest_complete_run_of_each_target(fill, form):
    connection = open_tables(fill(form), form)
    half_published = "SELECT * REPLACE ('20261124T020000Z-half' AS run_id) FROM repositories"
    connection.execute(f"CREATE TABLE loaded AS FROM repositories UNION ALL {half_published}")
    connection.execute(
        render_latest_view("repositories", "", Dialect.DUCKDB).replace("FROM repositories", "FROM loaded")
    )
    found = connection.execute("SELECT run_id, target FROM latest_repositories").fetchall()
    assert found == [("20261123T020000Z-0003", "registry.example.com")] * 2
    connection.execute(render_latest_view("runs", "", Dialect.DUCKDB))
    assert len(connection.execute("FROM latest_runs").fetchall()) == 2
