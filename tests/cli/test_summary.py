"""The summary of a run that read images in depth: what it found, what it cost, and what the cache saved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.run_folders import run_manifest

from crawler.cli.summary import summary
from crawler.config import Config
from crawler.model.run_manifest import CacheUse, Counts, Requests
from crawler.run.crawl import Crawl


@pytest.fixture
async def crawl(tmp_path) -> Crawl:
    """A crawl that has not begun: a summary takes little from it."""
    config = Config(registry=[{"target": "localhost:5000"}], output={"path": tmp_path / "snapshots"})
    return Crawl(config, config.registry[0])


def lines_of(crawl: Crawl, **changes: Any) -> dict[str, str]:
    """The lines of the summary by their label."""
    config = Config(registry=[{"target": "localhost:5000"}], output={"path": Path("snapshots")})
    first, *lines = summary(crawl, run_manifest((), **changes), config).splitlines()
    assert first.startswith("COMPLETE: ")
    return dict(labelled(lines))


def labelled(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line's label and text. All texts begin in the same column."""
    for line in lines:
        assert line[:2] == "  "
        assert line[14] == " "
        assert line[15] != " "
        yield line[2:14].rstrip(), line[15:]


async def test_summary_without_depth_has_no_line_of_it(crawl):
    assert "depth" not in lines_of(crawl)
    assert "images" not in lines_of(crawl, requests=Requests(total=9, by_kind={"listing": 9}))["exchanges"]


@pytest.mark.parametrize(
    ("depth", "referrers", "cache", "text"),
    [
        ("digests", "none", CacheUse(), "digests"),
        ("configs", "api", CacheUse(), "configs; referrers api"),
        ("tags", "listed", CacheUse(), "tags; referrers listed"),
        (
            "configs",
            "none",
            CacheUse(hits=1204, misses=46),
            "configs; 1,204 of 1,250 manifests and configs from the cache",
        ),
        (
            "manifests",
            "listed",
            CacheUse(misses=3),
            "manifests; referrers listed; 0 of 3 manifests and configs from the cache",
        ),
    ],
)
async def test_summary_has_the_depth_and_what_came_from_the_cache(crawl, depth, referrers, cache, text):
    assert lines_of(crawl, depth=depth, referrers=referrers, cache=cache)["depth"] == text


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(tags=1500, images=1200), "1,500 tags, 1,200 images"),
        (Counts(tags=1, images=1), "1 tag, 1 image"),
        (Counts(tags=0, images=0), "0 tags, 0 images"),
        (Counts(tags=2), "2 tags, no images listed"),
    ],
)
async def test_summary_has_the_number_of_tags_and_images(crawl, counts, text):
    assert lines_of(crawl, counts=counts)["contents"] == text


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        ({"schema1": 1}, "1: 1 schema1"),
        (
            {"config-missing": 2, "dangling-tag": 1234, "schema1": 2},
            "1,238: 1,234 dangling-tag, 2 config-missing, 2 schema1",
        ),
    ],
)
async def test_summary_has_the_problems_of_each_kind_the_most_frequent_first(crawl, problems, text):
    assert lines_of(crawl, problems=problems)["problems"] == text


async def test_summary_without_problems_has_no_line_of_them(crawl):
    assert "problems" not in lines_of(crawl)


async def test_summary_of_one_retry_uses_the_singular(crawl):
    assert ", 1 retry, " in lines_of(crawl, requests=Requests(total=9, retries=1))["exchanges"]


async def test_summary_has_the_exchanges_for_images(crawl):
    kinds = {"listing": 7, "manifest": 1200, "blob": 400, "referrers": 50, "token": 3}
    exchanges = lines_of(crawl, requests=Requests(total=1660, token=3, retries=2, by_kind=kinds))["exchanges"]
    assert exchanges.startswith("1,660 (1,650 for images, 3 for tokens, 2 retries, 0 throttled), ")
