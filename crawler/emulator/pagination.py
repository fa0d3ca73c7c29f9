"""Pagination of the catalog and of listings: `n`, `last` and Link of the distribution specification."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import TypedDict
from urllib.parse import quote, urlencode

from aiohttp import web

from crawler.emulator.errors import RegistryError
from crawler.emulator.inventory import Listing, tags_of
from crawler.emulator.manifests import Json


class PlainListing(TypedDict):
    """The body of tags/list in the distribution specification."""

    name: str
    tags: list[str]


def requested_page_size(request: web.Request) -> int | None:
    """The `n` of a request, or None. Raises RegistryError unless `n` is a positive number."""
    value = request.query.get("n")
    if value is None:
        return None
    try:
        n = int(value)
    except ValueError:
        n = 0
    if n < 1:
        raise RegistryError(400, "PAGINATION_NUMBER_INVALID", f"invalid number of results requested: {value!r}")
    return n


def next_link(path: str, **query: str | int) -> dict[str, str]:
    """The Link header with the URL of the next page."""
    return {"Link": f'<{path}?{urlencode(query, quote_via=quote, safe="")}>; rel="next"'}


def listing_page(listing: Listing, *, last: str, n: int) -> tuple[Listing, str | None]:
    """The `n` images whose digests come after `last`, and the `last` of the next page, or None on the last page.

    A page holds the tags of its own images. Children are on the first page and do not count towards `n`.
    """
    digests = list(listing["manifest"])
    start = bisect_right(digests, last)
    images = dict(islice(listing["manifest"].items(), start, start + n))
    page: Listing = {
        "child": [] if last else listing["child"],
        "manifest": images,
        "name": listing["name"],
        "tags": tags_of(images),
    }
    return page, digests[start + n - 1] if start + n < len(digests) else None


def plain_listing_page(listing: Listing, *, last: str, n: int) -> tuple[PlainListing, str | None]:
    """The `n` tags after `last`, and the `last` of the next page, or None on the last page."""
    tags = listing["tags"]
    start = bisect_right(tags, last)
    end = start + n
    page: PlainListing = {"name": listing["name"], "tags": tags[start:end]}
    return page, tags[end - 1] if end < len(tags) else None


def referrers_page(found: Sequence[Json], *, last: str, n: int) -> tuple[Sequence[Json], str | None]:
    """The `n` descriptors whose digests come after `last`, and the `last` of the next page, or None on the last page.

    `found` is sorted by digest.
    """
    start = bisect_right(found, last, key=lambda descriptor: str(descriptor["digest"]))
    page = found[start : start + n]
    return page, page[-1]["digest"] if start + n < len(found) else None
