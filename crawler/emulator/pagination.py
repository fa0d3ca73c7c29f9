"""Pagination of the catalog and of listings: `n`, `last` and Link of the distribution specification."""

from bisect import bisect_right
from itertools import islice
from urllib.parse import quote, urlencode

from aiohttp import web

from crawler.emulator.errors import RegistryError
from crawler.emulator.inventory import Listing, tags_of


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
