"""How long a registry asks to be left alone: in seconds, by a date, as a moment since 1970, or in body."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.retry_after import parse_retry_after

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999", 999_999_999),
        (str(int(NOW.timestamp()) + 6), 6),
        (str(int(NOW.timestamp()) - 6), 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Thu, 26 Nov 2026 02:01:00 -0000", 60),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("\u0661\u0662", None),
        (None, None),
    ],
)
def test_retry_after_header(value, seconds):
    assert parse_retry_after(value, b"", NOW) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b"toomanyrequests: retry-after: 10.5ms, allowed: 2000/minute", 0.0105),
        (b"Retry-After: 1m30s", 90),
        ("retry-after: 5\u00b5s".encode(), 5e-6),
        (b"retry-after: later", None),
        (b"\xff\xfe", None),
    ],
)
def test_retry_after_in_the_body(body, seconds):
    assert parse_retry_after(None, body, NOW) == (None if seconds is None else pytest.approx(seconds))


def test_retry_after_header_goes_before_the_body():
    assert parse_retry_after("3", b"retry-after: 9s", NOW) == 3


@given(st.text() | st.integers().map(str), st.binary())
def test_retry_after_never_raises_and_is_never_negative(value, body):
    seconds = parse_retry_after(value, body, NOW)
    assert seconds is None or seconds >= 0
