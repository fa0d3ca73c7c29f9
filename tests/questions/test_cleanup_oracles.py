"""Policies on random repositories: what is said for sure holds, whatever is not known or not documented."""

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from support.cleanup_policies import days_ago, fates, pushed

NAMES = "abcdefg"
SELECTOR = {"kind": "doublestar", "pattern": "**"}
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


def with_times(found, data):
    """The images, where those without a time have one."""
    return [
        replace(image, uploaded_at=days_ago(data.draw(st.integers(0, 20)) + number / 100))
        if image.uploaded_at is None
        else image
        for number, image in enumerate(found, 1)
    ]


def assert_holds(said, gone):
    """What is said for sure is so."""
    sure = {name: fate for name, fate in said.items() if fate != "unknown"}
    assert sure == {name: "delete" if name in gone else "keep" for name in sure}


@settings(max_examples=150)
@given(
    found=images(), order=st.permutations(["prod", "untagged"]), ages=st.tuples(*[st.booleans()] * 3), data=st.data()
)
def test_cleanup_ecr_is_right_whatever_is_not_known(found, order, ages, data):
    rules = list(zip([*order, "any"], ages, strict=True))
    document = {"rules": [rule(number, *each) for number, each in enumerate(rules, 1)]}
    said = fates(document, *found)
    whole = with_times(found, data)
    for children_count, referrers_count, referrers_expire in product([False, True], repeat=3):
        gone = expired(
            whole,
            rules,
            children_count=children_count,
            referrers_count=referrers_count,
            referrers_expire=referrers_expire,
        )
        assert_holds(said, gone)


class Harbor:
    """A repository of Harbor, which deletes as src/controller/artifact/controller.go does."""

    def __init__(self, found):
        self.images = {image.digest: image for image in found}
        self.references = {(image.digest, child) for image in found for child in image.children}

    def candidates(self):
        listed = {child for _, child in self.references}
        return [i for i in self.images.values() if i.subject is None and (i.tags or i.digest not in listed)]

    def delete(self, name, *, is_root):
        image = self.images.get(name)
        if image is None or (image.tags and not is_root) or any(child == name for _, child in self.references):
            return
        for accessory in [each.digest for each in self.images.values() if each.subject == name]:
            self.delete(accessory, is_root=True)
        for child in sorted(child for parent, child in self.references if parent == name):
            self.references.discard((name, child))
            self.delete(child, is_root=False)
        self.images.pop(name, None)


@settings(max_examples=150)
@given(found=images(), by_age=st.booleans(), decoration=st.sampled_from(["matches", "excludes"]), data=st.data())
def test_cleanup_harbor_is_right_whatever_is_not_known(found, by_age, decoration, data):
    template, number = ("nDaysSinceLastPush", DAYS) if by_age else ("latestPushedK", KEPT)
    rule = {
        "action": "retain",
        "template": template,
        "params": {template: number},
        "tag_selectors": [{**SELECTOR, "pattern": "prod*", "decoration": decoration}],
        "scope_selectors": {"repository": [{**SELECTOR, "decoration": "repoMatches"}]},
    }
    said = fates({"algorithm": "or", "scope": {"level": "project", "ref": 1}, "rules": [rule]}, *found)
    harbor = Harbor(with_times(found, data))
    while True:
        before = set(harbor.images)
        selected = [
            i for i in harbor.candidates() if not i.tags or (decoration == "matches") is i.tags[0].startswith("prod")
        ]
        newest = sorted(selected, key=lambda image: image.uploaded_at, reverse=True)
        kept = [i for i in newest if i.uploaded_at >= days_ago(DAYS)] if by_age else newest[:KEPT]
        for name in [i.digest for i in harbor.candidates() if i not in kept]:
            harbor.delete(name, is_root=True)
        if set(harbor.images) == before:
            break
    assert_holds(said, {image.digest for image in found} - set(harbor.images))


@settings(max_examples=150)
@given(
    found=images(), state=st.sampled_from(["any", "tagged", "untagged"]), children_count=st.booleans(), data=st.data()
)
def test_cleanup_artifact_registry_is_right_whatever_the_registry_counts(found, state, children_count, data):
    condition = {"tagState": state, "olderThan": f"{DAYS}d"}
    policy = [
        {"name": "old", "action": {"type": "Delete"}, "condition": condition},
        {"name": "prod", "action": {"type": "Keep"}, "condition": {"tagPrefixes": ["prod"], "newerThan": "15d"}},
        {"name": "newest", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": KEPT}},
    ]
    said, whole = fates(policy, *found), with_times(found, data)
    listed = {child for image in whole for child in image.children}
    counted = [i for i in whole if children_count or i.digest not in listed]
    newest = sorted(counted, key=lambda image: image.uploaded_at, reverse=True)[:KEPT]
    gone = {
        image.digest
        for image in whole
        if state in {"any", "tagged" if image.tags else "untagged"}
        and image.uploaded_at < days_ago(DAYS)
        and not (image.tags and image.tags[0].startswith("prod") and image.uploaded_at > days_ago(15))
        and image not in newest
    }
    while refused := {child for image in whole if image.digest not in gone for child in image.children} & gone:
        gone -= refused
    assert_holds(said, gone)
