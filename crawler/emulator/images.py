"""A manifest as an entry of Google's tags/list."""

from typing import Final, TypedDict

from crawler.emulator.manifests import INDEXES, Entry

UNKNOWN: Final = "0"
_WITHOUT_SIZE: Final = range(1, 9)  # of 256 uploads
_WITHOUT_UPLOAD: Final = range(9, 14)  # of 256 uploads
_DAY_MS: Final = 86_400_000


class Image(TypedDict):
    """One entry of `manifest` in Google's listing. Sizes and times are decimal strings, "0" if unknown."""

    imageSizeBytes: str
    layerId: str
    mediaType: str
    tag: list[str]
    timeCreatedMs: str
    timeUploadedMs: str


def listed_image(entry: Entry) -> Image:
    """A manifest as Google lists it. Some have no size or no time of upload, as some real ones."""
    manifest = entry.manifest
    # by the time of day, so that the day of the inventory changes nothing about it
    drawn = (entry.uploaded_ms % _DAY_MS) >> 6 & 0xFF
    has_size = manifest.media_type not in INDEXES and drawn not in _WITHOUT_SIZE
    return {
        "imageSizeBytes": str(manifest.size_bytes) if has_size else UNKNOWN,
        "layerId": "",
        "mediaType": manifest.media_type,
        "tag": list(entry.tags),
        "timeCreatedMs": str(manifest.created_ms),
        "timeUploadedMs": UNKNOWN if drawn in _WITHOUT_UPLOAD else str(entry.uploaded_ms),
    }
