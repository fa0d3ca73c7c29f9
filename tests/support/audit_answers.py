"""What `registry-crawler audit` prints, read back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crawler.questions.audit.answer import open_answer
from crawler.questions.audit.catalog import load_questions
from crawler.tables.selection import select_snapshot
from support.audit_truth import Truth


def read_answer(printed: str, columns: Sequence[str]) -> Truth:
    """The rows of an answer in JSON as sets, with these columns; those of unknown rows up to the digest alone."""
    rows: list[dict[str, Any]] = json.loads(printed)
    known = [tuple(_hashable(row[column]) for column in columns) for row in rows if row["answer"] == "yes"]
    unknown = [
        tuple(row[column] for column in columns if column in {"repository", "digest"})
        for row in rows
        if row["answer"] == "unknown"
    ]
    assert len(set(known)) == len(known)
    assert all(row["why"] for row in rows if row["answer"] == "unknown")
    assert all(row["why"] is None for row in rows if row["answer"] == "yes")
    return Truth(set(known), set(unknown))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def ask(folder: Path, question: str, **given: object) -> list[dict[str, Any]]:
    """The rows of an answer, asked within this process."""
    asked = load_questions()[question]
    snapshot = select_snapshot(folder.parents[2], str(folder))
    with open_answer(asked, snapshot, {name: str(value) for name, value in given.items()}) as answer:
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
