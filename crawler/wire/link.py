"""`Link`: where a list goes on (RFC 8288; distribution-spec, "Listing Tags"). Its URL is untrusted."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from crawler.errors import MalformedResponse

MAX_LINK_HEADER: Final = 64 * 1024
"""Characters of all `Link` headers of a page together, beyond which none of them is read."""

_QUOTES: Final = "\"'"
_ANGLES: Final = frozenset("<>")
_SHORTEST_SHARED_PATH: Final = 3
"""Components that a link's path must share with ours, where it is shorter: `NAME/tags/list`."""


class _Link(NamedTuple):
    """`url` is None where it cannot be read, `unread` all that may name the relation in a way of its own."""

    url: str | None
    relations: list[str]
    unread: str


def next_link(values: Iterable[str]) -> str | None:
    """The target of the first link whose relation is `next`, as it stands there, or None.

    Raises MalformedReply where a link mentions a next page, and none can be read: such a page is not the last.
    """
    values = tuple(values)
    if sum(map(len, values)) > MAX_LINK_HEADER:
        raise MalformedResponse(f"more than {MAX_LINK_HEADER:,} characters of Link headers")
    mentioned = False
    for value in values:
        if "next" not in value.lower():
            continue
        for link in _Scanner(value).links():
            if link.url is not None and "next" in link.relations:
                return link.url
            mentioned = mentioned or "next" in link.unread.lower()
    if mentioned:
        raise MalformedResponse("the next link cannot be read")
    return None


class _Scanner:
    """Reads a header's value from left to right, and looks at no character twice: the value is untrusted.

    A link without <> is read too: Cloudflare's serverless registry writes `http://HOST/v2/_catalog?last=x; rel=next`
    (cloudflare/serverless-registry, src/router.ts). So are single quotes around the relation.
    """

    def __init__(self, value: str) -> None:
        self._value = value
        self._end = len(value)
        self._at = 0

    def links(self) -> Iterator[_Link]:
        while self._at < self._end:
            if self._skip_blanks_and(","):
                yield self._link()

    def _link(self) -> _Link:
        start = self._at
        url: str | None
        if self._value[start] != "<":
            url = self._until(";,").strip() or None
        elif (url := self._until(">")[1:]) and self._at == self._end:
            url = None  # it has no end
        else:
            self._at += 1
            start = self._at  # what is read in brackets is no relation
        if url is not None and not _ANGLES.isdisjoint(url):
            url = None
        relations = self._relations()
        return _Link(url and url.strip(), relations, self._value[start : self._at])

    def _relations(self) -> list[str]:
        """What the first `rel` of the parameters names (RFC 8288 §3.3), which end at a comma."""
        relations: list[str] | None = None
        while self._skip_blanks_and(";") and self._value[self._at] != ",":
            name = self._until("=;,").strip().lower()
            value = self._parameter_value()
            if relations is None and name == "rel":
                relations = value.lower().split()
        return relations or []

    def _parameter_value(self) -> str:
        """What stands behind a parameter's `=`; "" where there is none."""
        if self._at == self._end or self._value[self._at] != "=":
            return ""
        self._at += 1
        if self._skip_blanks_and("") and self._value[self._at] in _QUOTES:
            return self._quoted()
        return self._until("=;,").strip()

    def _quoted(self) -> str:
        """What stands between quotes; those that never close hold all that follows."""
        quote_mark = self._value[self._at]
        start = self._at = self._at + 1
        while self._at < self._end and (here := self._value[self._at]) != quote_mark:
            self._at += 2 if here == "\\" else 1
        text = self._value[start : self._at]
        self._at = min(self._at + 1, self._end)
        return text

    def _until(self, stops: str) -> str:
        """All up to the first of these characters, which is not taken, or to the end."""
        start = self._at
        while self._at < self._end and self._value[self._at] not in stops:
            self._at += 1
        return self._value[start : self._at]

    def _skip_blanks_and(self, more: str) -> bool:
        """Whether anything is left behind blanks, and these characters."""
        while self._at < self._end and ((here := self._value[self._at]).isspace() or here in more):
            self._at += 1
        return self._at < self._end


def next_url(link: str, requested: str) -> str:
    """The address of the page after the one at `requested`.

    A next page is the same list with another cursor, so all that is taken from the link is its query. That keeps the
    request on the registry's own origin, and mends links that name a wrong host (Nexus) or lose the path's prefix
    (Artifactory) behind a proxy. Raises MalformedReply for a link that leads to anything but the same list.
    """
    here = urlsplit(requested)
    try:
        target = urlsplit(urljoin(requested, link))
    except ValueError as fault:
        raise MalformedResponse(f"the next link is no address: {fault}") from None
    if target.scheme not in {"http", "https"} or not _is_same_list(_endpoint(target.path), _endpoint(here.path)):
        raise MalformedResponse("the next link leads away from the list that it should continue")
    return here._replace(query=encoded(target.query)).geturl()


def _is_same_list(linked: str, requested: str) -> bool:
    """Artifactory by repository path loses the first components of a name (renovatebot/renovate#15030, #20745)."""
    is_suffix = f"/{requested}".endswith(f"/{linked}")
    return linked == requested or (is_suffix and len(linked.split("/")) >= _SHORTEST_SHARED_PATH)


def page_size_of(url: str) -> int | None:
    """The `n` that a page was asked for with, or None."""
    sizes = _values(url, "n")
    return int(sizes[0]) if len(sizes) == 1 and sizes[0].isascii() and sizes[0].isdigit() else None


def with_cursor(url: str, last: str) -> str:
    """The URL of the page behind the entry `last`, by a cursor of our own making; all else stays as it is."""
    return _with_parameter(url, "last", quote(last, safe=""))


def has_cursor(url: str, last: str) -> bool:
    """Whether the cursor of a page's URL is plainly this entry, and nothing else that only its registry can make."""
    return [unquote(value) for value in _values(url, "last")] == [last]


def leads_to_the_beginning(url: str) -> bool:
    """Whether a page's URL has a cursor that is empty, and none beside it.

    Cloudflare's serverless registry links from every page, and so from the empty one behind the last.
    """
    names = {part.partition("=")[0] for part in url.partition("?")[2].split("&")}
    return names <= {"n", "last"} and _values(url, "last") == [""]


def with_page_size(address: str, size: int | None) -> str:
    """The address of a list's page, asked for in pages of `size` entries; None leaves the size to the registry.

    All else of the query is the registry's cursor, and stays as it is.
    """
    return _with_parameter(address, "n", None if size is None else str(size))


def _with_parameter(url: str, name: str, value: str | None) -> str:
    path, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(f"{name}=")]
    if value is not None:
        kept.append(f"{name}={value}")
    return f"{path}?{'&'.join(kept)}" if kept else path


def _values(url: str, name: str) -> list[str]:
    """The values of a query's parameter, as they stand there."""
    return [part.partition("=")[2] for part in url.partition("?")[2].split("&") if part.startswith(f"{name}=")]


def encoded(address: str) -> str:
    """An address, or a part of one, fit for a request line: what is encoded already stays as it is.

    zot leaves its cursors unencoded. Raises MalformedReply for what is no text.
    """
    try:
        return quote(address, safe="%/?:@!$&'()*+,;=-._~#[]", errors="surrogateescape")
    except UnicodeEncodeError:
        raise MalformedResponse("an address holds what is no text") from None


def _endpoint(path: str) -> str:
    """What the specification defines of a path: all from the last `/v2/` on."""
    return unquote(path).rpartition("/v2/")[2]
