"""The answer to a question: rows, each of which says that something is so, or that it is unknown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from crawler.errors import ConfigError, QueryError, SnapshotError
from crawler.questions.audit.baseline import baseline_of
from crawler.questions.audit.inputs import input_tables
from crawler.questions.audit.needs import crawl_options, unmet_needs
from crawler.questions.audit.own_tables import open_tables
from crawler.questions.audit.question import ANSWER, BASELINE, RUN_ID, Need, Question
from crawler.questions.whole import check_whole
from crawler.tables.database import GivenTable
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable

YES: Final = "yes"
UNKNOWN: Final = "unknown"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of an answer, as they are read.

    `baseline` is the snapshot that was compared with; None for a question about one snapshot.
    """

    columns: tuple[str, ...]
    rows: Iterator[Row]
    baseline: SelectedSnapshot | None


@contextmanager
def open_answer(
    question: Question, snapshot: SelectedSnapshot, given: Mapping[str, str], inputs: Sequence[GivenTable] = ()
) -> Iterator[Answer]:
    """The answer of a snapshot. `given` are values of parameters, as text. The inputs are read before this returns.

    Raises ConfigError and QueryError for mistakes in the question, the values or the inputs, and SnapshotError where
    the snapshot cannot answer, also while the rows are read.
    """
    values = question.values(given)
    tables = input_tables(question, inputs)
    _check_needs(question, snapshot)
    baseline = _baseline(question, snapshot, values)
    snapshots = [snapshot]
    if baseline is not None:
        snapshots.append(baseline)
        del values[question.compares]
        values |= {RUN_ID: snapshot.run_id, BASELINE: baseline.run_id}
    for each in snapshots:
        check_whole(each)
    with open_tables(snapshots, tables) as database:
        with _errors_of(question):
            result = database.query(question.sql, values)
        if result.columns != question.columns:
            head, found = ", ".join(question.columns), printable(", ".join(result.columns))
            raise ConfigError([f"{question.file}: its head has the columns {head}, and its query has {found}"])
        yield Answer(result.columns, _checked(question, result.rows), baseline)


def what_it_takes(questions: Iterable[Question], snapshot: SelectedSnapshot) -> dict[str, str]:
    """By question, what a snapshot lacks to answer it; "" where it lacks nothing. Raises SnapshotError."""
    unmet = unmet_needs(Need, snapshot)
    return {question.name: _lacking(question, snapshot, unmet) for question in questions}


def _lacking(question: Question, snapshot: SelectedSnapshot, unmet: Sequence[Need]) -> str:
    options = crawl_options(need for need in question.needs if need in unmet)
    if options:
        return f"crawl with {options}"
    try:
        _baseline(question, snapshot, question.values({}))
    except SnapshotError:
        return "an earlier complete snapshot"
    return ""


def _check_needs(question: Question, snapshot: SelectedSnapshot) -> None:
    unmet = unmet_needs(question.needs, snapshot)
    if unmet:
        has = f"depth {snapshot.depth} and referrers {snapshot.referrers}"
        message = f"{snapshot.run_id} cannot answer {question.name}: it has {has}"
        raise SnapshotError(f"{message}; crawl with {crawl_options(unmet)}")


def _can_answer(question: Question, snapshot: SelectedSnapshot) -> bool:
    return not unmet_needs(question.needs, snapshot)


def _baseline(
    question: Question, snapshot: SelectedSnapshot, values: Mapping[str, int | str]
) -> SelectedSnapshot | None:
    if not question.compares:
        return None
    return baseline_of(snapshot, int(values[question.compares]), partial(_can_answer, question))


def _checked(question: Question, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows. Raises QueryError at one whose answer is neither yes nor unknown."""
    at = question.columns.index(ANSWER)
    with _errors_of(question):
        for row in rows:
            if row[at] not in {YES, UNKNOWN}:
                raise QueryError(f"its answer is {printable(repr(row[at]))}, and must be {YES} or {UNKNOWN}")
            yield row


@contextmanager
def _errors_of(question: Question) -> Iterator[None]:
    """Name the question's file in errors of its SQL."""
    try:
        yield
    except QueryError as exc:
        raise QueryError(f"{question.file}: {exc}") from None
