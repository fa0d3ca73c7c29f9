"""The inputs of a question as tables: those that are given, and an empty one for each that is optional and is not."""

from collections.abc import Mapping, Sequence
from typing import Final

from crawler.questions.audit.decisions import POLICY_COLUMNS
from crawler.questions.audit.question import Question
from crawler.questions.running.uses import RUNNING_COLUMNS
from crawler.tables.database import GivenTable

_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {"running": RUNNING_COLUMNS, "policy": POLICY_COLUMNS}


def input_tables(question: Question, given: Sequence[GivenTable]) -> list[GivenTable]:
    """The tables that a question reads beside the snapshot's. Raises ConfigError where they are not the question's."""
    names = {table.name for table in given}
    question.check_inputs(names)
    absent = [each.name for each in question.inputs if each.name not in names]
    return [*given, *(GivenTable(name, _COLUMNS[name], ()) for name in absent)]
