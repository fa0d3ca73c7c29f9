"""The target's prefix, `--include` and `--exclude`: what they match, and the reason if they match nothing."""

import pytest
from support.scripted import plain_registry
from support.scripted_google import crawl, node, repository

from crawler.discovery.name_filter import NameFilter
from crawler.model.names import Target

HELD = {"team/app": ("1",), "team/apps/api": ("1",), "team/apps/web": ("1",), "base/jq": ("1",)}


@pytest.mark.parametrize(
    ("prefix", "filters", "why"),
    [
        ("/team/aps", {}, "no repository is under the prefix team/aps: did you mean team/apps?"),
        ("/tem", {}, "no repository is under the prefix tem: did you mean team?"),
        ("/team/apps/wbe", {}, "no repository is under the prefix team/apps/wbe: did you mean team/apps/web?"),
        ("/0000", {"include": ["*"]}, "no repository is under the prefix 0000"),
        ("", {"include": ["apps/*", "x"]}, "no repository matches --include 'apps/*' or 'x'"),
        ("/team", {"include": ["base/*"]}, "no repository matches --include 'base/*'"),
        ("", {"exclude": ["*"]}, "--exclude '*' excludes every repository"),
        ("", {"include": ["base/*"], "exclude": ["*jq"]}, "--exclude '*jq' excludes every repository"),
    ],
)
async def test_name_filter_that_matches_nothing_is_a_reason(prefix, filters, why, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(HELD)[1:], tmp_path, prefix=prefix, **changes)
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == [why]


@pytest.mark.parametrize("filters", [{}, {"include": ["*/web"]}, {"exclude": ["*/web"]}])
async def test_name_filter_that_matches_something_is_no_reason(filters, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(HELD)[1:], tmp_path, prefix="/team/apps", **changes)
    assert snapshot.records
    assert snapshot.manifest["verdict"] == "complete"


async def test_name_filter_that_matches_nothing_of_a_walk_is_a_reason(tmp_path):
    script = [node("acme", "team"), node("acme/team", "app"), repository("acme/team/app")]
    snapshot = await crawl(script, tmp_path, prefix="/acme", include=["*/api"])
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == ["no repository matches --include '*/api'"]


def test_name_filter_says_why_nothing_matched():
    name_filter = NameFilter(Target.parse("localhost/team"), include=["*/app"])
    assert name_filter.nothing_matched is None
    for name, why in (
        ("base/jq", "no repository is under the prefix team"),
        ("team/lib", "no repository matches --include '*/app'"),
        ("team/app", None),
        ("team/lib2", None),
    ):
        name_filter.matches(name)
        assert name_filter.nothing_matched == why
