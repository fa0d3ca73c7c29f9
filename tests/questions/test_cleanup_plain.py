"""Policies in registry-crawler's own words: what a cleanup job deletes that judges each manifest by itself."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_policies import days_ago, decisions, deleted, fates, mistakes, pushed

FOUR = (
    pushed("A", "build-1", days=40),
    pushed("B", "build-2", "v1.0", days=30),
    pushed("C", "build-3", days=20),
    pushed("D", days=10),
)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('[[rule]]\nolder_than = "25d"', {"A", "B"}),
        ("[[rule]]\nkeep = 1", {"A", "B", "C"}),
        ('[[rule]]\nkeep = 3\nolder_than = "1d"', {"A"}),
        ('[[rule]]\nkeep = 1\nolder_than = "35d"', {"A"}),
        ('[[rule]]\ntags = ["build-*"]\nkeep = 1', {"A", "B"}),
        ('[[rule]]\ntags = ["build-*"]\nexclude_tags = ["v*"]', {"A", "C"}),
        ('[[rule]]\nimages = "untagged"', {"D"}),
        ('[[rule]]\nimages = "tagged"\nkeep = 1', {"A", "B"}),
        ('keep_tags = ["v*"]\n[[rule]]\nolder_than = "25d"', {"A"}),
        ('[[rule]]\nimages = "untagged"\n[[rule]]\ntags = ["build-1"]', {"A", "D"}),
        ('[[rule]]\nrepositories = ["team/*"]\nkeep = 3', {"A"}),
        ('[[rule]]\nrepositories = ["app"]\nkeep = 3', set()),
        ('[[rule]]\nexclude_repositories = ["*/app"]\nkeep = 3', set()),
    ],
)
def test_cleanup_plain_rules(policy, expected):
    assert deleted(policy, *FOUR) == expected


def test_cleanup_plain_needs_no_time_for_a_rule_without_one():
    assert deleted('[[rule]]\nimages = "untagged"', pushed("A", days=None), pushed("B", "v1", days=None)) == {"A"}


def test_cleanup_plain_is_json_as_well():
    assert deleted({"rule": [{"older_than": "25d", "exclude_tags": ["v*"]}]}, *FOUR) == {"A"}


def test_cleanup_plain_names_the_rule():
    policy = '[[rule]]\nname = "builds"\ntags = ["build-*"]\n[[rule]]\nimages = "untagged"'
    assert [each.rule for each in decisions(policy, *FOUR).values()] == ["builds", "builds", "builds", "rule 2"]


def test_cleanup_plain_takes_the_platforms_from_an_index_as_such_jobs_do():
    index = pushed("index", "v1", days=40, children=("amd64",))
    assert deleted('[[rule]]\nimages = "untagged"', index, pushed("amd64", days=40)) == {"amd64"}


def test_cleanup_plain_goes_by_the_build_where_it_is_told_to():
    images = (
        pushed("A", days=1, created_at=days_ago(90)),
        pushed("B", days=None, created_at=days_ago(60)),
        pushed("C", days=90),
    )
    pushed_age, built_age = ('[[rule]]\nolder_than = "30d"', '[[rule]]\nolder_than = "30d"\nby = "built"')
    assert fates(pushed_age, *images) == {"A": "keep", "B": "unknown", "C": "delete"}
    assert fates(built_age, *images) == {"A": "delete", "B": "delete", "C": "unknown"}
    assert decisions(built_age, *images)["C"].why == "it is not known when it was built"


def test_cleanup_plain_takes_1970_for_no_time_and_an_index_to_be_as_old_as_its_newest_image():
    images = (
        pushed("reproducible", days=1, created_at=datetime(1970, 1, 1, tzinfo=UTC)),
        pushed("future", days=1, created_at=days_ago(-400)),
        pushed("index", days=1, children=("one", "two")),
        pushed("one", days=1, created_at=days_ago(90)),
        pushed("two", days=1, created_at=days_ago(3)),
        pushed("half", days=1, children=("one", "reproducible")),
    )
    assert fates('[[rule]]\nolder_than = "30d"\nby = "built"', *images) == {
        "reproducible": "unknown",
        "future": "unknown",
        "index": "keep",
        "one": "delete",
        "two": "keep",
        "half": "unknown",
    }


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("[[rule]]", "rule[0]: would delete every image"),
        ('[[rule]]\nrepositories = ["a"]', "rule[0]: would delete every image"),
        ("[[rule]]\nkeep = 0", "rule[0].keep: must be a whole number from 1"),
        ("[[rule]]\nolder_than = 30", "rule[0].older_than: must be a text (got 30)"),
        ('[[rule]]\nimages = "untagged"\ntags = ["v*"]', "rule[0].images: untagged images have no tags"),
        ('[[rule]]\nkeep = 1\nby = "size"', "rule[0].by: must be one of pushed, built (got 'size')"),
        ("[[rule]]\nkeep = 1\nolder = 3", "rule[0].older: unknown key; did you mean older_than?"),
        ("keep_tag = []\n[[rule]]\nkeep = 1", "keep_tag: unknown key; did you mean keep_tags?"),
        ("rule = []", "rule: must be a list of one object or more"),
        ("rule = 1979-05-27", "rule: must be a list of one object or more"),
        ("[[rule]\nkeep = 1", "is not TOML"),
        (f"[[rule]]\nkeep = {'9' * 5000}", "is not TOML"),
        (f"[[rule]]\nkeep = {'9' * 90}", "rule[0].keep: must be a whole number from 1"),
    ],
)
def test_cleanup_plain_refuses_what_it_would_not_understand(policy, message):
    found = mistakes(policy)
    assert any(line.startswith(f"policy.toml: {message}") for line in found), found


@given(
    st.lists(st.tuples(st.sampled_from(["build-1", "v1", None]), st.integers(0, 60)), max_size=8),
    st.integers(1, 5),
    st.integers(0, 60),
)
def test_cleanup_plain_agrees_with_sorting(drawn, count, days):
    images = [pushed(str(n), *([tag] if tag else []), days=age + n / 100) for n, (tag, age) in enumerate(drawn)]
    builds = sorted((i for i in images if i.tags == ("build-1",)), key=lambda i: i.uploaded_at, reverse=True)
    expected = {i.digest for i in builds[count:] if i.uploaded_at < days_ago(days)}
    assert deleted(f'[[rule]]\ntags = ["build-*"]\nkeep = {count}\nolder_than = "{days}d"', *images) == expected
