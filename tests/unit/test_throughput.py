"""The throughput of a run: the median of its seconds, or the mean of a short run."""

import pytest

from crawler.run.throughput import Throughput


def sampled(*totals: int, every_s: float = 1.0) -> float:
    throughput = Throughput(100.0)
    for number, total in enumerate(totals, start=1):
        throughput.sample(100.0 + number * every_s, total)
    return throughput.median_per_s


def test_throughput_of_a_short_run_is_its_mean():
    assert sampled(10, 90) == pytest.approx(45)


def test_throughput_of_a_long_run_is_its_median():
    assert sampled(100, 200, 200, 200, 300, 400, 500) == pytest.approx(100)


def test_throughput_is_per_second_however_late_a_sample_comes():
    assert sampled(*range(100, 700, 100), every_s=2.0) == pytest.approx(50)


def test_throughput_of_nothing_is_none():
    assert sampled() == 0
    assert sampled(0) == 0
