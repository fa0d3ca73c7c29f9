"""Tag retention of Harbor, as its source applies it: what no rule retains is deleted, an index with its images."""

import json

import pytest
from support.cleanup_policies import days_ago, decisions, deleted, fates, mistakes, pushed

from crawler.questions.cleanup.doublestar import compile_pattern


def selector(pattern="**", decoration="matches", **extras):
    return {
        "kind": "doublestar",
        "decoration": decoration,
        "pattern": pattern,
        **({"extras": json.dumps(extras)} if extras else {}),
    }


def rule(template="always", number=None, *, tags=("**",), repositories=("**",), **fields):
    return {
        "id": 1,
        "priority": 0,
        "disabled": False,
        "action": "retain",
        "template": template,
        "params": {} if number is None else {template: number},
        "tag_selectors": [each if isinstance(each, dict) else selector(each) for each in tags],
        "scope_selectors": {
            "repository": [each if isinstance(each, dict) else selector(each, "repoMatches") for each in repositories]
        },
        **fields,
    }


def policy(*rules):
    return {
        "id": 3,
        "algorithm": "or",
        "rules": list(rules),
        "trigger": {"kind": "Schedule", "settings": {"cron": "0 0 0 * * *"}, "references": {"job_id": 7}},
        "scope": {"level": "project", "ref": 12},
    }


THREE = (pushed("A", "v1", days=30), pushed("B", "v2", days=20), pushed("C", "dev", days=10))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule()], set()),
        ([rule("latestPushedK", 2)], {"A"}),
        ([rule("latestPushedK", 0)], {"A", "B", "C"}),
        ([rule("latestPushedK", 1, tags=["v*"])], {"A", "C"}),
        ([rule("latestPushedK", 1, tags=["v*"]), rule("latestPushedK", 1)], {"A"}),
        ([rule("nDaysSinceLastPush", 20)], {"A"}),
        ([rule("lastXDays", 15)], {"A", "B"}),
        ([rule(tags=["{v1,dev}"])], {"B"}),
        ([rule(tags=[selector("v*", "excludes")])], {"A", "B"}),
        ([rule(tags=["v*", selector("v1", "excludes")])], {"A", "C"}),
        ([rule(tags=["v*"]), rule("latestPushedK", 3, disabled=True)], {"C"}),
    ],
)
def test_cleanup_harbor_deletes_what_no_rule_retains(rules, expected):
    assert deleted(policy(*rules), *THREE) == expected


def test_cleanup_harbor_says_that_no_rule_retains_it():
    assert decisions(policy(rule(tags=["v*"])), *THREE)["C"].rule == "no rule retains it"


@pytest.mark.parametrize(
    ("scope", "is_cleaned"),
    [
        (["**"], True),
        (["app/*"], True),
        (["app/web"], True),
        (["team/app/web"], False),
        (["app"], False),
        (["{other,app/web}"], True),
        ([selector("app/**", "repoExcludes")], False),
        (["app/*", selector("*/web", "repoExcludes")], False),
    ],
)
def test_cleanup_harbor_cleans_repositories_that_a_rule_covers(scope, is_cleaned):
    document = policy(rule("latestPushedK", 0, repositories=scope))
    assert deleted(document, *THREE, name="team/app/web") == ({"A", "B", "C"} if is_cleaned else set())


def test_cleanup_harbor_leaves_repositories_alone_where_all_rules_are_disabled():
    assert deleted(policy(rule("latestPushedK", 0, disabled=True)), *THREE) == set()


@pytest.mark.parametrize(
    ("tags", "is_kept"),
    [
        (selector(), True),
        (selector(untagged=True), True),
        (selector(untagged=False), False),
        (selector(decoration="excludes", pattern="v1"), True),
        (selector(decoration="excludes", pattern="v1", untagged=True), False),
    ],
)
def test_cleanup_harbor_untagged_images(tags, is_kept):
    assert deleted(policy(rule(tags=[tags])), pushed("A", days=9)) == (set() if is_kept else {"A"})


def test_cleanup_harbor_deletes_an_index_with_its_images_and_signatures():
    old = pushed("old", "v1", days=30, children=("amd64", "shared", "tagged"))
    new = pushed("new", "v2", days=1, children=("shared",))
    images = (
        *(old, new),
        *(pushed(name, days=30) for name in ("amd64", "shared")),
        pushed("tagged", "arm64", days=0.5),
        pushed("signature", days=30, subject="old"),
        pushed("other", days=30, subject="new"),
    )
    assert deleted(policy(rule("latestPushedK", 2)), *images) == {"old", "amd64", "signature"}


def test_cleanup_harbor_does_not_count_the_images_of_an_index():
    index = pushed("index", "v2", days=1, children=("amd64", "arm64"))
    images = (index, pushed("amd64", days=2), pushed("arm64", days=2), pushed("old", "v1", days=3))
    assert deleted(policy(rule("latestPushedK", 2)), *images) == set()


