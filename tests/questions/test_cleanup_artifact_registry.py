"""Cleanup policies of Artifact Registry: the examples of Google's documentation, and what a snapshot leaves unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_policies import decisions, deleted, fates, mistakes, pushed

HOST = "us-docker.pkg.dev"
NAME = "my-project/my-repo/web/app"


def delete(name="delete", **condition):
    return {"name": name, "action": {"type": "Delete"}, "condition": condition}


def keep(name="keep", **condition):
    return {"name": name, "action": {"type": "Keep"}, "condition": condition}


def keep_newest(count, *packages):
    recent = {"keepCount": count, **({"packageNamePrefixes": list(packages)} if packages else {})}
    return {"name": "keep newest", "action": {"type": "Keep"}, "mostRecentVersions": recent}


# https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy-overview
def test_cleanup_artifact_registry_example_of_the_documentation():
    policy = [
        delete("older than 100 days", olderThan="100d"),
        keep("release", tagState="tagged", tagPrefixes=["2.0.6"]),
        delete("tagged default", tagState="tagged", tagPrefixes=["default"]),
    ]
    images = (
        pushed("A", "default", "2.0.1", days=120),
        pushed("B", "default", "2.0.6", days=150),
        pushed("C", "patch", "1.9.2", days=20),
    )
    found = decisions(policy, *images)
    assert {name: (each.fate, each.rule) for name, each in found.items()} == {
        "A": ("delete", "older than 100 days"),
        "B": ("keep", ""),
        "C": ("keep", ""),
    }


def test_cleanup_artifact_registry_deletes_nothing_without_a_delete_policy():
    assert deleted([keep_newest(1)], pushed("A", days=9), pushed("B", days=8)) == set()


def test_cleanup_artifact_registry_keeps_the_most_recent_versions():
    images = [pushed(str(days), days=days) for days in range(1, 6)]
    assert deleted([keep_newest(2), delete(tagState="any")], *images) == {"3", "4", "5"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"tagState": "any"}, {"tagged", "untagged", "old"}),
        ({"tagState": "TAGGED"}, {"tagged", "old"}),
        ({"tagState": "untagged"}, {"untagged"}),
        ({"tagPrefixes": ["v1", "zz"]}, {"old"}),
        ({"versionNamePrefixes": ["tag"]}, {"tagged"}),
        ({"olderThan": "30d"}, {"old"}),
        ({"olderThan": "2592000s"}, {"old"}),
        ({"newerThan": "720h"}, {"tagged", "untagged"}),
        ({"olderThan": "1d", "tagState": "untagged"}, {"untagged"}),
        ({"packageNamePrefixes": ["web"]}, {"tagged", "untagged", "old"}),
        ({"packageNamePrefixes": ["web%2Fapp"]}, {"tagged", "untagged", "old"}),
        ({"packageNamePrefixes": ["my-repo"]}, set()),
    ],
)
def test_cleanup_artifact_registry_conditions(condition, expected):
    images = (
        pushed("tagged", "v2", days=3),
        pushed("untagged", days=3),
        pushed("old", "v1.0", "latest", days=40),
    )
    assert deleted([delete(**condition)], *images, name=NAME, registry=HOST) == expected


@pytest.mark.parametrize(
    ("registry", "name", "package"),
    [
        (HOST, "my-project/my-repo/app", "app"),
        (HOST, "example.com/my-project/my-repo/app", "app"),
        ("gcr.io", "my-project/app", "app"),
        ("eu.gcr.io", "example.com/my-project/app", "app"),
    ],
)
def test_cleanup_artifact_registry_knows_the_package_of_a_repository(registry, name, package):
    image = pushed("A", days=9)
    assert deleted([delete(packageNamePrefixes=[package])], image, name=name, registry=registry) == {"A"}
    assert deleted([delete(packageNamePrefixes=["other"])], image, name=name, registry=registry) == set()


def test_cleanup_artifact_registry_says_unknown_of_packages_on_another_host():
    policy = [delete(tagState="any"), keep(packageNamePrefixes=["app"])]
    assert fates(policy, pushed("A", days=9), registry="mirror.example.com") == {"A": "unknown"}


def test_cleanup_artifact_registry_keeps_what_a_kept_index_lists():
    index = pushed("index", "v1", days=40, children=("amd64", "inner"))
    inner = pushed("inner", days=40, children=("arm64",))
    images = (index, inner, pushed("amd64", days=40), pushed("arm64", days=40), pushed("orphan", days=40))
    assert deleted([delete(tagState="untagged")], *images) == {"orphan"}
    assert deleted([delete(olderThan="30d")], *images) == {"index", "inner", "amd64", "arm64", "orphan"}
    assert deleted([delete(tagState="tagged")], *images) == {"index"}


def test_cleanup_artifact_registry_says_unknown_where_an_index_was_not_read():
    index = pushed("index", "v1", days=40, children=None)
    found = decisions([delete(tagState="untagged")], index, pushed("child", days=40))
    assert (found["child"].fate, found["child"].why) == (
        "unknown",
        "an index of the repository was not read, and may list it",
    )


def test_cleanup_artifact_registry_says_unknown_where_the_images_of_an_index_may_count():
    policy = [keep_newest(2), delete(tagState="any")]
    index = pushed("index", "v3", days=1, children=("amd64",))
    images = (index, pushed("amd64", days=2), pushed("middle", "v2", days=3), pushed("old", "v1", days=4))
    assert fates(policy, *images) == {"index": "keep", "amd64": "keep", "middle": "unknown", "old": "delete"}
    assert "not documented" in decisions(policy, *images)["middle"].why


def test_cleanup_artifact_registry_says_unknown_of_an_image_without_a_time():
    images = (pushed("A", "v1", days=None), pushed("B", "v1", days=40), pushed("C", "v2", days=1))
    assert fates([delete(olderThan="30d")], *images) == {"A": "unknown", "B": "delete", "C": "keep"}
    assert fates([delete(olderThan="30d"), keep(tagPrefixes=["v1"])], *images) == dict.fromkeys("ABC", "keep")
    assert fates([delete(olderThan="30d"), keep_newest(2)], *images) == {"A": "unknown", "B": "unknown", "C": "keep"}


def test_cleanup_artifact_registry_reads_what_the_api_answers():
    answered = {
        "id": "old",
        "action": "DELETE",
        "condition": {"olderThan": "2592000s", "tagState": "UNTAGGED"},
    }
    assert deleted([answered], pushed("A", days=40), pushed("B", "v1", days=40)) == {"A"}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([delete()], "[0].condition: has no criterion"),
        ([{"name": "x", "action": {"type": "Delete"}}], "[0].condition: missing"),
        ([delete(olderThan="30 days")], "[0].condition.olderThan: must be a whole number with s, m, h or d"),
        ([delete(olderThan=30)], "[0].condition.olderThan: must be a text (got 30)"),
        ([delete(tagState="maybe")], "[0].condition.tagState: must be one of any, tagged, untagged"),
        ([delete(tagState="untagged", tagPrefixes=["v"])], "[0].condition.tagPrefixes: an untagged version has none"),
        ([delete(tagPrefixes=[])], "[0].condition.tagPrefixes: must be a list of texts"),
        ([delete(tagPrefixes="v")], "[0].condition.tagPrefixes: must be a list of texts"),
        ([delete(older_than="30d")], "[0].condition.older_than: unknown key; did you mean olderThan?"),
        ([delete(tagState=None)], "[0].condition.tagState: must not be null"),
        ([{**keep_newest(1), "action": {"type": "Delete"}}], "[0].mostRecentVersions: is for policies whose action is"),
        ([{**keep_newest(1), "condition": {"tagState": "any"}}], "[0].condition: a policy has either a condition or"),
        ([keep_newest(0)], "[0].mostRecentVersions.keepCount: must be a whole number from 1"),
        ([keep_newest(True)], "[0].mostRecentVersions.keepCount: must be a whole number from 1"),
        ([delete(tagState="any"), delete(tagState="any")], "[1].name: is the name of another policy, too"),
        ([{"action": {"type": "Drop"}, "name": "x"}], "[0].action.type: must be one of Delete, Keep"),
        (["delete"], "[0]: must be an object (got 'delete')"),
    ],
)
def test_cleanup_artifact_registry_refuses_what_it_would_not_understand(policy, message):
    found = mistakes(policy)
    assert any(line.startswith(f"policy.json: {message}") for line in found), found


IMAGES = st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 60)), max_size=8)


@given(IMAGES, st.integers(1, 4), st.integers(0, 60))
def test_cleanup_artifact_registry_keeps_more_with_a_larger_count(drawn, count, days):
    images = [pushed(str(n), *(["v1"] if tagged else []), days=age) for n, (tagged, age) in enumerate(drawn)]
    few, many = (fates([delete(olderThan=f"{days}d"), keep_newest(n)], *images) for n in (count, count + 1))
    rank = ["delete", "unknown", "keep"].index
    assert all(rank(few[digest]) <= rank(many[digest]) for digest in few)


@given(IMAGES, st.integers(1, 4), st.data())
def test_cleanup_artifact_registry_is_right_whatever_the_unknown_times_are(drawn, count, data):
    policy = [delete(olderThan="30d"), keep_newest(count)]
    names = [f"{number}" for number in range(len(drawn))]
    blurred = [pushed(name, days=age) for name, (_, age) in zip(names, drawn, strict=True)]
    # the true times: those that are known, a little apart so that none is like another, and any time for the rest
    shifts = data.draw(st.permutations(range(len(drawn))))
    ages = [
        (data.draw(st.integers(0, 60)) if age is None else age) + shift / 1000
        for (_, age), shift in zip(drawn, shifts, strict=True)
    ]
    true = [pushed(name, days=age) for name, age in zip(names, ages, strict=True)]
    known, truth = fates(policy, *blurred), fates(policy, *true)
    assert {n: known[n] for n in names if known[n] != "unknown" and drawn[int(n)][1] != 30} == {
        n: truth[n] for n in names if known[n] != "unknown" and drawn[int(n)][1] != 30
    }
