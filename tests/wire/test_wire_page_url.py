"""The query of a page's URL: the page size `n` and the cursor `last`."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.page_url import has_cursor, is_start_of_list, page_size_of, with_cursor, with_page_size


@pytest.mark.parametrize(
    ("url", "size", "sized"),
    [
        ("http://r/v2/_catalog", 1000, "http://r/v2/_catalog?n=1000"),
        ("http://r/v2/_catalog", None, "http://r/v2/_catalog"),
        ("http://r/v2/_catalog?n=1000", 100, "http://r/v2/_catalog?n=100"),
        ("http://r/v2/_catalog?n=1000", None, "http://r/v2/_catalog"),
        ("http://r/v2/_catalog?last=a%2Fb&n=1000&x", 5, "http://r/v2/_catalog?last=a%2Fb&x&n=5"),
        ("http://r/v2/_catalog?last=n=7", 5, "http://r/v2/_catalog?last=n=7&n=5"),
    ],
)
def test_page_url_with_a_size_keeps_the_rest(url, size, sized):
    assert with_page_size(url, size) == sized


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("http://r/v2/_catalog?n=1000", 1000),
        ("http://r/v2/_catalog?last=a&n=5", 5),
        ("http://r/v2/_catalog?n=0", 0),
        ("http://r/v2/_catalog", None),
        ("http://r/v2/_catalog?last=n=7", None),
        ("http://r/v2/_catalog?n=", None),
        ("http://r/v2/_catalog?n=-5", None),
        ("http://r/v2/_catalog?n=" + "9" * 5000, None),  # int() raises ValueError for it
        ("http://r/v2/_catalog?n=\u0665", None),
        ("http://r/v2/_catalog?n=5&n=6", None),
    ],
)
def test_page_url_names_its_size(url, size):
    assert page_size_of(url) == size


@given(st.text(st.characters(codec="utf-8"), min_size=1) | st.text("ab&=%+#?/", min_size=1), st.integers(1, 9999))
def test_page_url_with_a_cursor_is_parsed_back(entry, size):
    url = with_cursor(f"http://r/v2/_catalog?last=before&n={size}", entry)
    assert has_cursor(url, entry)
    assert page_size_of(url) == size
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == {"last": entry, "n": str(size)}


@pytest.mark.parametrize(
    ("query", "has_it"),
    [("last=a%2Fb&n=5", True), ("last=a/b", True), ("last=a", False), ("n=5", False), ("last=a/b&last=c", False)],
)
def test_page_url_has_a_plain_cursor_or_not(query, has_it):
    assert has_cursor(f"http://r/v2/_catalog?{query}", "a/b") is has_it


@pytest.mark.parametrize(
    ("query", "is_start"),
    [
        ("last=", True),
        ("n=5&last=", True),
        ("last=a", False),
        ("n=5", False),
        ("", False),
        ("next_page=x&last=", False),
    ],
)
def test_page_url_with_an_empty_cursor_is_the_start_of_the_list(query, is_start):
    assert is_start_of_list(f"http://r/v2/_catalog?{query}") is is_start


@given(st.text(st.characters(codec="ascii")))
def test_page_url_of_any_query_is_edited_without_an_exception(query):
    url = f"http://r/v2/_catalog?{query}"
    size = page_size_of(url)
    assert size is None or size >= 0
    assert page_size_of(with_page_size(url, 5)) == 5
    assert has_cursor(with_cursor(url, "a/b"), "a/b")
