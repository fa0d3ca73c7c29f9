"""`registry-crawler audit`: named questions to a snapshot."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.exit_codes import FOUND
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.policy_input import CleanupTotals, PolicyOption, open_policy, totals_of
from crawler.cli.rows import Format, print_rows
from crawler.cli.running_input import RunningOption, open_running
from crawler.cli.snapshot_options import SnapshotArgument, output_folder
from crawler.cli.streams import data_output
from crawler.errors import ConfigError, OutputClosed, SnapshotError
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.questions.audit.answer import Answer
    from crawler.questions.audit.question import Question
    from crawler.tables.selection import SelectedSnapshot

_LONGEST_LINE: Final = 10_000
_BREAKS: Final = "breaks"
"""The column of a question about deletions that says what would break."""


class FailOn(StrEnum):
    """Which rows of an answer are an exit code of 4."""

    ANY = "any"
    """Every row: what is so, and what is unknown; and a partial snapshot, which may lack rows."""
    YES = "yes"
    """What is so."""
    BREAKS = "breaks"
    """What would break something, of a question that says so in a column `breaks`."""


QuestionArgument = Annotated[
    str, typer.Argument(metavar="[QUESTION]", help="Name of a question  [default: list them]", show_default=False)
]
Days = Annotated[int | None, typer.Option(metavar="N", min=0, help="Sets the parameter `days` of the question")]
Component = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Sets `component`: the N-th path component, 1 is the first")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Sets any parameter; repeatable")]
FailOnOption = Annotated[
    FailOn | None,
    typer.Option(
        help="Exit with 4: any, for a row or a partial snapshot; yes, for a row that says yes; breaks, for one that "
        "says what cleanup would break  [default: exit with 0]"
    ),
]
Questions = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of questions of your own: *.sql files with a head")
]
AuditFormat = Annotated[
    Format | None,
    typer.Option("--format", help="How the rows are printed  [default: table; for refs a reference on each line]"),
]


def audit(
    question: QuestionArgument = "",
    snapshot: SnapshotArgument = "",
    days: Days = None,
    component: Component = None,
    set_: Set = None,
    fail_on: FailOnOption = None,
    running: RunningOption = None,
    policy: PolicyOption = None,
    questions: Questions = None,
    form: AuditFormat = None,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Answer a named question from a snapshot. Without a question, list the questions that it can answer.

    Each row has an answer: yes, or unknown where something was not read. What is not so has no row. Days are counted
    back from the start of the snapshot, not from today.

    Exit code: 0 done, 1 no such snapshot, or it cannot answer, 2 bad usage, 4 --fail-on found something.

    \b
    Examples:
      registry-crawler audit
      registry-crawler audit stale --days 365
      registry-crawler audit unsigned gcr.io/my-project --fail-on any
      registry-crawler audit refs | xargs -n1 trivy image
      kubectl get pods -A -o json | registry-crawler audit unused --running -
      registry-crawler audit cleanup --policy policy.json --fail-on breaks
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.questions.audit.answer import open_answer
    from crawler.questions.audit.catalog import load_questions
    from crawler.tables.selection import select_snapshot

    logs.configure(log_format, verbosity=0)
    counts = _AnswerCounts()
    with exit_on_error():
        folder, known = output_folder(config, output), load_questions(questions)
        given = _parameters(days, component, set_ or ())
        asked = known.get(question)
        if asked is None:
            if snapshot or given or fail_on or running or policy:
                raise ConfigError([_no_question(question)])
            _list(known, folder, question, form or Format.TABLE)
            return
        _check_fail_on(fail_on, asked)
        selected = select_snapshot(folder, snapshot)
        _warn_of_partial(selected)
        decisions = open_policy(policy, selected)
        with open_running(running, selected) as runs:
            inputs = [*(each.table() for each in runs), *(each.table() for each in decisions)]
            with open_answer(asked, selected, given, inputs) as answer:
                for note in (note for each in runs for note in each.notes()):
                    logs.notice(note)
                _print_counted(asked, answer, counts, totals_of(decisions, runs, answer.columns), fail_on, form)
        if not selected.is_complete:
            counts.unknown += 1
    if counts.is_failure(fail_on):
        raise typer.Exit(FOUND)


class _AnswerCounts:
    """How many rows said yes, and how many unknown. A partial snapshot is unknown by itself, whatever its rows say."""

    def __init__(self) -> None:
        self.yes = self.unknown = self.breaking = 0

    def count(self, rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The rows, counted as they pass."""
        answer = columns.index("answer")
        breaks = columns.index(_BREAKS) if _BREAKS in columns else None
        for row in rows:
            if row[answer] == "yes":
                self.yes += 1
            else:
                self.unknown += 1
            if breaks is not None and row[breaks] is not None:
                self.breaking += 1
            yield row

    def is_failure(self, fail_on: FailOn | None) -> bool:
        match fail_on:
            case FailOn.ANY:
                return self.yes + self.unknown > 0
            case FailOn.YES:
                return self.yes > 0
            case FailOn.BREAKS:
                return self.breaking > 0
            case None:
                return False


