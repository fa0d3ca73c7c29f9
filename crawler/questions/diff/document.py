"""A comparison as one JSON object."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import orjson

from crawler.questions.diff.changes import Comparison
from crawler.questions.diff.proof import ComparedRun


def json_lines(comparison: Comparison) -> Iterator[str]:
    """The lines of the object, without newlines. Each change has a line of its own."""
    head = {
        "old": _run(comparison.old),
        "new": _run(comparison.new),
        "as_mirror": comparison.pairing == "as-mirror",
        "notes": comparison.notes,
        "counts": {kind.value: count for kind, count in comparison.counts.items()},
    }
    yield f'{_dump(head)[:-1]},"changes":['
    waiting = None
    for change in comparison.changes():
        if waiting is not None:
            yield f"{waiting},"
        waiting = _dump(asdict(change))
    if waiting is not None:
        yield waiting
    yield "]}"


def _run(run: ComparedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "target": str(run.target),
        "started_at": run.started_at,
        "verdict": run.verdict,
        "reasons": run.reasons,
    }


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()
