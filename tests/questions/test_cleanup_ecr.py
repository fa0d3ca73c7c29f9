"""Lifecycle policies of ECR: the examples of AWS's documentation, and what a snapshot leaves unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_policies import NOW, days_ago, decisions, deleted, fates, mistakes, pushed


def rule(priority=1, *, status="tagged", action="expire", **selection):
    if status == "tagged" and "tagPatternList" not in selection:
        selection = {"tagPrefixList": ["prod"], **selection}
    return {
        "rulePriority": priority,
        "selection": {"tagStatus": status, **selection},
        "action": {"type": action},
    }


def most(count):
    return {"countType": "imageCountMoreThan", "countNumber": count}


def older(days):
    return {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}


def policy(*rules):
    return {"rules": list(rules)}


ABC = (
    pushed("A", "beta-1", "prod-1", days=10),
    pushed("B", "beta-2", "prod-2", days=9),
    pushed("C", "beta-3", days=8),
)
ALPHA_TO_F = (
    pushed("A", "alpha-1", days=12),
    pushed("B", "beta-1", days=11),
    pushed("C", "alpha-2", "beta-2", days=10),
    pushed("D", "alpha-3", days=4),
    pushed("E", "beta-3", days=3),
    pushed("F", "alpha-4", "beta-4", days=2),
)
GREEK = (
    pushed("A", "alpha-1", "beta-1", "gamma-1", days=10),
    pushed("B", "alpha-2", "beta-2", days=9),
    pushed("C", "alpha-3", "beta-3", "gamma-2", days=8),
)
PROD_FIRST = policy(rule(1, **most(1)), rule(2, tagPrefixList=["beta"], **most(1)))
BETA_FIRST = policy(rule(1, tagPrefixList=["beta"], **most(1)), rule(2, **most(1)))


# https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html
@pytest.mark.parametrize(
    ("document", "images", "expired"),
    [
        pytest.param(policy(rule(tagPatternList=["prod*"], **older(14))), ABC, set(), id="age: none is old enough"),
        pytest.param(policy(rule(tagPatternList=["prod*"], **older(9))), ABC, {"A"}, id="age: pattern"),
        pytest.param(PROD_FIRST, ABC, {"A"}, id="multiple rules A"),
        pytest.param(BETA_FIRST, ABC, {"A", "B"}, id="multiple rules B"),
        pytest.param(
            policy(rule(tagPrefixList=["alpha", "beta"], **older(5))), ALPHA_TO_F, {"C"}, id="multiple tags A"
        ),
        pytest.param(policy(rule(tagPrefixList=["alpha", "beta"], **most(1))), GREEK, {"A", "B"}, id="multiple tags B"),
        pytest.param(policy(rule(status="any", **most(1))), ABC, {"A", "B"}, id="all images A"),
        pytest.param(
            policy(
                rule(1, tagPrefixList=["alpha"], **most(1)),
                rule(2, tagPrefixList=["beta"], **most(1)),
                rule(3, status="any", **most(1)),
            ),
            (
                pushed("A", "alpha-1", days=12),
                pushed("B", "beta-1", days=11),
                pushed("C", "alpha-2", "beta-2", days=10),
                pushed("D", "alpha-3", days=4),
                pushed("E", "delta-1", days=3),
            ),
            {"A", "B", "C"},
            id="all images: what higher rules select is counted, and not expired, by a lower rule",
        ),
    ],
)
def test_cleanup_ecr_examples_of_the_documentation(document, images, expired):
    assert deleted(document, *images) == expired


def test_cleanup_ecr_names_the_rule_that_expires():
    described = {**rule(7, **most(1)), "description": "old releases"}
    found = decisions(policy(rule(2, status="untagged", **most(1)), described), *ABC)
    assert found["A"].rule == "rule 7: old releases"


@pytest.mark.parametrize(
    ("pattern", "tag", "matches"),
    [
        ("prod*", "prod", True),
        ("prod*", "production-team1", True),
        ("prod*", "my-prod", False),
        ("*prod*", "repo-production", True),
        ("1.*", "1x2", False),
        ("v*.*", "v1", False),
        ("v*.*", "v1.2", True),
    ],
)
def test_cleanup_ecr_pattern_matches_whole_tags(pattern, tag, matches):
    document = policy(rule(tagPatternList=[pattern], **older(1)))
    assert deleted(document, pushed("A", tag, days=3)) == ({"A"} if matches else set())


def test_cleanup_ecr_keeps_what_an_index_lists():
    index = pushed("index", "prod-2", days=1, children=("amd64", "arm64"))
    children = (pushed("amd64", days=30), pushed("arm64", days=30))
    document = policy(rule(1, status="untagged", **older(14)), rule(2, status="any", **most(2)))
    assert deleted(document, index, *children, pushed("new", "prod-1", days=9)) == set()


def test_cleanup_ecr_says_unknown_where_the_images_of_an_index_may_count():
    index = pushed("index", "prod-3", days=1, children=("amd64",))
    images = (index, pushed("amd64", days=2), pushed("middle", "prod-2", days=3), pushed("old", "prod-1", days=4))
    document = policy(rule(status="any", **most(2)))
    assert fates(document, *images) == {"index": "keep", "amd64": "keep", "middle": "unknown", "old": "delete"}
    assert "not documented" in decisions(document, *images)["middle"].why
    assert deleted(policy(rule(**most(2))), *images) == {"old"}


def test_cleanup_ecr_says_unknown_where_signatures_may_count():
    signed = pushed("signed", "prod-2", days=1)
    images = (signed, pushed("signature", days=2, subject="signed"), pushed("old", "prod-1", days=3))
    assert fates(policy(rule(status="any", **most(2))), *images) == {
        "signed": "keep",
        "signature": "keep",
        "old": "unknown",
    }


def test_cleanup_ecr_says_unknown_of_signatures_of_signatures_of_doubtful_images():
    chain = (
        pushed("image", "prod-1", days=None),
        pushed("one", days=1, subject="image"),
        pushed("two", days=1, subject="one"),
    )
    assert fates(policy(rule(**older(14))), *chain) == dict.fromkeys(("image", "one", "two"), "unknown")
    gone = (pushed("image", "prod-1", days=30), *chain[1:])
    assert deleted(policy(rule(**older(14))), *gone) == {"image", "one", "two"}


def test_cleanup_ecr_expires_the_images_of_an_index_that_is_gone():
    index = pushed("index", "prod-1", days=30, children=("amd64", "shared"))
    newer = pushed("newer", "prod-2", days=2, children=("shared",))
    images = (index, newer, pushed("amd64", days=31), pushed("shared", days=31))
    only_tagged = policy(rule(**older(14)))
    both = policy(rule(1, **older(14)), rule(2, status="untagged", **older(14)))
    assert deleted(only_tagged, *images) == {"index"}
    assert deleted(both, *images) == {"index", "amd64"}


def test_cleanup_ecr_expires_signatures_with_their_image():
    signed = pushed("signed", "prod-1", days=30)
    signature = pushed("signature", days=1, subject="signed")
    assert deleted(policy(rule(**older(14))), signed, signature) == {"signed", "signature"}


def test_cleanup_ecr_says_unknown_of_signatures_of_kept_images():
    signed = pushed("signed", "prod-1", days=30)
    signature = pushed("signature", days=30, subject="signed")
    found = decisions(policy(rule(1, status="untagged", **older(14))), signed, signature)
    assert (found["signed"].fate, found["signature"].fate) == ("keep", "unknown")
    assert "not documented" in found["signature"].why


def test_cleanup_ecr_says_unknown_of_an_image_without_a_time():
    images = (pushed("A", "prod-1", days=None), pushed("B", "prod-2", days=30), pushed("C", "prod-3", days=1))
    assert fates(policy(rule(**older(14))), *images) == {"A": "unknown", "B": "delete", "C": "keep"}
    assert fates(policy(rule(**most(1))), *images) == {"A": "unknown", "B": "delete", "C": "unknown"}
    assert fates(policy(rule(**most(2))), *images) == {"A": "unknown", "B": "unknown", "C": "keep"}
    assert fates(policy(rule(**most(3))), *images) == {"A": "keep", "B": "keep", "C": "keep"}


def test_cleanup_ecr_says_unknown_of_images_whose_index_is_doubtful():
    index = pushed("index", "prod-1", days=None, children=("amd64",))
    document = policy(rule(1, **older(14)), rule(2, status="untagged", **older(14)))
    assert fates(document, index, pushed("amd64", days=30)) == {"index": "unknown", "amd64": "unknown"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            policy(rule(1, **most(1)), rule(1, status="untagged", **most(1))),
            "rules[1].rulePriority: is that of another",
        ),
        (
            policy(rule(1, status="any", **most(1)), rule(2, **most(1))),
            "rules[0].rulePriority: a rule for any tagStatus",
        ),
        (policy(rule(1, **most(1)), rule(2, **older(1))), "rules[1].selection: another rule selects the same images"),
        (policy(rule(**most(0))), "rules[0].selection.countNumber: must be a whole number from 1"),
        (policy(rule(countType="sinceImagePushed", countNumber=1)), "rules[0].selection.countUnit: missing"),
        (policy(rule(countUnit="days", **most(1))), "rules[0].selection.countUnit: unknown key"),
        (policy(rule(action="transition", **most(1))), "rules[0].action.type: is about archived images"),
        (policy(rule(storageClass="archive", **most(1))), "rules[0].selection.storageClass: is about archived images"),
        (policy(rule(countType="sinceImagePulled", countNumber=1)), "rules[0].selection.countType: must be one of"),
        (policy(rule(tagPatternList=["a*b*c*d*e*"], **most(1))), "rules[0].selection.tagPatternList: a pattern may"),
        (
            policy(rule(tagPatternList=["a"], tagPrefixList=["b"], **most(1))),
            "rules[0].selection.tagStatus: tagged needs",
        ),
        (
            policy(rule(status="untagged", tagPrefixList=["b"], **most(1))),
            "rules[0].selection.tagStatus: must be tagged",
        ),
        (
            policy({**rule(**most(1)), "rulepriority": 2}),
            "rules[0].rulepriority: unknown key; did you mean rulePriority?",
        ),
    ],
)
def test_cleanup_ecr_refuses_what_it_would_not_understand(document, message):
    found = mistakes(document)
    assert any(line.startswith(f"policy.json: {message}") for line in found), found


def test_cleanup_ecr_tells_all_mistakes_at_once():
    broken = policy({"rulePriority": "1", "selection": []}, rule(0, color="red", **most(1)))
    assert [line.split(": ")[1] for line in mistakes(broken)] == [
        "rules[0].rulePriority",
        "rules[0].selection",
        "rules[0].action",
        "rules[1].rulePriority",
        "rules[1].selection.color",
    ]


IMAGES = st.lists(
    st.tuples(st.lists(st.sampled_from(["a1", "a2", "b1", "c"]), max_size=3, unique=True), st.integers(0, 20)),
    max_size=8,
)


@given(IMAGES, st.permutations(["a", "b"]), st.integers(1, 4), st.integers(1, 20))
def test_cleanup_ecr_agrees_with_rules_applied_one_after_the_other(drawn, prefixes, count, days):
    images = [pushed(str(number), *tags, days=age + number / 100) for number, (tags, age) in enumerate(drawn)]
    document = policy(
        rule(1, tagPrefixList=[prefixes[0]], **most(count)),
        rule(2, tagPrefixList=[prefixes[1]], **older(days)),
        rule(3, status="untagged", **most(1)),
        rule(4, status="any", **most(count)),
    )
    expected, seen = set(), set()
    selections = [
        (lambda tags: any(tag.startswith(prefixes[0]) for tag in tags), lambda place, _: place >= count),
        (lambda tags: any(tag.startswith(prefixes[1]) for tag in tags), lambda _, time: time < days_ago(days)),
        (lambda tags: not tags, lambda place, _: place >= 1),
        (lambda _: True, lambda place, _: place >= count),
    ]
    for selects, expires in selections:
        chosen = sorted((i for i in images if selects(i.tags)), key=lambda i: NOW - i.uploaded_at)
        for place, image in enumerate(chosen):
            if image.digest not in seen and expires(place, image.uploaded_at):
                expected.add(image.digest)
        seen |= {image.digest for image in chosen}
    assert deleted(document, *images) == expected
