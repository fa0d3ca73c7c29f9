"""A repository's listing: `tags/list`, plain as the specification has it, or Google's with images and children."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.untrusted_text import printable
from crawler.wire.json_fields import (
    NEXT_IN_BODY,
    ONLY_STRINGS,
    names_next_page,
    parse_count,
    parse_object,
    parse_strings,
    parse_text,
)

_LISTINGS_KEYS: Final = frozenset({"name", "tags", "manifest", "child"})
_COLUMNS: Final = itemgetter("tag", "mediaType", "imageSizeBytes", "timeCreatedMs", "timeUploadedMs")
_LISTS: Final = frozenset({list})

_EPOCH: Final = date(1970, 1, 1)
_MINUTES: Final = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS: Final = tuple(f"{millisecond:03}Z" for millisecond in range(1000))
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999, where datetime and most tables end


class ListingPage:
    """One page of `tags/list`, as a pager has to know it."""

    def __init__(self, listing: Listing) -> None:
        self.names_next = listing.suspect == NEXT_IN_BODY
        self.listing = replace(listing, suspect=None) if self.names_next else listing

    @property
    def entries(self) -> Sequence[str]:
        """All that the page holds, a child marked as one: it may have a tag's name."""
        images = [image.digest for image in self.listing.images or ()]
        return [*self.listing.tags, *images, *(f"/{child}" for child in self.listing.children or ())]

    @property
    def ordered(self) -> Sequence[str]:
        """The entries by which a `last` goes on."""
        page = self.listing
        return page.tags or [image.digest for image in page.images or ()] or page.children or ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """By how many entries the registry may have measured the page."""
        return lengths_of(self.listing)


def lengths_of(listing: Listing) -> tuple[int, int, int]:
    """How many tags, images and children there are."""
    return len(listing.tags), len(listing.images or ()), len(listing.children or ())


def parse_listing(repository: str, body: bytes) -> Listing:
    """Read one page of the repository's listing. Raises MalformedReply, also where it is another repository's."""
    document = parse_object(body)
    if "tags" not in document and _LISTINGS_KEYS.isdisjoint(document):
        raise MalformedResponse("a listing without tags, images or children")
    names_next = names_next_page(document)
    if "name" in document and document["name"] != repository and not _is_named(repository, document["name"]):
        raise MalformedResponse(f"the body lists another repository: {printable(str(document['name']), 200)}")
    listed = document["tags"] if "tags" in document else None  # noqa: SIM401  (get is a call more, for each listing)
    tags, odd_tags = parse_strings(listed, "tags")
    children, odd_children = parse_strings(document["child"], "child") if "child" in document else (None, 0)
    suspect = _suspect_reason(tags, listed or (), odd_tags, odd_children) if odd_tags or odd_children else None
    return Listing(
        tags=tags,
        images=_images(document["manifest"] or {}) if "manifest" in document else None,
        children=children,
        suspect=suspect or (NEXT_IN_BODY if names_next else None),
    )


def _suspect_reason(tags: Sequence[str], listed: Sequence[Any], odd_tags: int, odd_children: int) -> str | None:
    """Why a listing with entries that are no strings may not be whole, or None.

    Nexus writes null for a tag that it has no more (podman-container-tools/skopeo#2409), but a listing of nulls alone
    lists nothing. A child that is no string is a whole subtree.
    """
    nulls = listed.count(None)
    if not tags and nulls == len(listed) > 0:
        return "the listing has no tags but null"
    odd = odd_tags - nulls + odd_children
    return f"{odd} entries of the listing are no strings" if odd else None


def _is_named(repository: str, name: Any) -> bool:
    """Whether a listing's body may call the repository so.

    Behind a proxy or a path of its own a registry knows it by a shorter or a longer name, and some leave the name out.
    """
    if not isinstance(name, str) or not name:
        return True
    if f"/{repository}".endswith(f"/{name}") or f"/{name}".endswith(f"/{repository}"):
        return True
    is_shorter = name.count("/") < repository.count("/")
    return is_shorter and name.partition("/")[0] != repository.partition("/")[0]


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
        raise MalformedResponse("'manifest' is not an object")
    if not manifests:
        return ()
    digests = sorted(manifests)
    told = [*map(manifests.__getitem__, digests)]
    try:
        return _parse_columns(digests, told)
    except (_IrregularError, KeyError, TypeError, ValueError):
        return tuple([_image(digest, image) for digest, image in zip(digests, told, strict=True)])


class _IrregularError(Exception):
    """An image that is not as Google writes them; it is read by itself, and what of it is nonsense left out."""


def _parse_columns(digests: list[str], told: list[dict[str, Any]]) -> tuple[Image, ...]:
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
        raise _IrregularError
    moments = _timestamps(map(int, created + uploaded))
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
        raise MalformedResponse(f"the manifest of {printable(digest, 80)!r} is not an object")
    created, uploaded = _timestamps(parse_count(told.get(field)) or 0 for field in ("timeCreatedMs", "timeUploadedMs"))
    return Image(
        digest=digest,
        tags=parse_strings(told.get("tag"), "tag")[0],
        media_type=parse_text(told.get("mediaType")),
        size_bytes=parse_count(told.get("imageSizeBytes")),
        created_at=created,
        uploaded_at=uploaded,
    )


def _timestamps(milliseconds: Iterable[int]) -> list[str | None]:
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
