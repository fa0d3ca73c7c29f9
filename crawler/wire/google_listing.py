"""The images in a Google listing: the field `manifest` of `tags/list` on gcr.io and Artifact Registry.

    {"child": ["base"],
     "manifest": {"sha256:…": {"imageSizeBytes": "2796860", "layerId": "", "mediaType": "application/vnd.…",
                               "tag": ["3.11"], "timeCreatedMs": "1579294800000", "timeUploadedMs": "1579300000000"}},
     "name": "my-project/alpine", "tags": ["3.11"]}

(google/go-containerregistry, pkg/v1/google/list.go.) Numbers are JSON strings, and "0" means unknown.

The result is the same, whichever of the two ways below parsed it:
- one `Image` for each digest, ordered by digest;
- `tags` are strings without duplicates, in the registry's order;
- `media_type` is a string that is not empty, or None;
- `size_bytes` is from 1 to 2**63 - 1, or None;
- `created_at` and `uploaded_at` are RFC 3339 in UTC with milliseconds, from 1970 to 9999, or None. A created time of
  1970 or 1980 is the epoch of a reproducible build, and is kept.

**Two ways.** A listing can hold ten thousand images with five fields each. Image by image, parsing them costs as much
as everything else that a listing costs. So the images are parsed by columns: all sizes at once, all times at once, and
so on. A check or a conversion is then one call of a function in C for all images, instead of some lines of Python for
every field of every image.

Columns work only while all images have the shape that Google writes. One image without that shape (`_Irregular`, and
the exceptions that `_parse_columns` names) sends the whole listing to the second way, image by image, which accepts
anything and replaces nonsense by None. So a column needs no rule for nonsense, and a regular listing does not pay for
one. The price is that an irregular listing is parsed almost twice.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.untrusted_text import printable
from crawler.wire.json_fields import ONLY_STRINGS, parse_count, parse_strings, parse_text

_FIELDS: Final = itemgetter("tag", "mediaType", "imageSizeBytes", "timeCreatedMs", "timeUploadedMs")
_ONLY_LISTS: Final = frozenset({list})

_EPOCH: Final = date(1970, 1, 1)
_MINUTES: Final = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS: Final = tuple(f"{millisecond:03}Z" for millisecond in range(1000))
_MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, after which neither datetime nor most tables have dates."""


_NOTHING: Final = repeat(None)
"""A column of a field that Google does not list."""
_NOT_LISTED: Final = (_NOTHING,) * len(Image._fields[Image._fields.index("uploaded_at") + 1 :])


class _Irregular(Exception):
    """An image does not have the shape that Google writes. Parse the images one by one."""


def parse_images(manifests: Any) -> tuple[Image, ...]:
    """Parse the value of `manifest`. Raises MalformedResponse where it, or one of its values, is not an object."""
    if not isinstance(manifests, dict):
        raise MalformedResponse("'manifest' is not an object")
    if not manifests:
        return ()
    digests = sorted(manifests)
    images = [*map(manifests.__getitem__, digests)]
    try:
        return _parse_columns(digests, images)
    except (_Irregular, KeyError, TypeError, ValueError):
        return tuple([_parse_image(digest, image) for digest, image in zip(digests, images, strict=True)])


def _parse_columns(digests: list[str], images: list[dict[str, Any]]) -> tuple[Image, ...]:
    """Parse images that all have the shape that Google writes; see the module's docstring for why by columns.

    Raises, for an image that does not have that shape:
        KeyError: a field is missing.
        TypeError: the image is not an object, a number is not a string, or a tag cannot be hashed.
        ValueError: a number is an empty string, or has more digits than int() accepts.
        _Irregular: anything else that the second way has a rule for.
    """
    tags, media_types, sizes, created, uploaded = zip(*map(_FIELDS, images), strict=True)
    # One string of all numbers: one call finds a sign, a blank or a letter in any of them, which int() might accept.
    numbers = "".join(sizes + created + uploaded)
    every_tag = [tag for image_tags in tags for tag in image_tags]
    if (
        not (numbers.isdigit() and numbers.isascii())
        or {*map(type, tags)} != _ONLY_LISTS
        or not {*map(type, every_tag), *map(type, media_types)} <= ONLY_STRINGS
        # A tag names one image, so that one set for all images finds a duplicate within one of them.
        or len({*every_tag}) < len(every_tag)
    ):
        raise _Irregular
    times = _timestamps(map(int, created + uploaded))
    columns = zip(
        digests,
        map(tuple, tags),
        _NOTHING,  # kind
        [media_type or None for media_type in media_types],
        _NOTHING,  # artifact_type
        _NOTHING,  # subject_digest
        [size if 0 < size < 2**63 else None for size in map(int, sizes)],
        times[: len(images)],
        times[len(images) :],
        *_NOT_LISTED,
        strict=False,  # some columns never end
    )
    # A named tuple's own __new__ is a Python function. tuple.__new__ makes the same object without calling it.
    return tuple(map(tuple.__new__, repeat(Image), columns))


def _parse_image(digest: str, image: Any) -> Image:
    """Parse one image of any shape: what is missing or nonsense becomes None. Raises MalformedResponse."""
    if not isinstance(image, dict):
        raise MalformedResponse(f"the manifest of {printable(digest, 80)!r} is not an object")
    created, uploaded = _timestamps(parse_count(image.get(field)) or 0 for field in ("timeCreatedMs", "timeUploadedMs"))
    return Image(
        digest=digest,
        tags=parse_strings(image.get("tag"), "tag")[0],
        media_type=parse_text(image.get("mediaType")),
        size_bytes=parse_count(image.get("imageSizeBytes")),
        created_at=created,
        uploaded_at=uploaded,
    )


def _timestamps(times_ms: Iterable[int]) -> list[str | None]:
    """Milliseconds since 1970 as RFC 3339 in UTC. None for 0, and for a time after the year 9999.

    Each image has two times, and formatting by datetime takes four times as long as these tables.
    """
    return [
        f"{_date(ms // 86_400_000)}{_MINUTES[ms // 60_000 % 1440]}{_SECONDS[ms // 1000 % 60]}{_MILLISECONDS[ms % 1000]}"
        if 0 < ms <= _MAX_TIME_MS
        else None
        for ms in times_ms
    ]


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    """The date so many days after 1970-01-01. Cached, because a registry's images share a few thousand dates."""
    return (_EPOCH + timedelta(days=days)).isoformat()
