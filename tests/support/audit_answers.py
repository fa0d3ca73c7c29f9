"""What `registry-crawler audit` prints, read back."""

import json
from collections.abc import Sequence
from typing import Any

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
