"""What a reader sees of a lake: the tables joined on `runs`, as the views do that are made over a lake."""

from pathlib import Path
from typing import Any

import duckdb

_READERS = {"parquet": "read_parquet('{}/part-*.parquet', {})", "jsonl": "read_json('{}/part-*.jsonl.gz', {})"}

_NEWEST = """
    SELECT run_id FROM {runs} WHERE verdict = 'complete'
    QUALIFY row_number() OVER (PARTITION BY target ORDER BY started_at DESC) = 1
"""


def latest(lake: Path, columns: str, table: str, form: str = "parquet") -> list[tuple[Any, ...]]:
    """Columns of a table's rows, of the newest complete run of each target, in order."""
    newest = _NEWEST.format(runs=_reader(lake, "runs", form))
    return rows(f"SELECT {columns} FROM {_reader(lake, table, form)} WHERE run_id IN ({newest}) ORDER BY ALL")


def rows(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, with times in UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def _reader(lake: Path, table: str, form: str) -> str:
    if not list((lake / table).glob("date=*/run=*/part-*")):
        return (
            f"(SELECT NULL::VARCHAR AS run_id, NULL AS verdict, NULL AS target, NULL AS started_at LIMIT 0) AS {table}"
        )
    options = "hive_partitioning = true" + (", maximum_object_size = 100000000" if form == "jsonl" else "")
    return _READERS[form].format(f"{lake}/{table}/date=*/run=*", options)
