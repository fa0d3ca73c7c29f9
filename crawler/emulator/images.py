"""The generated images of a repository, in the format of Google's tags/list."""

from random import Random
from typing import TypedDict

_MEDIA_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_INDEX = _MEDIA_TYPES[2]

_HOUR_MS = 3_600_000
_LAST_UPLOAD_MS = 1_748_736_000_000  # 2025-06-01: fixed, so that the inventory does not depend on today's date
# What reproducible builds set "created" to: a second after 1970, or a second after 1980 (buildpacks/lifecycle).
_REPRODUCIBLE_MS = (1_000, 315_532_801_000)
UNKNOWN = "0"


class Image(TypedDict):
    """One entry of `manifest` in Google's listing. Sizes and times are decimal strings, "0" if unknown."""

    imageSizeBytes: str
    layerId: str
    mediaType: str
    tag: list[str]
    timeCreatedMs: str
    timeUploadedMs: str


def draw_images(draw: Random, *, tags: int) -> dict[str, Image]:
    """Images by digest, sorted, with `tags` tags in total. An image has up to three tags, or none."""
    images: dict[str, Image] = {}
    remaining = tags
    # Newest first, so that the newest image has "latest" and the highest release number.
    uploaded_ms = _LAST_UPLOAD_MS - int(draw.random() * 3 * 365 * 24 * _HOUR_MS)
    while remaining:
        digest = f"sha256:{draw.randbytes(32).hex()}"
        names = ["latest"] if remaining == tags else []
        names += (_release(remaining), f"sha-{digest[7:19]}", f"build-{remaining}")
        here = min(remaining, draw.choices((0, 1, 2, 3), cum_weights=(15, 80, 95, 100))[0])
        images[digest] = _image(draw, tags=sorted(names[:here]), uploaded_ms=uploaded_ms)
        remaining -= here
        uploaded_ms -= int(draw.random() * 12 * _HOUR_MS)
    return dict(sorted(images.items()))


def _release(number: int) -> str:
    return f"{number // 100}.{number // 10 % 10}.{number % 10}"


def _image(draw: Random, *, tags: list[str], uploaded_ms: int) -> Image:
    media_type = draw.choices(_MEDIA_TYPES, cum_weights=(60, 85, 100))[0]
    built_ms = uploaded_ms - int(draw.random() * _HOUR_MS)
    reproducible_ms = draw.choice(_REPRODUCIBLE_MS)
    created = draw.choices((str(built_ms), str(reproducible_ms), UNKNOWN), cum_weights=(85, 95, 100))[0]
    uploaded = draw.choices((str(uploaded_ms), UNKNOWN), cum_weights=(98, 100))[0]
    size = draw.choices((str(int(draw.lognormvariate(18, 1.2))), UNKNOWN), cum_weights=(97, 100))[0]
    return {
        "imageSizeBytes": UNKNOWN if media_type == _INDEX else size,
        "layerId": "",
        "mediaType": media_type,
        "tag": tags,
        "timeCreatedMs": created,
        "timeUploadedMs": uploaded,
    }
