"""`audit cleanup` asked within this process, and the truth about a simple policy, worked out without SQL."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crawler.cli.policy_input import totals_of
from crawler.questions.audit.answer import open_answer
from crawler.questions.audit.catalog import load_questions
from crawler.questions.audit.decisions import PolicyDecisions
from crawler.questions.diff.proof import ComparedRun
from crawler.questions.running.uses import RunningImages
from crawler.tables.selection import select_snapshot
from support.cleanup_policies import load

Json = dict[str, Any]

LONG_AGO = "2026-09-01T00:00:00.000Z"
LATELY = "2026-11-19T00:00:00.000Z"


def ask_cleanup(folder: Path, policy: Any, pods: str = "") -> tuple[list[Json], str]:
    """The rows of an answer, and what they come to. A policy is a document, or a text in TOML; `pods` is JSON."""
    snapshot = select_snapshot(folder.parents[2], str(folder))
    decisions = PolicyDecisions(load(policy), snapshot)
    runs = [RunningImages(io.BytesIO(pods.encode()), "pods.json", ComparedRun.read(snapshot))] if pods else []
    tables = [decisions.table(), *(each.table() for each in runs)]
    with open_answer(load_questions()["cleanup"], snapshot, {}, tables) as answer:
        (totals,) = totals_of([decisions], runs, answer.columns)
        rows = [dict(zip(answer.columns, row, strict=True)) for row in totals.count(answer.rows)]
        return rows, totals.sentence()


def untagged_older_than_30_days(records: Sequence[Json]) -> dict[tuple[str, str], tuple[bool, int]]:
    """What a job deletes that takes untagged manifests: whether something of the repository breaks, and bytes freed.

    The images of the records have the times LONG_AGO, LATELY and no other.
    """
    images = [(record["repository"], image) for record in records for image in record["images"]]
    deleted = {
        (name, image["digest"]): image
        for name, image in images
        if not image["tags"] and image["uploaded_at"] == LONG_AGO
    }
    staying = [(name, image) for name, image in images if (name, image["digest"]) not in deleted]
    used = {layer["digest"] for _, image in staying for layer in _layers(image)}
    answer = dict[tuple[str, str], tuple[bool, int]]()
    for name, digest in sorted(deleted):
        image = deleted[name, digest]
        breaks = any(
            name == other and digest in [child["digest"] for child in index["platforms"]]
            for other, index in staying
            if index["kind"] == "index"
        ) or any(name == other and image["subject_digest"] == subject["digest"] for other, subject in staying)
        freed = {layer["digest"]: layer["size_bytes"] for layer in _layers(image) if layer["digest"] not in used}
        used |= set(freed)
        answer[name, digest] = (breaks, sum(freed.values()))
    return answer


def _layers(image: Json) -> list[Json]:
    return (image["manifest"] or {}).get("layers") or []


def policy_file(folder: Path, policy: Any) -> Path:
    """A file with a policy."""
    file = folder / ("policy.toml" if isinstance(policy, str) else "policy.json")
    file.write_text(policy if isinstance(policy, str) else json.dumps(policy), encoding="utf-8")
    return file
