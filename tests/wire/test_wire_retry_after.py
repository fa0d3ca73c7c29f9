"""How long a registry asks to be left alone: in seconds, by a date, as a moment since 1970, or in body."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.retry_after import parse_retry_after, parse_spent_quota

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
SOON = str(int(NOW.timestamp()) + 6)


_NAMES = ["Retry-After", "X-Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"]


def retry_after(body=b"", **headers):
    """The delay by headers, whose names are given with underscores."""
    return parse_retry_after({name.replace("_", "-"): value for name, value in headers.items()}.get, body, NOW)


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
    assert retry_after(Retry_After=value) == seconds


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
    assert retry_after(body) == (None if seconds is None else pytest.approx(seconds))


def test_retry_after_header_goes_before_the_body():
    assert retry_after(b"retry-after: 9s", Retry_After="3") == 3


def test_retry_after_of_docker_hub_is_a_time():
    assert retry_after(X_Retry_After=SOON) == 6
    assert retry_after(X_Retry_After=SOON, Retry_After="3") == 3


@pytest.mark.parametrize("prefix", ["X-RateLimit", "RateLimit"])
@pytest.mark.parametrize(
    ("remaining", "reset", "seconds"),
    [
        ("0", SOON, 6),
        ("0", "30", 30),
        ("0", f"{SOON}000", 6),
        ("0", "1.5", 1),
        ("0", "0", 0),
        ("1", SOON, None),
        ("0", None, None),
        (None, SOON, None),
        ("none", SOON, None),
        ("0", "soon", None),
        ("-0", SOON, None),
    ],
)
def test_spent_quota_says_when_it_starts_afresh(prefix, remaining, reset, seconds):
    headers = {f"{prefix}-Remaining": remaining, f"{prefix}-Reset": reset}
    assert parse_spent_quota(headers.get, NOW) == seconds
    assert parse_retry_after(headers.get, b"", NOW) == seconds


_VALUES = st.none() | st.text() | st.integers().map(str)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES, _VALUES)), st.binary())
def test_retry_after_never_raises_and_is_never_negative(headers, body):
    seconds = parse_retry_after(headers.get, body, NOW)
    assert seconds is None or seconds >= 0
