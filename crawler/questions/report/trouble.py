"""What is broken in a registry, and what could not be read. Only the first few of each are kept."""

from dataclasses import dataclass
from typing import Any, Final

from crawler.questions.report.run_facts import RunFacts
from crawler.questions.report.statements import statement
from crawler.tables.database import Database
from crawler.untrusted_text import printable

FAILURES_SHOWN: Final = 20
EXAMPLES_SHOWN: Final = 3
_LONGEST_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """A repository that could not be listed, or whose listing may not be whole."""

    repository: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The first of them, and how many more there are."""

    shown: tuple[Failure, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Example:
    """A problem: `where` is the image, by its tag or its digest."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class ProblemCount:
    """How many problems of one kind there are, in how many repositories."""

    problem: str
    count: int
    repositories: int
    examples: tuple[Example, ...]


def read_failures(database: Database) -> Failures:
    """The repositories that failed, from the temporary table `listed`. Raises SnapshotError."""
    rows = list(database.query(statement("failures"), {"most": FAILURES_SHOWN}).rows)
    return Failures(tuple(_failure(row) for row in rows), rows[0][-1] - len(rows) if rows else 0)


def read_problems(database: Database, facts: RunFacts) -> tuple[ProblemCount, ...]:
    """Each kind of problem, the most frequent first. Raises SnapshotError."""
    if not facts.problems:
        return ()
    rows = database.query(statement("problems"), {"examples": EXAMPLES_SHOWN}).rows
    return tuple(
        ProblemCount(printable(problem), count, repositories, tuple(map(_example, examples)))
        for problem, count, repositories, examples in rows
    )


def _failure(row: tuple[Any, ...]) -> Failure:
    repository, outcome, code, http_status, message, suspect, _ = row
    if suspect is not None:
        return Failure(printable(repository), "possibly truncated", printable(suspect, _LONGEST_MESSAGE))
    status = "" if http_status is None else f"{http_status} "
    return Failure(printable(repository), outcome, printable(f"{status}{code}: {message}", _LONGEST_MESSAGE))


def _example(problem: dict[str, Any]) -> Example:
    place = f":{problem['tag']}" if problem["tag"] is not None else f"@{problem['digest']}"
    code = "" if problem["code"] is None else f"{problem['code']}: "
    return Example(
        printable(f"{problem['repository']}{place}"), printable(f"{code}{problem['message']}", _LONGEST_MESSAGE)
    )
