"""`Link`: where a list goes on (RFC 8288; distribution-spec, "Listing Tags"). The URL in it is untrusted."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from crawler.errors import MalformedResponse

MAX_LINK_CHARACTERS: Final = 64 * 1024
"""Characters of all `Link` headers of a page together. Beyond it none of them is parsed."""

_QUOTES: Final = "\"'"
_ANGLES: Final = frozenset("<>")
_MIN_SHARED_COMPONENTS: Final = 3
"""Path components that a shorter link must share with the request's URL: `NAME/tags/list`."""


class _Link(NamedTuple):
    """One link of a header.

    Attributes:
        url: the target, or None where it cannot be parsed.
        relations: the values of the first `rel`, in lower case.
        text: where a relation may be named in a form that cannot be parsed: the parameters, or the whole link.
    """

    url: str | None
    relations: list[str]
    text: str


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the first link with the relation `next`, as the header has it, or None.

    A page whose headers mention a next page in a form that cannot be parsed is not the last page: so that raises
    MalformedResponse. So do more than MAX_LINK_CHARACTERS.
    """
    headers = tuple(headers)
    if sum(map(len, headers)) > MAX_LINK_CHARACTERS:
        raise MalformedResponse(f"more than {MAX_LINK_CHARACTERS:,} characters of Link headers")
    is_mentioned = False
    for header in headers:
        if "next" not in header.lower():
            continue
        for link in _LinkScanner(header).links():
            if link.url is not None and "next" in link.relations:
                return link.url
            is_mentioned = is_mentioned or "next" in link.text.lower()
    if is_mentioned:
        raise MalformedResponse("the next link cannot be read")
    return None


class _LinkScanner:
    """Scans a header from left to right. It looks at no character twice, because the header is untrusted.

    Two forms that RFC 8288 does not allow are accepted:
    - A link without <>: Cloudflare's serverless registry sends `http://HOST/v2/_catalog?last=x; rel=next`
      (cloudflare/serverless-registry, src/router.ts).
    - Single quotes around the relation.
    """

    def __init__(self, header: str) -> None:
        self._header = header
        self._end = len(header)
        self._at = 0

    def links(self) -> Iterator[_Link]:
        while self._at < self._end:
            if self._skip_blanks_and(","):
                yield self._link()

    def _link(self) -> _Link:
        start = self._at
        url: str | None
        if self._header[start] != "<":
            url = self._until(";,").strip() or None
        elif (url := self._until(">")[1:]) and self._at == self._end:
            url = None  # the bracket is never closed
        else:
            self._at += 1
            start = self._at  # `next` within the brackets does not name a relation
        if url is not None and not _ANGLES.isdisjoint(url):
            url = None
        relations = self._relations()
        return _Link(url and url.strip(), relations, self._header[start : self._at])

    def _relations(self) -> list[str]:
        """The values of the first `rel` (RFC 8288 §3.3: later ones are ignored). The parameters end at a comma."""
        relations: list[str] | None = None
        while self._skip_blanks_and(";") and self._header[self._at] != ",":
            name = self._until("=;,").strip().lower()
            value = self._parameter_value()
            if relations is None and name == "rel":
                relations = value.lower().split()
        return relations or []

    def _parameter_value(self) -> str:
        """The value after a parameter's `=`; "" where there is no `=`."""
        if self._at == self._end or self._header[self._at] != "=":
            return ""
        self._at += 1
        if self._skip_blanks_and("") and self._header[self._at] in _QUOTES:
            return self._quoted()
        return self._until("=;,").strip()

    def _quoted(self) -> str:
        """The text between quotes. A quote that is never closed reaches to the end of the header."""
        quote_mark = self._header[self._at]
        start = self._at = self._at + 1
        while self._at < self._end and (character := self._header[self._at]) != quote_mark:
            self._at += 2 if character == "\\" else 1
        text = self._header[start : self._at]
        self._at = min(self._at + 1, self._end)
        return text

    def _until(self, stops: str) -> str:
        """The text before the first of these characters, or before the end. The character itself is not consumed."""
        start = self._at
        while self._at < self._end and self._header[self._at] not in stops:
            self._at += 1
        return self._header[start : self._at]

    def _skip_blanks_and(self, more: str) -> bool:
        """Skip blanks and these characters. Returns whether anything follows them."""
        while self._at < self._end and ((character := self._header[self._at]).isspace() or character in more):
            self._at += 1
        return self._at < self._end


def next_url(link: str, requested: str) -> str:
    """The URL of the page after the page at `requested`.

    The next page is the same list with another cursor. So only the query is taken from the link, and all else from
    `requested`. That has three effects:
    - The request, with its credentials, stays on the registry's own origin.
    - A link to a wrong host or prefix works: Nexus (sonatype/nexus-public#1011).
    - A link that lost the prefix of the path works: Artifactory below `/artifactory/api/docker/KEY/`.

    Raises MalformedResponse for a link to anything but the same list.
    """
    here = urlsplit(requested)
    try:
        target = urlsplit(urljoin(requested, link))
    except ValueError as exc:
        raise MalformedResponse(f"the next link is not a URL: {exc}") from None
    if target.scheme not in {"http", "https"} or not _is_same_list(_endpoint(target.path), _endpoint(here.path)):
        raise MalformedResponse("the next link leads to another list")
    return here._replace(query=encoded(target.query)).geturl()


def _is_same_list(linked: str, requested: str) -> bool:
    """Whether two endpoints are of one list.

    Artifactory by repository path drops the first components of a name (renovatebot/renovate#15030, #20745).
    """
    is_suffix = f"/{requested}".endswith(f"/{linked}")
    return linked == requested or (is_suffix and len(linked.split("/")) >= _MIN_SHARED_COMPONENTS)


def _endpoint(path: str) -> str:
    """The part of a path that the specification defines: everything after the last `/v2/`."""
    return unquote(path).rpartition("/v2/")[2]


def encoded(url: str) -> str:
    """A URL, or a part of one, with all characters encoded that a request line cannot hold.

    What is encoded already is not encoded again. zot, for one, does not encode its cursors.
    Raises MalformedResponse for a surrogate that encodes no byte.
    """
    try:
        return quote(url, safe="%/?:@!$&'()*+,;=-._~#[]", errors="surrogateescape")
    except UnicodeEncodeError:
        raise MalformedResponse("a URL holds characters that are not Unicode text") from None