def _parameters(days: int | None, component: int | None, assignments: Sequence[str]) -> dict[str, str]:
    """The parameters that flags set. Raises ConfigError."""
    flags = {"days": days, "component": component}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise ConfigError([f"--set {printable(assignment)}: must be NAME=VALUE"])
        if name in given:
            raise ConfigError([f"--set {printable(assignment)}: {printable(name)} is set twice"])
        given[name] = value
    return given


def _no_question(name: str) -> str:
    if not name:
        options = "--days, --component, --set, --policy, --running and --fail-on"
        return f"{options} need a question: registry-crawler audit lists them"
    return f"there is no question {printable(name)}: registry-crawler audit lists them"


def _list(questions: "Mapping[str, Question]", folder: Path, snapshot: str, form: Format) -> None:
    """Print the questions, and for each what the snapshot lacks to answer it. Raises ConfigError and SnapshotError."""
    from crawler.questions.audit.answer import what_it_takes
    from crawler.tables.selection import select_snapshot

    lacking: dict[str, str | None] = dict.fromkeys(questions)
    try:
        selected = select_snapshot(folder, snapshot)
    except SnapshotError as exc:
        if snapshot:
            raise ConfigError([f"{_no_question(snapshot)}; and {exc}"]) from None
        logs.notice(f"whether they can be answered is not known: {exc}")
    else:
        lacking.update(what_it_takes(questions.values(), selected))
    rows = [
        (name, question.asks, _shown_parameters(question), _shown_lack(lacking[name]))
        for name, question in questions.items()
    ]
    print_rows(("question", "asks", "parameters", "can_be_answered"), rows, form)


def _shown_parameters(question: "Question") -> str:
    options = [f"[{each.option}]" if each.is_optional else each.option for each in question.inputs]
    return " ".join([*options, *(f"{parameter.name}={parameter.default}" for parameter in question.parameters)])


def _shown_lack(lack: str | None) -> str | None:
    return "yes" if lack == "" else lack and f"no: {lack}"


def _warn_of_partial(snapshot: "SelectedSnapshot") -> None:
    if not snapshot.is_complete:
        logs.notice(f"{snapshot.run_id} is partial: repositories that the crawl did not find are not in the answer")


def _check_fail_on(fail_on: FailOn | None, question: "Question") -> None:
    """Raises ConfigError."""
    if fail_on is FailOn.BREAKS and _BREAKS not in question.columns:
        raise ConfigError([f"--fail-on breaks: the answer to {question.name} has no column {_BREAKS}"])


def _print_counted(
    question: "Question",
    answer: "Answer",
    counts: _AnswerCounts,
    totals: Sequence[CleanupTotals],
    fail_on: FailOn | None,
    form: Format | None,
) -> None:
    """Print the answer, and what it comes to. Raises OutputClosed, QueryError and SnapshotError."""
    rows = counts.count(answer.rows, answer.columns)
    for each in totals:
        rows = each.count(rows)
    try:
        _print_answer(question, answer, rows, form)
    except OutputClosed:
        if fail_on is None:
            raise
        for _ in rows:  # what the reader did not take counts as well
            pass
    for each in totals:
        logs.notice(each.sentence())


def _print_answer(question: "Question", answer: "Answer", rows: Iterable[tuple[Any, ...]], form: Format | None) -> None:
    """Raises OutputClosed, QueryError and SnapshotError."""
    if answer.baseline is not None:
        logs.notice(f"compared with {answer.baseline.run_id}", logging.INFO)
    if form is None and question.lines:
        _print_lines(question, answer.columns, rows)
    else:
        print_rows(answer.columns, rows, form or Format.TABLE)


def _print_lines(question: "Question", columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Print one column of the rows that are so, without a head, for `xargs`."""
    at, answer, left_out = columns.index(question.lines), columns.index("answer"), 0
    with data_output() as out:
        for row in rows:
            if row[answer] == "yes":
                print(printable(str(row[at]), _LONGEST_LINE), file=out)
            else:
                left_out += 1
    if left_out:
        rows_are = "1 row is" if left_out == 1 else f"{left_out:,} rows are"
        logs.notice(f"{rows_are} left out, because the answer is unknown: --format table shows what is unknown")
