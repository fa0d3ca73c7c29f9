"""HTML pages in place of JSON: recognised by their beginning, described in one printable line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.web_page import WebPage, parse_web_page, redirect_message, visible_text


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b"<!DOCTYPE html><html><title>Sign in</title><body>Name</body></html>", WebPage("Sign in", "Name")),
        (b"\xef\xbb\xbf \n<html><head></head><body>Bad  gateway</body></html>", WebPage("", "Bad gateway")),
        (b"<title>A &amp;\n B</title>", WebPage("A & B", "")),
        (b"<html><script>if (a < b) c()</script><style>d {}</style>e</html>", WebPage("", "e")),
        (b"", None),
        (b"{}", None),
        (b"text with <html> in it", None),
        (b"<Error><Code>NoSuchKey</Code></Error>", None),
        (b"<headline>", None),
    ],
)
def test_web_page_is_recognised_by_its_beginning(body, page):
    assert parse_web_page(body) == page


@given(
    st.binary() | st.text(max_size=200).map(lambda title: f"<html><title>{title}</title>".encode("utf-8", "replace"))
)
def test_web_page_of_any_body_is_none_or_printable(body):
    page = parse_web_page(body)
    assert page is None or str(page).isprintable()


@given(st.text())
def test_web_page_text_of_any_markup_is_one_line(markup):
    assert len(visible_text(markup).splitlines()) <= 1


@given(st.text())
def test_redirect_message_of_any_url_is_printable_and_without_a_query(url):
    message = redirect_message(url)
    assert message.isprintable()
    assert "SECRET" not in redirect_message(f"https://sso.example.com/login?{url}SECRET")
