"""What a run's marker says, `_runs/RUN_ID.json`: the run's `_run.json`, and below `lake` what was published of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from crawler.model.run_manifest import Verdict
from crawler.snapshot.reader import PublishedRun


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object of a published run: the rows of a table."""

    name: str
    table: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A marker that was read. What a later version has added is left out.

    Attributes:
        form: the format of the lake, perhaps one that a later version has.
        token: of the publisher that created the marker.
    """

    target: str
    run: PublishedRun
    form: str
    published_at: str
    token: str
    objects: tuple[LakeObject, ...]


def parse_marker(content: bytes) -> Marker:
    """The marker with this content. Raises ValueError where it is none."""
    try:
        marker = orjson.loads(content)
        published = marker["lake"]
        run = PublishedRun(
            run_id=_text(marker, "run_id"),
            started_at=_text(marker, "started_at"),
            is_complete=_text(marker, "verdict") == Verdict.COMPLETE,
            ok=int(marker["counts"]["ok"]),
        )
        return Marker(
            target=_text(marker, "target"),
            run=run,
            form=_text(published, "format"),
            published_at=_text(published, "published_at"),
            token=_text(published, "token"),
            objects=tuple(_object(each) for each in published["objects"]),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"not a run's marker: {type(exc).__name__}") from None


def _object(described: Mapping[str, Any]) -> LakeObject:
    return LakeObject(
        name=_text(described, "name"),
        table=_text(described, "table"),
        rows=int(described["rows"]),
        bytes=int(described["bytes"]),
    )


def _text(described: Mapping[str, Any], key: str) -> str:
    text = described[key]
    if not isinstance(text, str):
        raise TypeError(key)
    return text