def test_cleanup_harbor_keeps_a_tagged_image_that_a_kept_index_lists():
    index = pushed("index", "v2", days=1, children=("amd64",))
    assert deleted(policy(rule("latestPushedK", 1)), index, pushed("amd64", "v2-amd64", days=2)) == set()


def test_cleanup_harbor_goes_by_the_time_of_the_last_pull():
    images = (
        pushed("A", "v1", days=30, pulled_at=days_ago(1)),
        pushed("B", "v2", days=20, pulled_at=days_ago(15)),
        pushed("C", "v3", days=2, pulled_at=days_ago(2)),
    )
    assert deleted(policy(rule("nDaysSinceLastPull", 3)), *images) == {"B"}
    assert deleted(policy(rule("latestPulledN", 1)), *images) == {"B", "C"}
    assert deleted(policy(rule("latestActiveK", 2)), *images) == {"B"}


@pytest.mark.parametrize("template", ["nDaysSinceLastPull", "latestPulledN", "latestActiveK"])
def test_cleanup_harbor_says_unknown_where_no_pull_is_known(template):
    found = decisions(policy(rule(template, 1)), *THREE[:2])
    assert {each.fate for each in found.values()} == {"unknown"}
    assert "no pull of it is known" in found["A"].why
    assert fates(policy(rule(template, 1), rule()), *THREE) == dict.fromkeys("ABC", "keep")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**policy(rule()), "algorithm": "and"}, "algorithm: must be one of or (got 'and')"),
        ({**policy(rule()), "scope": {"level": "system", "ref": 0}}, "scope.level: must be one of project"),
        (policy(), "rules: must be a list of one object or more"),
        (policy(rule("nothing")), "rules[0].template: must be one of latestPushedK"),
        (policy(rule("latestPushedK")), "rules[0].params.latestPushedK: missing"),
        (policy(rule("latestPushedK", -1)), "rules[0].params.latestPushedK: must be a whole number from 0"),
        (policy(rule("latestPushedK", "1")), "rules[0].params.latestPushedK: must be a whole number from 0"),
        (policy(rule(params={"latestPushedK": 1})), "rules[0].params.latestPushedK: unknown key"),
        (policy(rule(action="delete")), "rules[0].action: must be one of retain"),
        (policy(rule(tags=[])), "rules[0].tag_selectors: must be a list of one object or more"),
        (policy(rule(tags=[{**selector(), "kind": "label"}])), "rules[0].tag_selectors[0].kind: must be one of"),
        (policy(rule(tags=[selector("v[")])), "rules[0].tag_selectors[0].pattern: is no pattern: a [ is not closed"),
        (policy(rule(tags=[selector(digest=True)])), "rules[0].tag_selectors[0].extras: must be"),
        (policy(rule(tags=[selector(decoration="repoMatches")])), "rules[0].tag_selectors[0].decoration: must be one"),
        (policy(rule(immutable=True)), "rules[0].immutable: unknown key"),
        (
            policy(rule(scope_selectors={"repository": [selector("**", "repoMatches")], "project": []})),
            "rules[0].scope_selectors.project: unknown key",
        ),
    ],
)
def test_cleanup_harbor_refuses_what_it_would_not_understand(document, message):
    found = mistakes(document)
    assert any(line.startswith(f"policy.json: {message}") for line in found), found


# what github.com/bmatcuk/doublestar v1.3.4 says of them
@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("", "anything/at/all", True),
        ("*", "abc", True),
        ("*", "a/b", False),
        ("**", "a/b/c", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[b-d]", "abc", True),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a[^b]c", "a/c", False),
        ("a[.-0]c", "a/c", False),
        ("[x\\-]", "-", True),
        ("[\\]a]", "]", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("**/c", "abcd", False),
        ("a/**/d", "a/d", True),
        ("a/**/d", "a/b/c/d", True),
        ("abc**", "abc/b", False),
        ("ab{c,d,*}", "abcde", True),
        ("a{,bc}", "a", True),
        ("{a/{b,c},abc}", "a/c", True),
        ("{a/{b,c},abc}", "a/b/c", False),
        ("{a/**,b}", "a/b/c", True),
        ("{**,x}", "a/b", False),
        ("v1.0", "v1x0", False),
        ("a/", "a", False),
    ],
)
def test_cleanup_harbor_patterns(pattern, name, matches):
    assert (compile_pattern(pattern).fullmatch(name) is not None) is matches


@pytest.mark.parametrize(
    "pattern", ["[", "[]a]", "[-]", "[x-]", "[a-b-c]", "[^bc", "a\\", "a{b", "{a,{b}", "{a}" * 20 + "{a,b}" * 12]
)
def test_cleanup_harbor_refuses_patterns_that_it_cannot_read(pattern):
    with pytest.raises(ValueError, match=r"\w"):
        compile_pattern(pattern)
