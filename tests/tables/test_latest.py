"""The views `latest_TABLE`: the rows of the newest complete snapshot of each target, and of no other."""

from collections.abc import Iterator

import duckdb
import pytest

from crawler.tables.definitions import tables
from crawler.tables.dialects import Dialect
from crawler.tables.latest import render_latest_view

RUNS = [
    ("20261119T020000Z-aaaa", "gcr.io/a", "complete", "2026-11-19 02:00:00+00"),
    ("20261120T020000Z-bbbb", "gcr.io/a", "complete", "2026-11-20 02:00:00+00"),
    ("20261121T020000Z-cccc", "gcr.io/a", "partial", "2026-11-21 02:00:00+00"),
    ("20261118T020000Z-dddd", "gcr.io/b", "complete", "2026-11-18 02:00:00+00"),
]
HALF_PUBLISHED = "20261122T020000Z-eeee"


@pytest.fixture
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE runs (run_id TEXT, target TEXT, verdict TEXT, started_at TIMESTAMPTZ)")
        connection.execute("CREATE TABLE tags (run_id TEXT, tag TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?)", RUNS)
        connection.executemany("INSERT INTO tags VALUES (?, ?)", [(run[0], run[0][-4:]) for run in RUNS])
        connection.execute("INSERT INTO tags VALUES (?, 'eeee')", [HALF_PUBLISHED])
        yield connection


@pytest.mark.parametrize("dataset", ["", "memory.main"])
@pytest.mark.parametrize("dialect", [Dialect.DUCKDB, Dialect.ATHENA])
def test_latest_view_has_the_newest_complete_run_of_each_target(lake, dataset, dialect):
    lake.execute(render_latest_view("tags", dataset, dialect))
    assert sorted(lake.execute("SELECT tag FROM latest_tags").fetchall()) == [("bbbb",), ("dddd",)]


def test_latest_view_of_two_runs_of_one_moment_shows_one(lake):
    lake.execute("INSERT INTO runs VALUES ('20261120T020000Z-bbbc', 'gcr.io/a', 'complete', '2026-11-20 02:00:00+00')")
    lake.execute("INSERT INTO tags VALUES ('20261120T020000Z-bbbc', 'bbbc')")
    lake.execute(render_latest_view("tags", "", Dialect.DUCKDB))
    assert sorted(lake.execute("SELECT tag FROM latest_tags").fetchall()) == [("bbbc",), ("dddd",)]


@pytest.mark.parametrize("table", tables())
def test_latest_view_of_every_table_is_one_statement(lake, table):
    lake.execute(f"CREATE TABLE IF NOT EXISTS {table} (run_id TEXT)")
    lake.execute(render_latest_view(table, "", Dialect.DUCKDB))
    assert lake.execute(f"SELECT count(*) FROM latest_{table}").fetchall()


@pytest.mark.parametrize("dialect", [Dialect.BIGQUERY, Dialect.SPARK])
def test_latest_view_quotes_a_dataset_as_the_engine_does(dialect):
    statement = render_latest_view("tags", "my-project.inventory", dialect)
    assert "VIEW `my-project`.`inventory`.latest_tags AS" in statement
    assert "FROM `my-project`.`inventory`.tags" in statement
