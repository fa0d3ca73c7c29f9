"""A repository's listing: `tags/list`, plain as the specification has it, or Google's with images and children."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final

from crawler.errors import MalformedReply, printable
from crawler.model import Image, Listing
from crawler.wire.fields import ONLY_STRINGS, read_count, read_object, read_strings, read_text

_LISTINGS_KEYS: Final = frozenset({"name", "tags", "manifest", "child"})
_COLUMNS: Final = itemgetter("tag", "mediaType", "imageSizeBytes", "timeCreatedMs", "timeUploadedMs")
_LISTS: Final = frozenset({list})

_EPOCH: Final = date(1970, 1, 1)
_MINUTES: Final = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS: Final = tuple(f"{millisecond:03}Z" for millisecond in range(1000))
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999, where datetime and most tables end


def read_listing(body: bytes) -> Listing:
    """Read one page of `tags/list`. Raises MalformedReply."""
    document = read_object(body)
    if "tags" not in document and _LISTINGS_KEYS.isdisjoint(document):
        raise MalformedReply("a listing without tags, images or children")
    tags, skipped = read_strings(document.get("tags"), "tags")
    if skipped:
        skipped -= document["tags"].count(None)  # Nexus writes null for a tag that it has no more; a child is a subtree
    children = None
    if "child" in document:
        children, no_children = read_strings(document["child"], "child")
        skipped += no_children
    return Listing(
        tags=tags,
        images=_images(document["manifest"] or {}) if "manifest" in document else None,
        children=children,
        suspect=f"{skipped} entries of the listing are no strings" if skipped else None,
    )


def merge_listings(pages: Sequence[Listing]) -> Listing:
    """Several pages of one repository as one listing: tags without duplicates, images by digest."""
    if len(pages) == 1:
        return pages[0]
    return Listing(
        tags=tuple(dict.fromkeys(tag for page in pages for tag in page.tags)),
        images=_merged_images([page.images for page in pages if page.images is not None]),
        children=_merged_children([page.children for page in pages if page.children is not None]),
        suspect=next((page.suspect for page in pages if page.suspect), None),
    )


def _merged_images(pages: Sequence[tuple[Image, ...]]) -> tuple[Image, ...] | None:
    """An image that several pages tell of has the tags of all of them."""
    images: dict[str, Image] = {}
    for image in chain.from_iterable(pages):
        known = images.get(image.digest)
        tags = image.tags if known is None else tuple(dict.fromkeys(known.tags + image.tags))
        images[image.digest] = image._replace(tags=tags)
    return tuple(images[digest] for digest in sorted(images)) if pages else None


def _merged_children(pages: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(chain.from_iterable(pages))) if pages else None


def _images(manifests: Any) -> tuple[Image, ...]:
    if not isinstance(manifests, dict):
        raise MalformedReply("'manifest' is not an object")
    if not manifests:
        return ()
    digests = sorted(manifests)
    told = [*map(manifests.__getitem__, digests)]
    try:
        return _alike(digests, told)
    except (_OddError, KeyError, TypeError, ValueError):
        return tuple([_image(digest, image) for digest, image in zip(digests, told, strict=True)])


class _OddError(Exception):
    """An image that is not as Google writes them; it is read by itself, and what of it is nonsense left out."""


def _alike(digests: list[str], told: list[dict[str, Any]]) -> tuple[Image, ...]:
    """Images as Google writes them, column by column: one by one they would cost as much as all the rest of a listing.

    Raises _OddError, KeyError, TypeError or ValueError where one is not so.
    """
    tags, kinds, sizes, created, uploaded = zip(*map(_COLUMNS, told), strict=True)
    numbers = "".join(sizes + created + uploaded)
    every_tag = [tag for several in tags for tag in several]
    if (
        not (numbers.isdigit() and numbers.isascii())
        or {*map(type, tags)} != _LISTS
        or not {*map(type, every_tag), *map(type, kinds)} <= ONLY_STRINGS
        or len({*every_tag}) < len(every_tag)
    ):
        raise _OddError
    moments = _moments(map(int, created + uploaded))
    columns = zip(
        digests,
        map(tuple, tags),
        [kind or None for kind in kinds],
        [size if 0 < size < 2**63 else None for size in map(int, sizes)],
        moments[: len(told)],
        moments[len(told) :],
        strict=True,
    )
    return tuple(map(tuple.__new__, repeat(Image), columns))


def _image(digest: str, told: Any) -> Image:
    if not isinstance(told, dict):
        raise MalformedReply(f"the manifest of {printable(digest, 80)!r} is not an object")
    created, uploaded = _moments(read_count(told.get(field)) or 0 for field in ("timeCreatedMs", "timeUploadedMs"))
    return Image(
        digest=digest,
        tags=read_strings(told.get("tag"), "tag")[0],
        media_type=read_text(told.get("mediaType")),
        size_bytes=read_count(told.get("imageSizeBytes")),
        created_at=created,
        uploaded_at=uploaded,
    )


def _moments(milliseconds: Iterable[int]) -> list[str | None]:
    """Times since the epoch in RFC 3339, None for 0.

    From tables, because there are two for each image, and datetime takes four times as long.
    """
    return [
        f"{_date(ms // 86_400_000)}{_MINUTES[ms // 60_000 % 1440]}{_SECONDS[ms // 1000 % 60]}{_MILLISECONDS[ms % 1000]}"
        if 0 < ms <= _LAST_MS
        else None
        for ms in milliseconds
    ]


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()
