"""Records and runs for tests of diff, and the changes that diff prints as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from support.stored_snapshots import golden_records

Record = dict[str, Any]

_IMAGE = dict.fromkeys(next(record["images"][0] for record in golden_records() if record["images"]))


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def image(number: int, *tags: str, signatures: Sequence[int] | None = None, via: str = "api") -> Record:
    """An image with the digest of a number. `signatures` are numbers, too; None where none were looked for."""
    referrers = None if signatures is None else [_signature(signature, via) for signature in signatures]
    return {**_IMAGE, "digest": digest(number), "tags": list(tags), "referrers": referrers}


def _signature(number: int, via: str) -> Record:
    nulls = dict.fromkeys(("artifact_type", "predicate_type", "size_bytes", "created_at"))
    return {"digest": digest(number), "via": via, "kind": "signature", **nulls}


def problem(kind: str, tag: str | None = None, digest: str | None = None, code: str | None = None) -> Record:
    return {"problem": kind, "tag": tag, "digest": digest, "code": code, "http_status": None, "message": "no"}


def record(name: str, images: Sequence[Record] | None = (), *, tags: Sequence[str] = (), **fields: Any) -> Record:
    """A listed repository with these images and their tags; `tags` are those without a known digest."""
    tagged = [tag for one in images or () for tag in one["tags"]]
    return {
        "schema": 2,
        "run_id": "",
        "target": "",
        "registry": "registry.example.com",
        "repository": name,
        "outcome": "ok",
        "tags": list(dict.fromkeys([*tags, *tagged])),
        "images": None if images is None else sorted(images, key=lambda one: str(one["digest"])),
        "children": None,
        "problems": [],
        "suspect": None,
        "error": None,
        "observed_at": "2026-11-20T02:00:01.000Z",
        **fields,
    }


def refused(name: str, outcome: str, code: str = "DENIED") -> Record:
    """A repository that could not be listed."""
    error = {"code": code, "http_status": 403, "message": "no"}
    return record(name, None, outcome=outcome, error=error)


def run_fields(
    *,
    kind: str = "distribution",
    is_complete: bool = True,
    method: str = "catalog",
    names: int = 1,
    images: int | None = 1,
    problems_counted: int = 1,
    config: Mapping[str, Any] | None = None,
    images_config: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Fields of a `_run.json`. `config` and `images_config` are of the tables `registry` and `images`."""
    registry: dict[str, Any] = {
        "include": [],
        "exclude": [],
        "repositories_from": None,
        "images_from": "auto",
        "location": None,
    }
    counts = {"repositories": 1, "ok": 1, "images": images, "problems": problems_counted}
    return {
        "kind": kind,
        "identity": "anonymous",
        "depth": "digests",
        "referrers": "listed",
        "reasons": [],
        "discovery": {
            "method": method,
            "pages": 1,
            "repositories": names,
            "complete": is_complete,
            "evidence": "it ended",
        },
        "counts": counts,
        "config": {
            "registry": {**registry, **(config or {})},
            "images": {"include_tags": [], "exclude_tags": [], **(images_config or {})},
        },
        **fields,
    }


def change(
    kind: str,
    repository: str | None,
    tag: str | None = None,
    *,
    subject: str | None = None,
    old: str | None = None,
    new: str | None = None,
    detail: str | None = None,
) -> dict[str, str | None]:
    """A change as JSON has it."""
    return {
        "kind": kind,
        "repository": repository,
        "tag": tag,
        "subject_digest": subject,
        "old_digest": old,
        "new_digest": new,
        "detail": detail,
    }
