"""Names of 0.1 that a program may still use, for one release."""

import pytest

import crawler
from crawler.errors import Unreachable


@pytest.mark.parametrize("old", ["Fault", "MalformedReply", "UnusableReply"])
def test_old_names_of_the_package_are_the_new_ones_with_a_warning(old):
    with pytest.warns(DeprecationWarning, match=rf"crawler\.{old} is now crawler\."):
        renamed = getattr(crawler, old)
    assert renamed.__name__ in crawler.__all__


def test_old_names_of_an_errors_attribute():
    error = Unreachable("GET https://gcr.io/v2/", code="C", message="m")
    with pytest.warns(DeprecationWarning, match=r"RegistryError\.asked is now RegistryError\.request"):
        assert error.asked == error.request == "GET https://gcr.io/v2/"


def test_old_names_of_progress():
    progress = crawler.Progress(seconds=1.0, discovered=5, discovery_done=True, done=4, failed=1, exchanges=9)
    with pytest.warns(DeprecationWarning, match="is now"):
        assert (progress.known, progress.walked, progress.unwell) == (5, True, 1)


async def test_old_names_of_a_crawl():
    config = crawler.Config(registry=[{"target": "localhost:1"}])
    run = crawler.Crawl(config, config.registry[0])
    with pytest.warns(DeprecationWarning, match="is now"):
        old = (run.pays_for_tokens, run.troubles, run.is_journaled, run.resumable, run.into)
    assert old == (
        run.cheaper_auth_exists,
        run.sample_failures,
        run.writes_snapshot,
        run.unfinished_runs,
        run.run_into,
    )
