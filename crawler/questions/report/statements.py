"""The SQL of the report: a file in `sql/` for each statement."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from crawler.tables.database import Database


def statement(name: str) -> str:
    """A statement over the tables, by the name of its file."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def create(database: Database, name: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Create the temporary table of a statement, for later ones to read. Raises SnapshotError."""
    _run(database, statement(name), parameters)


def drop(database: Database, table: str) -> None:
    """Drop a temporary table that no later statement reads: its memory is needed."""
    _run(database, f"DROP TABLE {table}", None)


def _run(database: Database, sql: str, parameters: Mapping[str, Any] | None) -> None:
    for _ in database.query(sql, parameters).rows:
        pass
