"""Bytes and seconds in words."""

import pytest

from crawler.model.words import duration_text, size_text


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_234_567, "1.23 MB"),
        (10**18, "1 EB"),
    ],
)
def test_words_of_bytes_have_three_digits(bytes_, text):
    assert size_text(bytes_) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (2.64, "2.6 s"),
        (9.949, "9.9 s"),
        (9.95, "10 s"),
        (119.4, "119 s"),
        (119.5, "2 min"),
        (7169, "119 min"),
        (7170, "2 h 00 min"),
        (7500, "2 h 05 min"),
        (3_600_000, "1,000 h 00 min"),
    ],
)
def test_words_of_seconds_have_about_two_digits(seconds, text):
    assert duration_text(seconds) == text
