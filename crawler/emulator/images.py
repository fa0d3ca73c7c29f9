"""A manifest as an entry of Google's tags/list."""

from typing import Final, TypedDict

from crawler.emulator.manifests import INDEXES, Entry

UNKNOWN: Final = "0"
_WITHOUT_SIZE: Final = 8  # of 256 manifests
_WITHOUT_UPLOAD: Final = 5  # of 256 manifests


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
    drawn = int(manifest.digest[7:11], 16)
    size = manifest.size_bytes if drawn & 0xFF >= _WITHOUT_SIZE else 0
    uploaded_ms = entry.uploaded_ms if drawn >> 8 >= _WITHOUT_UPLOAD else 0
    return {
        "imageSizeBytes": UNKNOWN if manifest.media_type in INDEXES else str(size),
        "layerId": "",
        "mediaType": manifest.media_type,
        "tag": list(entry.tags),
        "timeCreatedMs": str(manifest.created_ms),
        "timeUploadedMs": str(uploaded_ms),
    }
