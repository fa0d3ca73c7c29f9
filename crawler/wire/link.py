"""`Link`: where a list goes on (RFC 8288; distribution-spec, "Listing Tags"). The address is a stranger's."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urljoin, urlsplit

from crawler.errors import MalformedReply

# A link's parameters end at the next comma that no quotes hold; quotes that nobody closes hold all that follows.
_LINK = re.compile(r'<([^<>]*)>((?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^"<,])*)', re.DOTALL)
_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?', re.DOTALL)

_NAMES_NEXT = re.compile(r"\brel\s*=\s*\"?\s*next\b", re.IGNORECASE)


def next_link(values: Iterable[str]) -> str | None:
    """The target of the first link whose relation is `next`, as it stands there, or None.

    Raises MalformedReply where a next page is named, and its address cannot be read.
    """
    for value in values:
        for target, parameters in _LINK.findall(value):
            if "next" in _relations(parameters):
                return str(target).strip()
        if _NAMES_NEXT.search(_LINK.sub("", value)):
            raise MalformedReply("the next link cannot be read")
    return None


def _relations(parameters: str) -> list[str]:
    for name, quoted, bare in _PARAMETER.findall(parameters):
        if name.lower() == "rel":
            return str(quoted or bare).lower().split()  # only the first rel counts: RFC 8288 §3.3
    return []


def next_address(link: str, requested: str) -> str:
    """The address of the page after the one at `requested`.

    A next page is the same list with another cursor, so all that is taken from the link is its query. That keeps the
    request on the registry's own origin, and mends links that name a wrong host (Nexus) or lose the path's prefix
    (Artifactory) behind a proxy. Raises MalformedReply for a link that leads to anything but the same list.
    """
    here = urlsplit(requested)
    try:
        target = urlsplit(urljoin(requested, link))
    except ValueError as fault:
        raise MalformedReply(f"the next link is no address: {fault}") from None
    if target.scheme not in {"http", "https"} or _endpoint(target.path) != _endpoint(here.path):
        raise MalformedReply("the next link leads away from the list that it should continue")
    return here._replace(query=encoded(target.query)).geturl()


def with_page_size(address: str, size: int | None) -> str:
    """The address of a list's page, asked for in pages of `size` entries; None leaves the size to the registry.

    All else of the query is the registry's cursor, and stays as it is.
    """
    path, _, query = address.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("n=")]
    if size is not None:
        kept.append(f"n={size}")
    return f"{path}?{'&'.join(kept)}" if kept else path


def encoded(address: str) -> str:
    """An address, or a part of one, fit for a request line: what is encoded already stays as it is.

    zot leaves its cursors unencoded. Raises MalformedReply for what is no text.
    """
    try:
        return quote(address, safe="%/?:@!$&'()*+,;=-._~#[]", errors="surrogateescape")
    except UnicodeEncodeError:
        raise MalformedReply("an address holds what is no text") from None


def _endpoint(path: str) -> str:
    """What the specification defines of a path: all from the last `/v2/` on."""
    return unquote(path).rpartition("/v2/")[2]
