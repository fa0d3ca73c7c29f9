"""`audit unused` asked within this process, and the truth about it, worked out without SQL."""

import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.questions.audit.answer import open_answer
from crawler.questions.audit.catalog import load_questions
from crawler.questions.diff.proof import ComparedRun
from crawler.questions.running.uses import RunningImages
from crawler.tables.selection import select_snapshot

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows of an answer, and the notes about what runs."""

    rows: list[Json]
    notes: list[str]

    def found(self, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row[column] for column in columns) for row in self.rows]


def ask_unused(folder: Path, pods: str) -> Asked:
    """The answer of a snapshot. `pods` is JSON."""
    snapshot = select_snapshot(folder.parents[2], str(folder))
    images = RunningImages(io.BytesIO(pods.encode()), "pods.json", ComparedRun.read(snapshot))
    with open_answer(load_questions()["unused"], snapshot, {}, [images.table()]) as answer:
        return Asked([dict(zip(answer.columns, row, strict=True)) for row in answer.rows], images.notes())


def publish_whole(publish: Callable[..., Path], *records: Json, **run_manifest: Any) -> Path:
    """Publish a snapshot of 2026-11-20 that has a record of every repository which discovery found."""
    discovery = {"method": "catalog", "pages": 1, "repositories": len(records), "complete": True, "evidence": ""}
    counts = dict.fromkeys(("ok", "missing", "denied", "failed", "invalid", "suspect", "tags", "problems", "unread"), 0)
    defaults = {
        "discovery": discovery,
        "counts": {**counts, "repositories": len(records), "images": 1},
        "depth": "manifests",
        "referrers": "none",
    }
    return publish("2026-11-20", records=records, **{**defaults, **run_manifest})


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """That a pod uses something of a repository: by one of a tag, a digest and an image id.

    Attributes:
        is_younger: than the snapshot.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None
    image_id: str | None = None
    has_ended: bool = False
    is_younger: bool = False

    @property
    def key(self) -> tuple[str | None, ...]:
        return (self.repository, self.tag, self.digest, self.image_id)


Finding = tuple[str, str, str, str | None]
"""Answer, finding, repository, and the tag or the digest."""


def true_answer(records: Sequence[Json], uses: Sequence[Use]) -> set[Finding]:
    """What `audit unused` must answer of a complete snapshot."""
    by_name = {record["repository"]: record for record in records}
    answer = set[Finding]()
    for name in {*by_name, *(use.repository for use in uses)}:
        answer |= set(_of_repository(name, by_name.get(name), [use for use in uses if use.repository == name]))
    return answer


def _of_repository(name: str, record: Json | None, uses: Sequence[Use]) -> Iterator[Finding]:
    states = {use.key: _proved(record, [each for each in uses if each.key == use.key]) for use in uses}
    for use in uses:
        if not use.has_ended and states[use.key] != "there":
            answer = "yes" if states[use.key] == "gone" else "unknown"
            yield (answer, "gone", name, use.tag or use.digest or use.image_id)
    if record is None:
        return
    is_unread = _is_unread(record)
    if is_unread:
        yield ("unknown", "unused", name, None)
    images = record["images"] or []
    dangling = {problem["digest"] for problem in record["problems"]}
    used = _used(images, uses)
    parents = [image for image in images if image["digest"] in used - dangling]
    is_doubtful = is_unread or "unknown" in states.values() or any(_may_hold_more(parent) for parent in parents)
    for image in images:
        if image["kind"] in {"image", "index", None} and image["digest"] not in used | dangling:
            is_unknown = bool(uses) and (is_doubtful or _may_hold_more(image))
            yield ("unknown" if is_unknown else "yes", "unused", name, image["digest"])


def _proved(record: Json | None, uses: Sequence[Use]) -> str:
    """The state of what some uses name alike."""
    state = _state(record, uses[0])
    return "unknown" if state == "gone" and all(use.is_younger for use in uses) else state


def _state(record: Json | None, use: Use) -> str:
    if record is None or record["outcome"] == "missing":
        return "gone"
    if record["outcome"] != "ok":
        return "unknown"
    images = record["images"] or []
    if use.tag is not None:
        if use.tag in {problem["tag"] for problem in record["problems"]}:
            return "gone"
        if use.tag in record["tags"]:
            return "there"
        return "unknown" if record["suspect"] else "gone"
    if use.digest is not None:
        if use.digest in {problem["digest"] for problem in record["problems"]}:
            return "gone"
        if any(use.digest == image["digest"] or use.digest in _children(image) for image in images):
            return "there"
        is_whole = record["children"] is not None and not _is_unread(record)
        return "gone" if is_whole else "unknown"
    return "there" if any(use.image_id in _ids(image) for image in images) else "unknown"


def _is_unread(record: Json) -> bool:
    if record["outcome"] in {"denied", "failed"} or record["suspect"]:
        return True
    known = {tag for image in record["images"] or [] for tag in image["tags"]}
    return record["outcome"] == "ok" and bool(
        set(record["tags"]) - known - {problem["tag"] for problem in record["problems"]}
    )


def _used(images: Sequence[Json], uses: Sequence[Use]) -> set[str]:
    used = {
        image["digest"]
        for image in images
        for use in uses
        if use.tag in image["tags"] or use.digest == image["digest"] or use.image_id in _ids(image)
    } | {use.digest for use in uses if use.digest is not None}
    used |= _grown(images, used, lambda image, known: {image["digest"]} if known & _children(image) else set())
    return used | _grown(images, used, lambda image, known: _children(image) if image["digest"] in known else set())


def _grown(images: Sequence[Json], used: Collection[str], more: Callable[[Json, set[str]], set[str]]) -> set[str]:
    grown = set(used)
    while True:
        found = {digest for image in images for digest in more(image, grown)} - grown
        if not found:
            return grown
        grown |= found


def _children(image: Json) -> set[str]:
    return {platform["digest"] for platform in image["platforms"] or []} if image["kind"] == "index" else set()


def _ids(image: Json) -> set[str]:
    return {image["digest"], (image["manifest"] or {}).get("config_digest")} - {None}


def _may_hold_more(image: Json) -> bool:
    return image["kind"] is None or (image["kind"] == "index" and image["platforms"] is None)


def findings(rows: Sequence[Json]) -> set[Finding]:
    """The rows of an answer as `true_answer` has them."""
    return {
        (
            row["answer"],
            row["finding"],
            row["repository"],
            row["tags"][0] if row["finding"] == "gone" and row["tags"] else row["digest"],
        )
        for row in rows
    }


def as_json(*objects: Json) -> str:
    return json.dumps({"apiVersion": "v1", "items": objects, "kind": "List"})
