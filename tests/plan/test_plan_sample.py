"""Measured repositories become all of them: the sum, its range, and what of a repository was not read."""

import anyio.lowlevel
import pytest

from crawler.forecast.cost import NOTHING, Cost, Spending
from crawler.forecast.sample import RULE_OF_THREE, Sample, SampledRepository, spread_evenly
from crawler.transport.messages import Purpose

LISTING = Cost({Purpose.LISTING: 1, Purpose.TOKEN: 1}, {Purpose.LISTING: 100})


def repository(tags: int, read: int, each: int = 2) -> SampledRepository:
    """A repository of which some tags were read; a tag costs a manifest and perhaps a config."""
    reading = Cost({Purpose.MANIFEST: read, Purpose.BLOB: read * (each - 1)}, {Purpose.MANIFEST: 500 * read})
    return SampledRepository(listing=LISTING, tags_to_resolve=tags, tags_read=read, reading=reading)


def test_sample_of_all_repositories_is_exact():
    sample = Sample(3, [repository(1, 1), repository(5, 5), repository(90, 90)])
    assert sample.cost.total == 3 * 2 + 96 * 2
    assert sample.range == (sample.cost.total, sample.cost.total)


def test_sample_grows_with_the_repositories():
    sample = Sample(100, [repository(3, 3)] * 10)
    assert sample.cost.exchanges == {Purpose.LISTING: 100, Purpose.TOKEN: 100, Purpose.MANIFEST: 300, Purpose.BLOB: 300}
    assert sample.cost.bytes == {Purpose.LISTING: 10_000, Purpose.MANIFEST: 150_000}
    assert sample.range == (800, 800), "all that were measured are alike"


def test_sample_of_some_tags_costs_all_of_them():
    sample = Sample(1, [repository(100, 5, each=3)])
    assert sample.cost.total == 2 + 100 * 3
    least, most = sample.range
    assert least == 2 + 5 * 3 + 95, "the other 95 may lead to the images of the five"
    assert most >= sample.cost.total


def test_sample_prices_what_was_not_read_by_what_was():
    sample = Sample(2, [repository(4, 4, each=3), repository(10, 0)])
    assert sample.cost.total == 2 * 2 + 14 * 3


def test_sample_counts_manifests_by_the_batch():
    reading = Cost({Purpose.API: 1})
    node = SampledRepository(listing=NOTHING, images_to_read=250, images_read=50, reading=reading, batch=100)
    assert Sample(1, [node]).cost.total == 3


def test_sample_of_unequal_repositories_has_a_range_around_the_sum():
    sample = Sample(1000, [repository(tags, tags) for tags in [1] * 18 + [10, 40]])
    least, most = sample.range
    assert least < sample.cost.total < most
    assert most - sample.cost.total > sample.cost.total - least, "the largest are more likely missing"


def test_sample_of_images_that_are_alike_has_a_range_all_the_same():
    few = Sample(2, [repository(1000, 5), repository(1000, 5)], unit_error=RULE_OF_THREE)
    many = Sample(2, [repository(1000, 50), repository(1000, 50)], unit_error=RULE_OF_THREE)
    assert few.range[1] - few.cost.total == pytest.approx(0.3 * 1990)
    assert many.range[1] - many.cost.total == pytest.approx(0.03 * 1900)


def test_sample_costs_an_exchange_for_each_tag_at_least():
    sample = Sample(2, [repository(1000, 3, each=9), repository(1000, 3, each=1)])
    assert sample.range[0] == pytest.approx(2 * 2 + 6 * 5 + 1994)


def test_sample_of_nothing_costs_nothing():
    assert (Sample(0).cost, Sample(0).range) == (NOTHING, (0, 0))


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [5]), (2, [2, 7]), (3, [1, 5, 8]), (10, list(range(10))), (20, list(range(10))), (0, [])]
)
def test_sample_is_spread_evenly(count, chosen):
    assert spread_evenly(range(10), count) == chosen


async def exchange(spending: Spending, count: int) -> None:
    for _ in range(count):
        spending.add_exchange(Purpose.LISTING, 10)
        await anyio.lowlevel.checkpoint()


async def test_spending_ends_a_block_at_its_bound():
    spending = Spending()
    await exchange(spending, 5)
    with spending.bounded(10):
        with spending.bounded(2):
            await exchange(spending, 100)
        assert spending.total == 7
        await exchange(spending, 100)
    assert spending.total == 15
    await exchange(spending, 1)
    assert spending.so_far == Cost({Purpose.LISTING: 16}, {Purpose.LISTING: 160})
