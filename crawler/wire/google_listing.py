"""The images in a Google listing: the field `manifest` of `tags/list` on gcr.io and Artifact Registry.

    {"child": ["base"],
     "manifest": {"sha256:…": {"imageSizeBytes": "2796860", "layerId": "", "mediaType": "application/vnd.…",
                               "tag": ["3.11"], "timeCreatedMs": "1579294800000", "timeUploadedMs": "1579300000000"}},
     "name": "my-project/alpine", "tags": ["3.11"]}

(google/go-containerregistry, pkg/v1/google/list.go.) Numbers are JSON strings, and "0" means unknown.

The result is the same, whichever of the two readers below made it:
- one `Image` for each digest, ordered by digest;
- `tags` are strings without duplicates, in the registry's order;
- `media_type` is a string that is not empty, or None;
- `size_bytes` is from 1 to 2**63 - 1, or None;
- `created_at` and `uploaded_at` are RFC 3339 in UTC with milliseconds, from 1970 to 9999, or None. A created time of
  1970 or 1980 is the epoch of a reproducible build, and is kept.

**Two readers.** A listing can hold ten thousand images with five fields each. `images_of` reads images that msgspec has
decoded as `Manifest`, so that it need not look at any type. One image without the shape that Google writes sends the
whole listing to `parse_images`, which accepts anything and replaces nonsense by None. So the first reader has no rule
for nonsense, and a regular listing does not pay for one. The price is that an irregular listing is read almost twice.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.timestamps import MAX_TIME_MS, timestamp_of
from crawler.untrusted_text import printable
from crawler.wire.json_fields import parse_count, parse_strings, parse_text


class Manifest(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """An image in the shape that Google writes. Numbers are strings of digits.

    An unknown field is refused, because msgspec does not look into what it skips: bytes that are no JSON would pass.
    """

    tag: tuple[str, ...]
    media_type: str
    image_size_bytes: str
    time_created_ms: str
    time_uploaded_ms: str
    layer_id: str = ""


def images_of(manifests: Mapping[str, Manifest]) -> tuple[Image, ...]:
    """The images of a regular listing. Raises ValueError where `parse_images` has a rule for one of them."""
    if not manifests:
        return ()
    images = sorted(manifests.items())
    # One string of all numbers: one call finds a sign, a blank or a letter in any of them, which int() might accept.
    numbers = "".join(
        [f"{image.image_size_bytes}{image.time_created_ms}{image.time_uploaded_ms}" for _, image in images]
    )
    # A tag names one image, so that one set for all images finds a duplicate within one of them.
    tags = [tag for _, image in images for tag in image.tag]
    if not (numbers.isdigit() and numbers.isascii()) or len(set(tags)) < len(tags):
        raise ValueError("an image that does not have the shape that Google writes")
    return tuple(
        [
            Image(
                digest=digest,
                tags=image.tag,
                media_type=image.media_type or None,
                size_bytes=size if 0 < (size := int(image.image_size_bytes)) < 2**63 else None,
                created_at=timestamp_of(ms) if 0 < (ms := int(image.time_created_ms)) <= MAX_TIME_MS else None,
                uploaded_at=timestamp_of(ms) if 0 < (ms := int(image.time_uploaded_ms)) <= MAX_TIME_MS else None,
            )
            for digest, image in images
        ]
    )


def parse_images(manifests: Any) -> tuple[Image, ...]:
    """Parse the value of `manifest`, of any shape: what is missing or nonsense becomes None.

    Raises MalformedResponse where it, or one of its values, is not an object.
    """
    if not isinstance(manifests, dict):
        raise MalformedResponse("'manifest' is not an object")
    return tuple([_parse_image(digest, manifests[digest]) for digest in sorted(manifests)])


def _parse_image(digest: str, image: Any) -> Image:
    if not isinstance(image, dict):
        raise MalformedResponse(f"the manifest of {printable(digest, 80)!r} is not an object")
    return Image(
        digest=digest,
        tags=parse_strings(image.get("tag"), "tag")[0],
        media_type=parse_text(image.get("mediaType")),
        size_bytes=parse_count(image.get("imageSizeBytes")),
        created_at=_parse_time(image.get("timeCreatedMs")),
        uploaded_at=_parse_time(image.get("timeUploadedMs")),
    )


def _parse_time(value: Any) -> str | None:
    ms = parse_count(value)
    return None if ms is None or ms > MAX_TIME_MS else timestamp_of(ms)
