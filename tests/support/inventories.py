"""An emulator's inventory as the records of a whole snapshot of it; written without the crawler's own code."""

from datetime import UTC, datetime, timedelta
from typing import Any

from crawler.emulator import Inventory, Kind, Repository

OUTCOMES = {Kind.VANISHED: "missing", Kind.DENIED: "denied"}
COMPARED = ("outcome", "tags", "images", "children")
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
NOT_LISTED = (
    *("kind", "artifact_type", "subject_digest", "updated_at", "pulled_at"),
    *("platforms", "manifest", "config", "referrers"),
)
"""The fields of an image that Google's listing does not have."""


def expected(inventory: Inventory) -> dict[str, dict[str, Any]]:
    return {repository.name: _record(repository) for repository in inventory.truth()}


def expected_from_api(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """The same as Artifact Registry's API has it, which knows an index, and when an image was last changed."""
    records = expected(inventory)
    for image in (image for record in records.values() for image in record["images"] or ()):
        image["updated_at"] = image["uploaded_at"]
        image["kind"] = "index" if image["media_type"] in INDEX_TYPES else None
    return records


def comparable(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The fields of each record that the inventory determines."""
    return {name: {field: record[field] for field in COMPARED} for name, record in records.items()}


def _record(repository: Repository) -> dict[str, Any]:
    outcome = OUTCOMES.get(repository.kind, "ok")
    listing = repository.listing
    if outcome != "ok" or listing is None:
        return {"outcome": outcome, "tags": [], "images": None, "children": None}
    images = [_image(digest, image) for digest, image in sorted(listing["manifest"].items())]
    return {"outcome": "ok", "tags": listing["tags"], "images": images, "children": listing["child"]}


def _image(digest: str, image: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(NOT_LISTED),
        "digest": digest,
        "tags": image["tag"],
        "media_type": image["mediaType"],
        "size_bytes": int(image["imageSizeBytes"]) or None,
        "created_at": _timestamp(int(image["timeCreatedMs"])),
        "uploaded_at": _timestamp(int(image["timeUploadedMs"])),
    }


def _timestamp(milliseconds: int) -> str | None:
    if milliseconds == 0:
        return None
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"
