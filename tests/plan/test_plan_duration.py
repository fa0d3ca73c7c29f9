"""How long a crawl takes, by what limits it: the quota, latency, pages one after the other, the program itself."""

import pytest

from crawler.forecast.duration import Pace, expected_duration, quota_seconds
from crawler.model.limits import Quota, Rate
from crawler.transport.messages import Purpose

GCR = Quota(("gcr",), "gcr.io's quota for one address", (Rate(50_000, 600), Rate(1_000_000, 86_400)))
FREE = Pace(concurrency=64, latency_s=0.05, quota=None)


def duration(exchanges, pages=0.0, registry=FREE, api=FREE):
    return expected_duration(exchanges, pages, registry, api)


def test_duration_is_set_by_the_quota():
    registry = Pace(concurrency=64, latency_s=0.05, quota=GCR)
    found = duration({Purpose.LISTING: 49_000}, registry=registry)
    assert found.seconds == pytest.approx(600)
    assert found.limited_by == "the quota: gcr.io's quota for one address"


def test_duration_is_set_by_latency_and_concurrency():
    found = duration({Purpose.LISTING: 6400}, registry=Pace(concurrency=16, latency_s=0.2, quota=GCR))
    assert found.seconds == pytest.approx(80)
    assert found.limited_by == "latency: 200 ms an exchange, measured, and 16 at once"


def test_duration_assumes_a_latency_where_none_was_measured():
    found = duration({Purpose.LISTING: 640}, registry=Pace(concurrency=64, latency_s=None, quota=None))
    assert (found.seconds, found.limited_by) == (1.0, "latency: 100 ms an exchange, assumed, and 64 at once")


def test_duration_of_many_pages_of_names_is_theirs():
    found = duration({Purpose.CATALOG: 1000, Purpose.LISTING: 1000}, pages=1000)
    assert found.seconds == pytest.approx(50)
    assert found.limited_by.startswith("the pages of names, one after the other")


def test_duration_of_a_fast_registry_is_set_by_the_program():
    registry = Pace(concurrency=64, latency_s=0.001, quota=None)
    listings, images = (
        duration({Purpose.LISTING: 1e6}, registry=registry),
        duration({Purpose.BLOB: 1e6}, registry=registry),
    )
    assert images.seconds == pytest.approx(3 * listings.seconds)
    assert listings.limited_by == "this program: about 6,667 exchanges a second on one core"


def test_duration_is_that_of_the_slower_of_registry_and_api():
    api = Pace(concurrency=16, latency_s=0.05, quota=Quota(("api",), "Quay's limit", (Rate(5, 1),)))
    found = duration({Purpose.LISTING: 100, Purpose.API: 490}, api=api)
    assert (found.seconds, found.limited_by) == (pytest.approx(100), "the quota: Quay's limit")


def test_duration_is_the_pace_that_the_last_crawl_kept_where_it_was_slower():
    found = duration({Purpose.LISTING: 5000}, registry=Pace(concurrency=64, latency_s=0.05, quota=GCR, kept_per_s=10))
    assert (found.seconds, found.limited_by) == (500, "the pace that the last crawl kept: 10/s")


def test_duration_of_nothing_is_nothing():
    assert duration({}).seconds == 0


@pytest.mark.parametrize(
    ("exchanges", "seconds"),
    [
        (9_800, 100),  # spread over the first window
        (500_000, 500_000 / 98),  # which allows more than the second one does
        (1_000_000, 86_400),  # one day is full
        (2_000_000, 2 * 86_400),
    ],
)
def test_quota_of_two_windows(exchanges, seconds):
    quota = Quota(("ours",), "ours", (Rate(100, 1), Rate(1_000_000, 86_400)))
    assert quota_seconds(exchanges, quota) == pytest.approx(seconds)
