"""Images as a record must have them where a product's own API told of them: its fields, and null for all others."""

from typing import Any

_FIELDS = (
    "tags",
    "kind",
    "media_type",
    "artifact_type",
    "subject_digest",
    "size_bytes",
    "created_at",
    "uploaded_at",
    "updated_at",
    "pulled_at",
    "platforms",
    "manifest",
    "config",
    "referrers",
)
_PLATFORM_FIELDS = ("os", "architecture", "variant", "os_version", "size_bytes", "media_type", "role", "attests_digest")


def api_image(digest: str, *tags: str, **told: Any) -> dict[str, Any]:
    """An image of a record with the fields that were told."""
    assert set(told) <= set(_FIELDS)
    return {"digest": digest, **dict.fromkeys(_FIELDS), "tags": list(tags), **told}


def api_platform(digest: str | None, **told: Any) -> dict[str, Any]:
    """A platform of an image with the fields that were told."""
    assert set(told) <= set(_PLATFORM_FIELDS)
    return {"digest": digest, **dict.fromkeys(_PLATFORM_FIELDS), **told}


def numbered_digest(number: int) -> str:
    """A digest that nothing has, different for each number."""
    return f"sha256:{number:064x}"
