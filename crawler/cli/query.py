"""`registry-crawler query` and `schema`: SQL over the tables of snapshots, and how other engines write the tables."""

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.rows import Format, print_rows
from crawler.cli.snapshot_options import FormatOption, SnapshotArgument, output_folder
from crawler.errors import ConfigError
from crawler.tables.dialects import Dialect, render_schema
from crawler.untrusted_text import printable

Sql = Annotated[
    str, typer.Argument(metavar="SQL", help="The query; - reads it from standard input, and FILE.sql from a file")
]
Since = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Every complete snapshot of the target since this day, instead of one"),
]


def query(
    sql: Sql,
    snapshot: SnapshotArgument = "",
    since: Since = None,
    form: FormatOption = Format.TABLE,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Ask the tables of a snapshot by SQL (DuckDB's).

    Tables: runs, repositories, tags, images, platforms, layers, referrers, problems. `registry-crawler schema TABLE`
    shows the columns. Nothing is written, and no other file is read.

    Exit code: 0 done, 1 no such snapshot, or it cannot be read, 2 bad usage, or a mistake in the query.
    """
    from crawler.tables.database import open_database
    from crawler.tables.selection import select_since, select_snapshot

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        folder, statement = output_folder(config, output), _read_sql(sql)
        snapshots = [select_snapshot(folder, snapshot)] if since is None else select_since(folder, snapshot, since)
        with open_database(snapshots) as database:
            database.check_query(statement)
            result = database.query(statement)
            print_rows(result.columns, result.rows, form)


def _read_sql(sql: str) -> str:
    """The query. Raises ConfigError."""
    if sql == "-":
        return sys.stdin.read()
    if not sql.endswith(".sql"):
        return sql
    try:
        return Path(sql).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise ConfigError([f"{sql}: cannot be read: {reason}"]) from None


_NOT_IN_DATASET: Final = re.compile(r"[^\w.-]")
"""What no part of a dataset's name has: the name goes into a statement."""

TableName = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="runs, repositories, tags, images, platforms, …; latest_TABLE for a view in a lake"
    ),
]
DialectOption = Annotated[Dialect, typer.Option("--for", help="Who reads the schema")]


def schema(table: TableName, dialect: DialectOption = Dialect.DUCKDB) -> None:
    """Print the columns of a table: for BigQuery, DuckDB, Spark, Athena, or as JSON Schema.

    Columns are only ever added, and every one may be null. latest_TABLE prints the statement of the view that shows a
    lake's newest complete snapshot of each target; DATASET.latest_TABLE puts it into a dataset or database.

    Exit code: 0 done, 2 no such table.
    """
    from crawler.tables.database import table_columns
    from crawler.tables.definitions import tables
    from crawler.tables.latest import PREFIX, render_latest_view

    with exit_on_error():
        dataset, _, name = table.rpartition(".")
        base = name.removeprefix(PREFIX)
        definition = tables().get(base)
        if definition is None or _NOT_IN_DATASET.search(dataset) or (dataset and base == name):
            listed = ", ".join(tables())
            raise ConfigError([f"there is no table {printable(table)!r}; there are {listed}, and latest_ of each"])
        if base == name:
            print(render_schema(name, definition.meaning, table_columns(name), dialect))
        else:
            print(f"{render_latest_view(base, dataset, dialect)};")
