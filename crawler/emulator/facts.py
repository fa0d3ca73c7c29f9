"""What is true of each manifest, as a crawl that reads manifests and configs should find it."""

from collections.abc import Iterable
from typing import Any, TypedDict

import orjson

from crawler.emulator.broken import CONFIG_MISSING, UNREADABLE
from crawler.emulator.manifests import INDEXES, Entry


class ImageFacts(TypedDict):
    """Facts about one manifest.

    problem: what is broken, by the names of problems in a snapshot.
    platforms: the descriptors in an index; None for any other manifest.
    manifest: the body as a JSON value, also of a manifest that is listed and not there; {} if the body is not JSON.
    config: the config blob as a JSON value; None if the manifest has none or the blob is not there.
    base_digest, base_from: the base image, and where it is named: annotation, label, or layers if it is named nowhere.
    """

    tags: list[str]
    kind: str
    media_type: str
    subject_digest: str | None
    platforms: list[dict[str, Any]] | None
    layers: list[dict[str, Any]] | None
    manifest: dict[str, Any]
    config: dict[str, Any] | None
    base_digest: str | None
    base_from: str | None
    problem: str | None


def facts_of(entries: Iterable[Entry]) -> dict[str, ImageFacts]:
    """Facts by digest."""
    return {entry.manifest.digest: _facts(entry) for entry in entries}


def _facts(entry: Entry) -> ImageFacts:
    manifest = entry.manifest
    document = {} if entry.problem == UNREADABLE else orjson.loads(manifest.body)
    config = None if entry.problem == CONFIG_MISSING else manifest.config
    return {
        "tags": list(entry.tags),
        "kind": manifest.kind,
        "media_type": manifest.media_type,
        "subject_digest": document.get("subject", {}).get("digest"),
        "platforms": document["manifests"] if manifest.media_type in INDEXES else None,
        "layers": document.get("layers"),
        "manifest": document,
        "config": None if config is None else orjson.loads(config.body),
        "base_digest": manifest.base_digest,
        "base_from": manifest.base_from,
        "problem": entry.problem,
    }
