"""Policies of every product: whose one a file holds, what is no policy, and repositories that were not read whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_policies import NOW, decisions, pushed

from crawler.errors import ConfigError
from crawler.questions.cleanup.load import load_policy, parse_policy
from crawler.questions.cleanup.policy import Fate, PolicyRepository, judge

ECR = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
            "action": {"type": "expire"},
        }
    ]
}
GOOGLE = [{"name": "all", "action": {"type": "Delete"}, "condition": {"tagState": "any"}}]
HARBOR = {
    "algorithm": "or",
    "rules": [
        {
            "action": "retain",
            "template": "latestPushedK",
            "params": {"latestPushedK": 1},
            "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "**"}],
            "scope_selectors": {"repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "app"}]},
        }
    ],
    "scope": {"level": "project", "ref": 1},
}
PLAIN = {"rule": [{"keep": 1}]}
POLICIES = [ECR, GOOGLE, HARBOR, PLAIN]


@pytest.mark.parametrize(
    ("document", "product"),
    [(ECR, "Amazon ECR"), (GOOGLE, "Artifact Registry"), (HARBOR, "Harbor"), (PLAIN, "registry-crawler")],
)
def test_cleanup_recognises_a_policy_by_its_shape(document, product, tmp_path):
    file = tmp_path / "policy.json"
    file.write_text("\ufeff" + json.dumps(document), encoding="utf-8")
    assert load_policy(file).product == product


@pytest.mark.parametrize("document", POLICIES)
def test_cleanup_knows_nothing_of_a_repository_that_was_not_read_whole(document):
    found = decisions(document, pushed("A", "v1", days=9), pushed("B", "v2", days=8), unread="the registry denied it")
    assert [(each.fate, each.why) for each in found.values()] == [("unknown", "the registry denied it")] * 2


def test_cleanup_leaves_repositories_alone_that_the_policy_does_not_cover():
    found = decisions(HARBOR, pushed("A", "v1", days=9), name="team/other", unread="the registry denied it")
    assert {each.fate for each in found.values()} == {Fate.KEEP}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "policy.json:1: is not JSON"),
        ('{"rules": [}', "policy.json:1: is not JSON"),
        ("[" * 5000, "policy.json:1: is not JSON"),
        ('{"rules": NaN}', "policy.json:1: is not JSON"),
        (f'{{"rules": {"9" * 5000}}}', "policy.json:1: is not JSON"),
        ('{"rules": [], "rules": []}', "policy.json: rules: is there twice in one object"),
        ("[]", "policy.json: is no policy that is known. It must be a list of policies"),
        ("null", "policy.json: is no policy that is known"),
        ('{"lifecyclePolicyText": "{}"}', "policy.json: holds the policy as a text within"),
        ('{"cleanupPolicies": {}}', "policy.json: is no policy that is known"),
        (json.dumps({**ECR, "rule": []}), "policy.json: rule: unknown key; did you mean rules?"),
        (json.dumps([*GOOGLE, 1]), "policy.json: [1]: must be an object (got 1)"),
    ],
)
def test_cleanup_refuses_what_is_no_policy(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_policy(text, "policy.json")
    assert str(caught.value).startswith(message)


def test_cleanup_refuses_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.json").write_bytes(b"\xff{}")
    for name, message in (("missing.json", "cannot be read: No such file"), ("latin.json", "is not UTF-8")):
        with pytest.raises(ConfigError, match=message):
            load_policy(tmp_path / name)


def test_cleanup_shows_keys_of_a_policy_escaped():
    with pytest.raises(ConfigError) as caught:
        parse_policy(json.dumps({**ECR, "\x1b[31m": 1}), "policy.json")
    assert "\x1b" not in str(caught.value)


SCALARS = st.none() | st.booleans() | st.integers(-1, 40) | st.sampled_from(["any", "v*", "30d", "[", "{", "**", ""])
WORDS = sorted({*(word for policy in POLICIES for word in json.dumps(policy).split('"') if word.isalpha()), "id"})
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged(draw):
    """A policy in which one value is replaced by anything, or taken out."""
    document = json.loads(json.dumps(draw(st.sampled_from(POLICIES))))
    places = []

    def walk(value):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(document)
    holder, key = draw(st.sampled_from(places))
    if draw(st.booleans()):
        holder[key] = draw(ANYTHING)
    else:
        del holder[key]
    return document


def parsed(document):
    """The policy, or its mistakes."""
    try:
        return parse_policy(json.dumps(document), "policy.json")
    except ConfigError as exc:
        return exc.mistakes


@given(ANYTHING | damaged())
def test_cleanup_reads_any_json_or_says_what_is_wrong(document):
    policy = parsed(document)
    if isinstance(policy, tuple):
        assert policy
        assert all(line.startswith("policy.json") and line.isprintable() for line in policy)
    else:
        images = (pushed("A", "v1", days=9), pushed("B", days=None))
        judged = judge(policy, PolicyRepository("gcr.io", "p/app", images), NOW)
        assert [(each.fate is Fate.UNKNOWN, each.fate is Fate.DELETE) for each in judged] == [
            (bool(each.why), bool(each.rule)) for each in judged
        ]
