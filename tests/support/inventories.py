"""An emulator's inventory as the records that a whole snapshot of it holds; written anew, not with the crawler's."""

from datetime import UTC, datetime, timedelta
from typing import Any

from crawler.emulator import Inventory, Kind, Repository

OUTCOMES = {Kind.VANISHED: "missing", Kind.DENIED: "denied"}
TOLD = ("outcome", "tags", "images", "children")
NOT_LISTED = (
    *("kind", "artifact_type", "subject_digest", "updated_at", "pulled_at"),
    *("platforms", "manifest", "config", "referrers"),
)
"""What Google's listing does not say of an image."""


def expected(inventory: Inventory) -> dict[str, dict[str, Any]]:
    return {repository.name: _told(repository) for repository in inventory.truth()}


def told(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each record what the inventory determines."""
    return {name: {field: record[field] for field in TOLD} for name, record in records.items()}


def _told(repository: Repository) -> dict[str, Any]:
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
        "created_at": _moment(int(image["timeCreatedMs"])),
        "uploaded_at": _moment(int(image["timeUploadedMs"])),
    }


def _moment(milliseconds: int) -> str | None:
    if milliseconds == 0:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
