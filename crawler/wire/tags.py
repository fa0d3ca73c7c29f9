"""A repository's listing: `tags/list`, plain as the specification has it, or Google's with images and children."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crawler.errors import MalformedReply, printable
from crawler.model import Image, Listing, timestamp
from crawler.wire.fields import read_count, read_object, read_strings

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999, where datetime and most tables end


def read_listing(body: bytes) -> Listing:
    """Read one page of `tags/list`. Raises MalformedReply."""
    document = read_object(body)
    tags, skipped = read_strings(document.get("tags"), "tags")
    children = _children(document)
    suspect = f"{skipped} entries of the tag list are no strings" if skipped else None
    return Listing(tags, _images(document), children, suspect)


def merge_listings(pages: Iterable[Listing]) -> Listing:
    """Several pages of one repository as one listing: tags without duplicates, images by digest."""
    pages = list(pages)
    if len(pages) == 1:
        return pages[0]
    images = {image.digest: image for page in pages for image in page.images or ()}
    return Listing(
        tags=tuple(dict.fromkeys(tag for page in pages for tag in page.tags)),
        images=tuple(images[d] for d in sorted(images)) if any(p.images is not None for p in pages) else None,
        children=tuple(dict.fromkeys(child for page in pages for child in page.children or ()))
        if any(page.children is not None for page in pages)
        else None,
        suspect=next((page.suspect for page in pages if page.suspect), None),
    )


def _children(document: dict[str, Any]) -> tuple[str, ...] | None:
    if "child" not in document:
        return None
    return read_strings(document["child"], "child")[0]


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
    return timestamp(_EPOCH + timedelta(milliseconds=since_epoch))
