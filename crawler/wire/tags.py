"""A repository's listing: `tags/list`, plain as the specification has it, or Google's with images and children."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from crawler.errors import MalformedReply, printable
from crawler.model import Image, Listing
from crawler.wire.fields import read_count, read_object, read_strings

_LISTINGS_KEYS: Final = frozenset({"name", "tags", "manifest", "child"})
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  (UTC is meant, and written as Z)
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999, where datetime and most tables end


def read_listing(body: bytes) -> Listing:
    """Read one page of `tags/list`. Raises MalformedReply."""
    document = read_object(body)
    if _LISTINGS_KEYS.isdisjoint(document):
        raise MalformedReply("a listing without tags, images or children")
    tags, no_tags = read_strings(document.get("tags"), "tags")
    children, no_children = read_strings(document.get("child"), "child")
    if no_tags:
        no_tags -= document["tags"].count(None)  # Nexus writes null for a tag that it has no more; a child is a subtree
    skipped = no_tags + no_children
    return Listing(
        tags=tags,
        images=_images(document),
        children=children if "child" in document else None,
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
        images[image.digest] = replace(image, tags=tags)
    return tuple(images[digest] for digest in sorted(images)) if pages else None


def _merged_children(pages: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(chain.from_iterable(pages))) if pages else None


def _images(document: dict[str, Any]) -> tuple[Image, ...] | None:
    if "manifest" not in document:
        return None
    manifests = document["manifest"] or {}
    if not isinstance(manifests, dict):
        raise MalformedReply("'manifest' is not an object")
    return tuple(_image(digest, manifests[digest]) for digest in sorted(manifests))


def _image(digest: str, told: Any) -> Image:
    if not isinstance(told, dict):
        raise MalformedReply(f"the manifest of {printable(digest, 80)!r} is not an object")
    media_type = told.get("mediaType")
    return Image(
        digest=digest,
        tags=read_strings(told.get("tag"), "tag")[0],
        media_type=media_type if isinstance(media_type, str) and media_type else None,
        size_bytes=read_count(told.get("imageSizeBytes")),
        created_at=_moment(told.get("timeCreatedMs")),
        uploaded_at=_moment(told.get("timeUploadedMs")),
    )


def _moment(milliseconds: Any) -> str | None:
    since_epoch = read_count(milliseconds)
    if since_epoch is None or since_epoch > _LAST_MS:
        return None
    return (_EPOCH + timedelta(milliseconds=since_epoch)).isoformat(timespec="milliseconds") + "Z"
