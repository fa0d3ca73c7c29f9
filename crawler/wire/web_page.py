"""An HTML page in place of JSON: a login page, a captive portal, the error page of a gateway."""

import html
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from crawler.untrusted_text import printable

LOGIN_ADVICE: Final = (
    "the address may be behind a single sign-on or a captive portal (exempt /v2/ from it, or log in), "
    "or be that of a web interface (check the host, its port and registry.api_path)"
)
"""What the operator can check where an HTML page came in place of a registry's response."""

_MAX_BYTES: Final = 16 * 1024
"""Bytes of a body that are parsed. A page's title is near its beginning."""

_PAGE_START: Final = re.compile(rb"<(?:!doctype\s{1,9}html|html|head|title|body)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title\b[^>]{0,200}>(.{0,1000}?)</title", re.DOTALL | re.IGNORECASE)
_NOT_TEXT: Final = re.compile(r"<(title|style|script)\b.*?</\1[^>]*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class WebPage(NamedTuple):
    """An HTML page: its title, or "", and the beginning of its visible text. Neither is escaped."""

    title: str
    text: str

    def __str__(self) -> str:
        """A description for an error message, escaped and capped."""
        titled = f", titled '{printable(self.title, 80)}'" if self.title else ""
        return f"an HTML page came where JSON was due{titled}"


def parse_web_page(body: bytes) -> WebPage | None:
    """The HTML page that a body is, or None for any other body. Raises nothing."""
    start = body[:_MAX_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()  # without a byte order mark
    if not start.startswith(b"<") or _PAGE_START.search(start[:1024]) is None:
        return None
    markup = start.decode("utf-8", "replace")
    found = _TITLE.search(markup)
    title = " ".join(html.unescape(found[1]).split()) if found else ""
    return WebPage(title, visible_text(markup[:4096]).removeprefix(title).lstrip())


def visible_text(markup: str) -> str:
    """The text of HTML or XML in one line, without title, styles and scripts. Plain text stays as it is."""
    return " ".join(html.unescape(_NOT_TEXT.sub(" ", markup)).split())


def redirect_message(redirected_to: str) -> str:
    """`, after a redirect to https://HOST/PATH`, escaped and capped; "" where there was no redirect.

    Without the query: in a redirect to a single sign-on it holds tokens.
    """
    return f", after a redirect to {without_query(redirected_to)}" if redirected_to else ""


def without_query(url: str) -> str:
    """The scheme, host and path of a URL, escaped and capped."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return printable(url.partition("?")[0], 200)
    return printable(parts._replace(query="", fragment="").geturl(), 200)
