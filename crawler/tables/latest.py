"""The views that a lake's readers use: a table's rows of the newest complete snapshot of each target."""

from typing import Final

from crawler.errors import ConfigError
from crawler.tables.dialects import Dialect

PREFIX: Final = "latest_"

_VIEW: Final = """\
CREATE OR REPLACE VIEW {view} AS
SELECT *
FROM {table}
WHERE run_id IN (
    SELECT run_id
    FROM (
        SELECT run_id, ROW_NUMBER() OVER (PARTITION BY target ORDER BY started_at DESC, run_id DESC) AS age
        FROM {runs}
        WHERE verdict = 'complete'
    ) AS complete_runs
    WHERE age = 1
)"""
# A run's row in `runs` is published last: the rows of a run that is half in the lake are not seen.


def render_latest_view(table: str, dataset: str, dialect: Dialect) -> str:
    """The statement that makes the view `latest_TABLE` beside the tables TABLE and `runs`, without a semicolon.

    `dataset` is the database, schema or dataset of all three, "" for the current one. Raises ConfigError.
    """
    if dialect is Dialect.JSON_SCHEMA:
        raise ConfigError([f"{PREFIX}{table} is a view, and has the JSON Schema of {table}"])
    if dialect is Dialect.BIGQUERY and not dataset:
        # "A reference inside of a view must be qualified with a dataset" (BigQuery, Create logical views: limitations)
        raise ConfigError([f"BigQuery needs the dataset in a view: schema DATASET.{PREFIX}{table}"])
    names = {"view": PREFIX + table, "table": table, "runs": "runs"}
    return _VIEW.format(**{key: qualified(dataset, name, dialect) for key, name in names.items()})


def qualified(dataset: str, name: str, dialect: Dialect) -> str:
    """A name with its dataset, as a dialect quotes it. The names of our tables need no quotes."""
    if not dataset:
        return name
    if dialect in {Dialect.BIGQUERY, Dialect.SPARK}:
        quoted = ".".join(f"`{part}`" for part in dataset.split("."))
    else:
        quoted = ".".join(f'"{part}"' for part in dataset.split("."))
    return f"{quoted}.{name}"
