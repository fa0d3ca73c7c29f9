"""How the registry pages, catalog and listings alike: the distribution specification's `n`, `last` and Link."""

from bisect import bisect_right
from itertools import islice
from urllib.parse import quote, urlencode

from aiohttp import web

from crawler.emulator.errors import Refusal
from crawler.emulator.inventory import Listing, tags_of


def asked_length(request: web.Request) -> int | None:
    """The `n` of a request, None where it has none. Raises Refusal."""
    asked = request.query.get("n")
    if asked is None:
        return None
    try:
        n = int(asked)
    except ValueError:
        n = 0
    if n < 1:
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"invalid number of results requested: {asked!r}")
    return n


def next_link(path: str, **query: str | int) -> dict[str, str]:
    """The header that leads to the next page."""
    return {"Link": f'<{path}?{urlencode(query, quote_via=quote, safe="")}>; rel="next"'}


def listing_page(listing: Listing, *, last: str, n: int) -> tuple[Listing, str | None]:
    """The `n` images whose digests come after `last`, and the digest after which the next page begins, if there is one.

    An image's tags come with it. Children come on the first page, and count as nothing.
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
