"""Lifecycle policies of ECR on random repositories: what is said for sure holds whatever is not known or documented."""

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from support.cleanup_policies import days_ago, fates, pushed

NAMES = "abcdefg"
DAYS = 10
KEPT = 2
SELECTIONS = {
    "prod": lambda tags: any(tag.startswith("prod") for tag in tags),
    "untagged": lambda tags: not tags,
    "any": lambda _: True,
}


def rule(priority, status, by_age):
    count = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": DAYS}
    if not by_age:
        count = {"countType": "imageCountMoreThan", "countNumber": KEPT}
    tags = {"tagStatus": "tagged", "tagPrefixList": ["prod"]} if status == "prod" else {"tagStatus": status}
    return {"rulePriority": priority, "selection": {**tags, **count}, "action": {"type": "expire"}}


@st.composite
def images(draw):
    """Images; some are indexes, some refer to others, and some have no time."""
    made = []
    for number, name in enumerate(draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))):
        tags = draw(st.sampled_from([(), (), (f"prod-{name}",), (f"dev-{name}",)]))
        others = [each for each in NAMES if each > name]  # nothing lists itself
        days = draw(st.none() | st.integers(0, 20).map(lambda age, number=number: age + number / 10))
        children = tuple(draw(st.lists(st.sampled_from(others), max_size=2))) if others else ()
        subject = draw(st.none() | st.sampled_from(others)) if others else None
        made.append(pushed(name, *tags, days=days, children=children, subject=subject))
    return made


def expired(found, rules, *, children_count, referrers_count, referrers_expire):
    """What ECR deletes in the end, if every time is known and this is what it does."""
    gone = set()
    while True:
        present = [image for image in found if image.digest not in gone]
        names = {image.digest for image in present}
        listed = {child for image in present for child in image.children}
        referrers = {image.digest for image in present if image.subject in names}
        marked, seen = set(), set()
        for status, by_age in rules:
            chosen = [image for image in present if SELECTIONS[status](image.tags)]
            counted = [
                image
                for image in sorted(chosen, key=lambda image: image.uploaded_at, reverse=True)
                if (children_count or image.digest not in listed) and (referrers_count or image.digest not in referrers)
            ]
            for image in chosen:
                may_go = image.digest not in listed | seen and (referrers_expire or image.digest not in referrers)
                newest = [each.digest for each in counted if each.uploaded_at >= image.uploaded_at]
                is_expired = image.uploaded_at < days_ago(DAYS) if by_age else len(newest) > KEPT
                if may_go and is_expired and (by_age or image in counted):
                    marked.add(image.digest)
            seen |= {image.digest for image in chosen}
        while follow := {image.digest for image in present if image.subject in marked} - marked:
            marked |= follow
        if not marked:
            return gone
        gone |= marked


@settings(max_examples=150)
@given(
    found=images(), order=st.permutations(["prod", "untagged"]), ages=st.tuples(*[st.booleans()] * 3), data=st.data()
)
def test_cleanup_ecr_is_right_whatever_is_not_known(found, order, ages, data):
    rules = list(zip([*order, "any"], ages, strict=True))
    document = {"rules": [rule(number, *each) for number, each in enumerate(rules, 1)]}
    said = fates(document, *found)
    whole = [
        replace(image, uploaded_at=days_ago(data.draw(st.integers(0, 20)) + number / 100))
        if image.uploaded_at is None
        else image
        for number, image in enumerate(found, 1)
    ]
    for children_count, referrers_count, referrers_expire in product([False, True], repeat=3):
        gone = expired(
            whole,
            rules,
            children_count=children_count,
            referrers_count=referrers_count,
            referrers_expire=referrers_expire,
        )
        true = {image.digest: "delete" if image.digest in gone else "keep" for image in whole}
        assert {name: fate for name, fate in said.items() if fate != "unknown"} == {
            name: true[name] for name, fate in said.items() if fate != "unknown"
        }
