"""A prefix or a filter that matches no repository is a reason against a complete snapshot."""

import pytest
from support.scripted import plain_registry
from support.scripted_google import (
    crawl,
    node,
    repository,
)

from crawler.discovery.name_filter import NameFilter
from crawler.model.names import Target

REPOSITORIES = {"team/app": ("1",), "team/apps/api": ("1",), "team/apps/web": ("1",), "base/jq": ("1",)}


@pytest.mark.parametrize(
    ("prefix", "filters", "why"),
    [
        ("/team/aps", {}, "no repository lies under the prefix team/aps: did you mean team/apps?"),
        ("/tem", {}, "no repository lies under the prefix tem: did you mean team?"),
        ("/team/apps/wbe", {}, "no repository lies under the prefix team/apps/wbe: did you mean team/apps/web?"),
        ("/0000", {"include": ["*"]}, "no repository lies under the prefix 0000"),
        ("", {"include": ["apps/*", "x"]}, "no repository matches --include 'apps/*' or 'x'"),
        ("/team", {"include": ["base/*"]}, "no repository matches --include 'base/*'"),
        ("", {"exclude": ["*"]}, "--exclude '*' leaves out every repository"),
        ("", {"include": ["base/*"], "exclude": ["*jq"]}, "--exclude '*jq' leaves out every repository"),
    ],
)
async def test_filter_or_prefix_that_matches_nothing_is_a_reason(prefix, filters, why, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(REPOSITORIES)[1:], tmp_path, prefix=prefix, **changes)
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == [why]


@pytest.mark.parametrize("filters", [{}, {"include": ["*/web"]}, {"exclude": ["*/web"]}])
async def test_filters_and_prefix_that_match_something_are_no_reason(filters, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(REPOSITORIES)[1:], tmp_path, prefix="/team/apps", **changes)
    assert snapshot.records
    assert snapshot.manifest["verdict"] == "complete"


async def test_filter_that_matches_nothing_of_a_walk_is_a_reason(tmp_path):
    script = [node("acme", "team"), node("acme/team", "app"), repository("acme/team/app")]
    snapshot = await crawl(script, tmp_path, prefix="/acme", include=["*/api"])
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == ["no repository matches --include '*/api'"]


def test_filter_reports_nothing_where_a_name_matched_or_none_was_checked():
    name_filter = NameFilter(Target.parse("localhost/team"), include=["*/app"])
    assert name_filter.nothing_matched is None
    for name, why in (
        ("base/jq", "no repository lies under the prefix team"),
        ("team/lib", "no repository matches --include '*/app'"),
        ("team/app", None),
        ("team/lib2", None),
    ):
        name_filter.matches(name)
        assert name_filter.nothing_matched == why
