"""Docker Hub's limit on pulls, in two headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.pull_limit import PullsLeft, parse_pulls_left


@pytest.mark.parametrize(
    ("remaining", "limit", "expected"),
    [
        ("76;w=21600", "100;w=21600", PullsLeft(76, 100)),
        ("0;w=21600", "100;w=21600", PullsLeft(0, 100)),
        (" 76 ; w=21600", "100", PullsLeft(76, 100)),
        ("76, 900;w=86400", "100;w=21600, 1000;w=86400", PullsLeft(76, 100)),
        ("76;w=21600", None, PullsLeft(76, None)),
        ("76;w=21600", "many", PullsLeft(76, None)),
        (None, "100;w=21600", None),
        (None, None, None),
    ],
)
def test_pull_limit_is_parsed(remaining, limit, expected):
    assert parse_pulls_left(remaining, limit) == expected


@pytest.mark.parametrize(
    "value", ["", " ", ";w=21600", "-1", "-1;w=21600", "+1", "1.5", "1e3", "76 pulls", "\u0661\u0662", "9" * 5000, "²"]
)
def test_pull_limit_of_nonsense_is_none(value):
    assert parse_pulls_left(value, "100;w=21600") is None
    assert parse_pulls_left("7", value) == PullsLeft(7, None)


@given(st.none() | st.text() | st.integers().map(str), st.none() | st.text("0123456789;,w= -", max_size=30))
def test_pull_limit_of_any_values_is_none_or_not_negative(remaining, limit):
    left = parse_pulls_left(remaining, limit)
    if left is not None:
        assert left.remaining >= 0
        assert left.limit is None or left.limit >= 0
