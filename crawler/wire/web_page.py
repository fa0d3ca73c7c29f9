"""A page for people where JSON was due: a login page, a captive portal, the error page of a gateway."""

import html
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from crawler.untrusted_text import printable

LOGIN_ADVICE: Final = (
    "the address may be behind a single sign-on or a captive portal (exempt /v2/ from it, or log in), "
    "or be that of a web interface (check the host, its port and registry.api_path)"
)
"""What to do about a page that came in place of a registry's answer."""

_MAX_CHARACTERS: Final = 16 * 1024
"""Bytes of a body in which a page's title is looked for."""

_IS_PAGE: Final = re.compile(rb"<(?:!doctype\s{1,9}html|html|head|title|body)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title\b[^>]{0,200}>(.{0,1000}?)</title", re.DOTALL | re.IGNORECASE)
_NOT_TEXT: Final = re.compile(r"<(title|style|script)\b.*?</\1[^>]*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class WebPage(NamedTuple):
    """A page: its title, "" for none, and the first words of its text. Neither is escaped."""

    title: str
    words: str

    def __str__(self) -> str:
        """What came, in words, escaped and capped."""
        titled = f", titled '{printable(self.title, 80)}'" if self.title else ""
        return f"an HTML page came where JSON was due{titled}"


def parse_web_page(body: bytes) -> WebPage | None:
    """The page that a body is; None for a body that is none."""
    beginning = body[:_MAX_CHARACTERS].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not beginning.startswith(b"<") or _IS_PAGE.search(beginning[:1024]) is None:
        return None
    text = beginning.decode("utf-8", "replace")
    found = _TITLE.search(text)
    title = " ".join(html.unescape(found[1]).split()) if found else ""
    return WebPage(title, visible_text(text[:4096]).removeprefix(title).lstrip())


def visible_text(markup: str) -> str:
    """The text of HTML or XML in one line, without its title; plain text as it is."""
    return " ".join(html.unescape(_NOT_TEXT.sub(" ", markup)).split())


def redirect_message(redirected_to: str) -> str:
    """`, after a redirect to https://HOST/PATH`, escaped and capped; "" where there was none.

    The query is left out: those of a single sign-on hold tokens.
    """
    return f", after a redirect to {without_query(redirected_to)}" if redirected_to else ""


def without_query(url: str) -> str:
    """A URL's scheme, host and path, escaped and capped."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return printable(url.partition("?")[0], 200)
    return printable(parts._replace(query="", fragment="").geturl(), 200)
