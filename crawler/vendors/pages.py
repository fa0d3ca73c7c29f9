"""Lists of an API whose pages follow each other by a URL."""

from collections.abc import AsyncIterator, Callable
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse, UnusableResponse
from crawler.registry.cursor import Cursor
from crawler.transport.messages import Headers, Purpose, Request
from crawler.wire.link import encoded, next_link

T = TypeVar("T")


class LinkedPage(NamedTuple, Generic[T]):
    """One page: the headers of its response, and what was parsed from its body."""

    headers: Headers
    value: T


async def linked_pages(
    client: AuthenticatedClient, url: str, parse: Callable[[bytes], T], scope: str = NO_SCOPE
) -> AsyncIterator[LinkedPage[T]]:
    """The pages of a list that names its next page in a `Link` header (RFC 8288), from the page at `url` on.

    Raises what `AuthenticatedClient.get` raises, and UnusableResponse for links that do not end.
    """
    cursor = Cursor(url)
    while not cursor.is_over:
        url = cursor.token
        headers, value = await client.get(url, scope, parse, Purpose.API)
        yield LinkedPage(headers, value)
        cursor.follow(next_page(url, headers), url)


def same_list(link: str, requested: str) -> str:
    """The URL of a next page that a response names: the list that was requested, with the query of the link.

    So a link never takes the credentials anywhere else. GitHub's links have other paths than the requests
    (`/organizations/9919/packages` for `/orgs/github/packages`), and a proxy's API names a host of its own.
    Raises MalformedResponse for a link that is no URL.
    """
    try:
        query = urlsplit(urljoin(requested, link)).query
    except ValueError as exc:
        raise MalformedResponse(f"the next link is not a URL: {exc}") from None
    return urlsplit(requested)._replace(query=encoded(query)).geturl()


def next_page(url: str, headers: Headers) -> str:
    """The URL of the page after the page at `url`; "" after the last.

    Raises UnusableResponse for a link that cannot be read.
    """
    try:
        link = next_link(headers.getall("Link", ()))
        return "" if link is None else same_list(link, url)
    except MalformedResponse as exc:
        raise UnusableResponse(Request(url=url).summary, code=exc.code, message=str(exc), http_status=200) from None
