"""Rows of a result, printed as a table for people, as JSON, CSV or Markdown."""

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice
from typing import Any, Final, TextIO

import orjson

from crawler.cli.streams import data_output
from crawler.model.timestamps import timestamp
from crawler.questions.markdown import escape_markdown
from crawler.untrusted_text import printable

_MAX_CELL: Final = 200
_ROWS_MEASURED: Final = 1000
"""The first rows set the widths of a table's columns. A wider cell further down pushes its row to the right."""

_PLAIN: Final = frozenset({str, int, type(None)})
"""The types of most cells, which CSV writes as we do: a call for each cell would take a third of the time."""

_JSON_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS

Row = Sequence[Any]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def print_rows(columns: Sequence[str], rows: Iterable[Row], form: Format) -> None:
    """Print rows to standard output as they come. JSON is one list of objects.

    Raises OutputClosed and SnapshotError where standard output takes no more.
    """
    with data_output() as out:
        _PRINTERS[form](columns, rows, out)


def _print_table(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    rest = iter(rows)
    first = [_cells(row) for row in islice(rest, _ROWS_MEASURED)]
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *first, strict=True)]
    line = "  ".join(f"{{:{width}}}" for width in widths)
    lines = chain((columns, ["-" * width for width in widths]), first, map(_cells, rest))
    out.writelines(f"{line.format(*cells).rstrip()}\n" for cells in lines)


def _print_json(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    before = "["
    for row in rows:
        print(f"{before}\n{_json(dict(zip(columns, row, strict=True)))}", end="", file=out)
        before = ","
    print("[]" if before == "[" else "\n]", file=out)


def _print_csv(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([v if type(v) in _PLAIN else _text(v) for v in row] for row in rows)


def _print_markdown(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    print(f"| {' | '.join(columns)} |", file=out)
    print(f"|{'---|' * len(columns)}", file=out)
    for row in rows:
        print(f"| {' | '.join(escape_markdown(cell) for cell in _cells(row))} |", file=out)


_PRINTERS: Final[dict[Format, Callable[[Sequence[str], Iterable[Row], TextIO], None]]] = {
    Format.TABLE: _print_table,
    Format.JSON: _print_json,
    Format.CSV: _print_csv,
    Format.MARKDOWN: _print_markdown,
}


def _cells(row: Row) -> list[str]:
    """Values in one line each, escaped and shortened: names and messages are untrusted."""
    return [printable(value if type(value) is str else _text(value), _MAX_CELL) for value in row]


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(timespec="milliseconds") if value.tzinfo is None else timestamp(value)
        case list() | dict():
            return _json(value)
        case _:
            return str(value)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=_text, option=_JSON_OPTIONS).decode()
