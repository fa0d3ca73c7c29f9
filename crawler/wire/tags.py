"""A page of `tags/list`: tags (distribution-spec, "Listing Tags"), and from Google also images and children."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.untrusted_text import printable
from crawler.wire.google_listing import Manifest, images_of, parse_images
from crawler.wire.json_fields import NEXT_IN_BODY, names_next_page, parse_object, parse_strings

_LISTING_FIELDS: Final = frozenset({"name", "tags", "manifest", "child"})


class _RegularPage(Struct, forbid_unknown_fields=True, gc=False):
    """A page in the shape that nearly every registry writes. An unknown field may name errors, or a next page."""

    tags: tuple[str, ...]
    name: str = ""
    manifest: dict[str, Manifest] | UnsetType = UNSET
    child: tuple[str, ...] | UnsetType = UNSET


_decode_regular: Final = Decoder(_RegularPage).decode


class ListingPage:
    """One page of `tags/list` in the form that the pager needs; see `registry.pager.Page`.

    `listing` does not carry NEXT_IN_BODY as its reason: the pager knows the Link headers, and decides.
    """

    def __init__(self, listing: Listing) -> None:
        self.names_next = listing.suspect == NEXT_IN_BODY
        self.listing = listing.replace(suspect=None) if self.names_next else listing

    @property
    def entries(self) -> Sequence[str]:
        """Tags, digests and children. A child is marked by a slash, because a tag may have the same name."""
        images = [image.digest for image in self.listing.images or ()]
        return [*self.listing.tags, *images, *(f"/{child}" for child in self.listing.children or ())]

    @property
    def ordered(self) -> Sequence[str]:
        page = self.listing
        return page.tags or [image.digest for image in page.images or ()] or page.children or ()

    @property
    def lengths(self) -> tuple[int, ...]:
        return lengths_of(self.listing)


def lengths_of(listing: Listing) -> tuple[int, int, int]:
    """The numbers of tags, images and children."""
    return len(listing.tags), len(listing.images or ()), len(listing.children or ())


def parse_listing(repository: str, body: bytes) -> Listing:
    """Parse one page of the repository's listing.

    `suspect` is set where entries were not strings, and to NEXT_IN_BODY where only the body names a next page.
    Raises MalformedResponse for a body that is no listing, that has errors beside the tags, or that lists another
    repository.

    A regular page is decoded into types at once, which takes a third of the time. Everything else is for `_parse_any`:
    it alone decides what is refused, and what is suspect.
    """
    try:
        page = _decode_regular(body)
        images = None if page.manifest is UNSET else images_of(page.manifest)
    except ValueError:  # msgspec's errors, and those of strings that are no UTF-8
        return _parse_any(repository, body)
    if page.name != repository and not _may_be_called(repository, page.name):
        return _parse_any(repository, body)
    return Listing(
        tags=_distinct(page.tags), images=images, children=None if page.child is UNSET else _distinct(page.child)
    )


def _distinct(strings: tuple[str, ...]) -> tuple[str, ...]:
    """The strings without duplicates, in their order. Nearly always there are none."""
    return strings if len(set(strings)) == len(strings) else tuple(dict.fromkeys(strings))


def _parse_any(repository: str, body: bytes) -> Listing:
    """The listing of a page of any shape; `parse_listing` reads what is regular faster, and as this would."""
    document = parse_object(body)
    if "tags" not in document and _LISTING_FIELDS.isdisjoint(document):
        raise MalformedResponse("a listing without tags, images or children")
    names_next = names_next_page(document)
    if "name" in document and document["name"] != repository and not _may_be_called(repository, document["name"]):
        raise MalformedResponse(f"the body lists another repository: {printable(str(document['name']), 200)}")
    listed = document.get("tags")
    tags, odd_tags = parse_strings(listed, "tags")
    children, odd_children = parse_strings(document["child"], "child") if "child" in document else (None, 0)
    suspect = _suspect_reason(tags, listed or (), odd_tags, odd_children) if odd_tags or odd_children else None
    return Listing(
        tags=tags,
        images=parse_images(document["manifest"] or {}) if "manifest" in document else None,
        children=children,
        suspect=suspect or (NEXT_IN_BODY if names_next else None),
    )


def _suspect_reason(tags: Sequence[str], listed: Sequence[Any], odd_tags: int, odd_children: int) -> str | None:
    """Why a listing with entries that are not strings may be incomplete, or None.

    Nexus writes null in place of a tag that it no longer has (containers/skopeo#2409), so that a null beside tags is
    harmless. Nulls alone are not proof of an empty repository. A child that is not a string hides a whole subtree.
    """
    nulls = listed.count(None)
    if not tags and nulls == len(listed) > 0:
        return "the listing has no tags but null"
    odd = odd_tags - nulls + odd_children
    return f"{odd} entries of the listing are not strings" if odd else None


def _may_be_called(repository: str, name: Any) -> bool:
    """Whether a listing's `name` may mean the repository that was requested under another name.

    The check finds the response to another request, from a cache whose key is too short, or left on a connection. But
    a registry may have another name for the repository:
    - Behind a proxy or a path of its own it may drop or add leading components: Artifactory by repository path drops
      the first ones (renovatebot/renovate#15030).
    - Some registries leave the name out, or empty.
    - A name with fewer components, of which the first is another, may be the name in the system behind the registry.
    """
    if not isinstance(name, str) or not name:
        return True
    if f"/{repository}".endswith(f"/{name}") or f"/{name}".endswith(f"/{repository}"):
        return True
    is_shorter = name.count("/") < repository.count("/")
    return is_shorter and name.partition("/")[0] != repository.partition("/")[0]


def merge_listings(pages: Sequence[Listing]) -> Listing:
    """Merge the pages of one repository: tags and children without duplicates in order, images by digest.

    `images` and `children` are None only where no page has them. The first page that is suspect makes the listing so.
    """
    if len(pages) == 1:
        return pages[0]
    return Listing(
        tags=tuple(dict.fromkeys(tag for page in pages for tag in page.tags)),
        images=_merge_images([page.images for page in pages if page.images is not None]),
        children=_merge_children([page.children for page in pages if page.children is not None]),
        suspect=next((page.suspect for page in pages if page.suspect), None),
    )


def _merge_images(pages: Sequence[tuple[Image, ...]]) -> tuple[Image, ...] | None:
    """An image on several pages has the tags of all of them, and the other fields of the last."""
    images: dict[str, Image] = {}
    for image in chain.from_iterable(pages):
        earlier = images.get(image.digest)
        tags = image.tags if earlier is None else tuple(dict.fromkeys(earlier.tags + image.tags))
        images[image.digest] = image.replace(tags=tags)
    return tuple(images[digest] for digest in sorted(images)) if pages else None


def _merge_children(pages: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(chain.from_iterable(pages))) if pages else None
