"""The stages of a run, timed for telemetry."""

from datetime import UTC, datetime, timedelta

import pytest

import crawler
from crawler.run.stages import Stages


def test_stages_are_kept_in_the_order_of_their_ends_also_where_they_fail():
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.timed("outer"), stages.timed("inner"):
        1 / 0  # noqa: B018
    assert [stage.name for stage in stages.ended] == ["inner", "outer"]
    inner, outer = stages.ended
    assert outer.began_at <= inner.began_at <= inner.ended_at <= outer.ended_at
    assert abs(outer.ended_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_stages_of_a_crawl(google):
    registry = await google(repositories=5)
    config = registry.config()
    run = crawler.Crawl(config, config.registry[0])
    await run.run()
    by_name = {stage.name: stage for stage in run.stages}
    assert list(by_name) == ["credentials", "crawl", "discovery", "writing", "publishing"]
    assert by_name["discovery"].began_at <= by_name["crawl"].began_at
    assert by_name["discovery"].ended_at <= by_name["crawl"].ended_at <= by_name["writing"].began_at
