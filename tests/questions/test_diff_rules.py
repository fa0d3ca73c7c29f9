"""What diff claims between two nights, and what it leaves unknown: one rule after the other."""

import json

import pytest
from support.diff_snapshots import change, digest, image, problem, record, refused, run_fields
from support.stored_snapshots import golden_snapshot

from crawler.questions.diff.changes import compare
from crawler.questions.diff.document import json_lines
from crawler.tables.selection import select_pair

OLD, NEW = "2026-11-20", "2026-11-21"


@pytest.fixture
def nights(publish):
    """Publishes two nights of a target. `old` and `new` are fields of their runs, and further ones those of both."""

    def publish_nights(before, after, *, old=None, new=None, **both):
        for day, records, fields in ((OLD, before, old), (NEW, after, new)):
            publish(day, records=records, **run_fields(**{**both, **(fields or {})}))

    return publish_nights


@pytest.fixture
def diff(tmp_path):
    """The JSON of diff for the two nights, or for the folders that are given."""

    def run(*folders):
        with compare(*select_pair(tmp_path / "snapshots", [str(folder) for folder in folders])) as comparison:
            return json.loads("\n".join(json_lines(comparison)))

    return run


def test_diff_of_a_snapshot_with_itself_leaves_only_what_was_not_read(diff):
    found = diff(golden_snapshot(), golden_snapshot())
    assert found["changes"] == [
        change("unknown", "my-project/hidden", detail="denied in both snapshots: DENIED"),
        change(
            "unknown",
            "my-project/listed-only",
            detail="the new listing may not be whole: 1,000 entries and no next link",
        ),
    ]


@pytest.mark.parametrize(
    ("after", "run", "detail"),
    [
        ([refused("app", "denied")], {}, "denied in the new snapshot: DENIED"),
        ([refused("app", "failed", "HTTP_503")], {}, "failed in the new snapshot: HTTP_503"),
        ([record("app", suspect="no next link")], {}, "the new listing may not be whole: no next link"),
        ([], {"is_complete": False}, "not listed, and discovery of the new snapshot may be incomplete"),
        ([], {"config": {"repositories_from": "names.txt"}}, "not on the new snapshot's list of names"),
        ([], {"names": 3}, "not recorded, and 2 of the names that the new run found have no record"),
        ([], {"method": "list"}, "not on the new snapshot's list of names"),
        ([], {"kind": "harbor"}, "not listed, and the new snapshot was taken with another registry.kind, api_path or "),
        (
            [],
            {"config": {"location": "us"}},
            "not listed, and the new snapshot was taken with another registry.kind, api_path or ",
        ),
        (
            [],
            {"identity": "token: ci"},
            "not listed to another account: the new snapshot was taken as token: ci, the old one as anonymous",
        ),
    ],
)
def test_diff_claims_no_removal_without_proof(diff, nights, after, run, detail):
    nights([record("app", [image(1, "1.0")])], after, new=run)
    (found,) = diff()["changes"]
    assert found["detail"].startswith(detail)
    assert found == change("unknown", "app", detail=found["detail"])


def test_diff_takes_the_registrys_word_for_a_removal(diff, nights):
    nights([record("app", [image(1, "1.0")])], [refused("app", "missing")], new={"is_complete": False})
    detail = "the registry says that it does not exist; it had 1 tag"
    assert diff()["changes"] == [change("repository-removed", "app", detail=detail)]


def test_diff_says_where_an_addition_is_not_proved(diff, nights):
    nights([], [record("app", [image(1, "1.0")])], old={"is_complete": False})
    detail = "1 tag; the old snapshot may have missed it"
    assert diff()["changes"] == [change("repository-added", "app", detail=detail)]


def test_diff_of_a_suspect_listing_reports_what_is_listed(diff, nights):
    nights(
        [record("app", [image(1, "moved"), image(2, "unlisted")])],
        [record("app", [image(3, "moved"), image(4, "added")], suspect="cut")],
    )
    assert [(one["kind"], one["tag"]) for one in diff()["changes"]] == [
        ("unknown", None),
        ("tag-added", "added"),
        ("tag-moved", "moved"),
    ]


def test_diff_compares_repositories_that_both_runs_looked_for(diff, nights):
    names = ["team/app", "other/app", "other/tool"]
    nights(
        [record(name, [image(1, "1.0")]) for name in names],
        [record("team/app", [image(1, "1.0")])],
        new={"config": {"include": ["team/*"]}},
    )
    detail = "2 repositories of the old snapshot not compared: outside the prefix or the filters of the new one"
    assert diff()["changes"] == [change("unknown", None, detail=detail)]


def test_diff_without_new_digests_says_so_once(diff, nights):
    nights(
        [record("app", [image(number, f"1.{number}") for number in range(3)])],
        [record("app", None, tags=["1.0", "1.1", "1.2"])],
        old={"problems_counted": 0},
        new={"depth": "tags", "images": None},
        referrers="none",
    )
    detail = "3 tags have no digest in the new snapshot, whose depth is tags"
    assert diff()["changes"] == [change("unknown", None, detail=detail)]


def test_diff_without_old_digests_says_that_moves_are_not_known(diff, nights):
    nights(
        [
            record("app", None, tags=["1.0", "1.1"]),
            record("fixed", [], tags=["1.0"], problems=[problem("dangling-tag", "1.0")]),
        ],
        [record("app", [image(1, "1.0", "1.1")]), record("fixed", [image(1, "1.0")])],
        old={"depth": "tags", "referrers": "none", "problems_counted": 0},
    )
    detail = "2 tags have no digest in the old snapshot: whether they moved is not known"
    assert diff()["changes"] == [change("unknown", None, detail=detail)]


def test_diff_of_a_tag_that_neither_run_could_read_is_unknown(diff, nights):
    unread = [problem("manifest-unreadable", "1.0", code="HTTP_503")]
    nights(*[[record("app", [], tags=["1.0"], problems=unread)]] * 2)
    detail = "no digest in both snapshots: manifest-unreadable"
    assert diff()["changes"] == [change("unknown", "app", "1.0", detail=detail)]


def test_diff_notes_that_tags_which_are_left_out_are_not_compared(diff, nights):
    nights(*[[record("app", [image(1, "1.0")], tags=["pr-1"])]] * 2, images_config={"exclude_tags": ["pr-*"]})
    found = diff()
    assert found["changes"] == []
    note = "moves of tags that were not read are not seen (images.include_tags, images.exclude_tags)"
    assert note in found["notes"]


def test_diff_of_tags_alone_notes_that_moves_are_not_seen(diff, nights):
    nights(
        [record("app", None, tags=["1.0"])],
        [record("app", None, tags=["1.0", "1.1"])],
        depth="tags",
        referrers="none",
        images=None,
    )
    found = diff()
    assert found["changes"] == [change("tag-added", "app", "1.1")]
    assert found["notes"][0] == "moved tags are not seen: no digests are known (--depth digests)"


def test_diff_of_a_tag_without_a_digest_is_unknown(diff, nights):
    nights(
        [record("app", [image(1, "1.0")])],
        [record("app", [], tags=["1.0"], problems=[problem("dangling-tag", "1.0")])],
    )
    assert diff()["changes"] == [
        change("problem-new", "app", "1.0", detail="dangling-tag"),
        change("unknown", "app", "1.0", old=digest(1), detail="no digest in the new snapshot: dangling-tag"),
    ]


def test_diff_compares_images_where_every_image_is_listed(diff, nights):
    before = [record("app", [image(1, "1.0"), image(2)])]
    after = [record("app", [image(1, "1.0"), image(3)])]
    nights(before, after, kind="gcr")
    assert diff()["changes"] == [
        change("image-added", "app", new=digest(3)),
        change("image-removed", "app", old=digest(2)),
    ]


def test_diff_claims_no_deleted_image_where_tags_alone_are_listed(diff, nights):
    nights([record("app", [image(1, "1.0"), image(2)])], [record("app", [image(1, "1.0")])])
    found = diff()
    assert found["changes"] == []
    assert "untagged images are not compared: only Google's listings are known to have all" in found["notes"]


def test_diff_of_signatures(diff, nights):
    before = [record("app", [image(1, "1.0", signatures=[7]), image(2, "2.0", signatures=[])])]
    after = [record("app", [image(1, "1.0", signatures=[]), image(2, "2.0", signatures=[8])])]
    nights(before, after, referrers="api")
    assert diff()["changes"] == [
        change("signature-added", "app", subject=digest(2), new=digest(8)),
        change("signature-removed", "app", subject=digest(1), old=digest(7)),
    ]


@pytest.mark.parametrize(
    ("unlisted", "both", "doubt"),
    [
        (("api", []), {"referrers": "api"}, "there: the referrers API lists nothing in the new snapshot"),
        (("bulk", []), {"kind": "harbor"}, "there: it has no tag, and the registry may not list every image"),
        (("api", None), {"referrers": "api"}, "there: the referrers of the image were not read"),
    ],
)
def test_diff_claims_no_removed_signature_that_may_be_listed_no_more(diff, nights, unlisted, both, doubt):
    via, signatures = unlisted
    nights(
        [record("app", [image(1, "1.0", signatures=[7], via=via)])],
        [record("app", [image(1, "1.0", signatures=signatures)])],
        **both,
    )
    detail = f"the signature may be {doubt}"
    assert diff()["changes"] == [change("unknown", "app", subject=digest(1), old=digest(7), detail=detail)]


def test_diff_of_a_signature_without_a_tag_where_every_image_is_listed(diff, nights):
    nights(*([record("app", [image(1, "1.0", signatures=seal, via="bulk")])] for seal in ([7], [])), kind="gcr")
    assert diff()["changes"] == [change("signature-removed", "app", subject=digest(1), old=digest(7))]


def test_diff_takes_a_signature_added_under_cosigns_tag_for_no_removal(diff, nights):
    nights(*([record("app", [image(1, "1.0", signatures=[seal], via="cosign-tag")])] for seal in (7, 8)))
    assert diff()["changes"] == []


def test_diff_claims_no_signature_and_no_problem_gone_where_an_image_was_not_read(diff, nights):
    unread = problem("manifest-unreadable", "2.0", digest(2), "HTTP_503")
    nights(
        [record("app", [image(1, "1.0", signatures=[7])], tags=["2.0"], problems=[problem("schema1", "1.0")])],
        [record("app", [image(1, "1.0", signatures=[])], tags=["2.0"], problems=[unread])],
    )
    assert [(one["kind"], one["detail"]) for one in diff()["changes"]] == [
        ("unknown", "the signature may be gone: not every image of the repository was read"),
        ("unknown", "schema1 may be gone: not every image of the repository was read"),
        ("problem-new", "manifest-unreadable"),
        ("unknown", "no digest in both snapshots: manifest-unreadable"),
    ]


def test_diff_of_problems(diff, nights):
    before, after = problem("schema1", "1.0", digest(1)), problem("config-missing", "1.0", digest(1))
    nights(*([record("app", [image(1, "1.0")], problems=[one])] for one in (before, after)))
    assert diff()["changes"] == [
        change("problem-gone", "app", "1.0", old=digest(1), detail="schema1"),
        change("problem-new", "app", "1.0", new=digest(1), detail="config-missing"),
    ]


def test_diff_says_once_that_runs_of_another_depth_share_no_problems(diff, nights):
    nights(
        [record("app", [image(1, "1.0", signatures=[7])], problems=[problem("config-missing", "1.0")])],
        [record("app", [image(1, "1.0")])],
        old={"depth": "configs"},
        new={"depth": "digests", "referrers": "none"},
    )
    detail = (
        "problems, signatures and untagged images are not compared: "
        "the old snapshot has depth configs, referrers listed, the new one depth digests, referrers none"
    )
    assert diff()["changes"] == [change("unknown", None, detail=detail)]


def test_diff_of_what_the_old_snapshot_could_not_read_is_unknown(diff, nights):
    nights([refused("a", "denied"), refused("b", "failed")], [record("a"), refused("b", "missing")])
    assert [(one["kind"], one["repository"]) for one in diff()["changes"]] == [("unknown", "a"), ("unknown", "b")]


def test_diff_of_a_new_repository_that_is_denied_claims_no_addition(diff, nights):
    nights([refused("a", "missing")], [refused("a", "denied"), refused("b", "denied")])
    assert [(one["kind"], one["repository"]) for one in diff()["changes"]] == [("unknown", "a"), ("unknown", "b")]


def test_diff_of_a_suspect_listing_claims_nothing_gone(diff, nights):
    before = [image(1, "1.0", signatures=[7]), image(2)]
    nights(
        [record("app", before, problems=[problem("schema1", "1.0")])],
        [record("app", [image(1, "1.0", signatures=[])], suspect="cut")],
        kind="gcr",
    )
    assert diff()["changes"] == [change("unknown", "app", detail="the new listing may not be whole: cut")]


def test_diff_after_a_suspect_listing_says_that_additions_may_be_old(diff, nights):
    nights([record("app", [], suspect="cut")], [record("app", [image(1, "1.0")])], kind="gcr")
    detail = "the old listing may not have been whole: the old snapshot may have missed it"
    assert diff()["changes"] == [
        change("image-added", "app", new=digest(1), detail=detail),
        change("tag-added", "app", "1.0", new=digest(1), detail=detail),
    ]


def test_diff_of_a_tag_with_two_digests_is_unknown(diff, nights):
    nights([record("app", [image(1, "1.0")])], [record("app", [image(1, "1.0"), image(2, "1.0")])])
    assert [(one["kind"], one["tag"]) for one in diff()["changes"]] == [("unknown", "1.0")]


def test_diff_takes_a_vanished_tag_for_removed(diff, nights):
    vanished = [problem("vanished-tag", "2.0")]
    listings = {
        "a": record("a", [image(1, "1.0")], tags=["2.0"], problems=vanished),
        "b": record("b", [image(1, "1.0"), image(2, "2.0")], problems=vanished),
        "c": record("c", [], tags=["2.0"], problems=vanished),
    }
    nights([record(name, [image(1, "1.0"), image(2, "2.0")]) for name in listings], list(listings.values()))
    found = [(one["kind"], one["repository"], one["tag"]) for one in diff()["changes"] if one["kind"] != "problem-new"]
    assert found == [("tag-removed", "a", "2.0"), ("tag-removed", "b", "2.0"), ("repository-emptied", "c", None)]


def test_diff_reports_the_problems_of_an_added_repository(diff, nights):
    nights([], [record("app", [], tags=["1.0"], problems=[problem("dangling-tag", "1.0")])])
    assert diff()["changes"] == [
        change("repository-added", "app", detail="1 tag"),
        change("problem-new", "app", "1.0", detail="dangling-tag"),
    ]


@pytest.mark.parametrize("run", [{"config": {"images_from": "api"}}, {"depth": "configs"}])
def test_diff_claims_no_deleted_image_where_images_come_another_way(diff, nights, run):
    nights([record("app", [image(1, "1.0"), image(2)])], [record("app", [image(1, "1.0")])], kind="gcr", new=run)
    assert diff()["counts"]["image-removed"] == 0


def test_diff_of_a_repository_with_untagged_images_alone(diff, nights):
    nights([record("app", [image(1)])], [record("app", [])], kind="gcr")
    assert diff()["changes"] == [change("repository-emptied", "app", detail="it had 0 tags and 1 image")]


def test_diff_of_untagged_images_that_another_listing_does_not_have(diff, nights):
    nights([record("app", [image(1)])], [record("app", [])], kind="ecr")
    assert diff()["changes"] == []


@pytest.mark.parametrize(("depths", "unknown"), [(("configs", "digests"), 1), (("digests", "configs"), 0)])
def test_diff_misses_problems_only_if_the_new_run_was_less_deep(diff, nights, depths, unknown):
    old, new = ({"depth": depth} for depth in depths)
    broken = [record("app", [image(1, "1.0")], problems=[problem("config-missing", "1.0")])]
    nights(*((broken, []) if unknown else ([], broken)), old=old, new=new, is_complete=False)
    found = diff()
    not_compared = "problems, signatures and untagged images are not compared: the old snapshot has depth "
    lines = [one["detail"] for one in found["changes"] if one["repository"] is None]
    assert [line.startswith(not_compared) for line in lines] == [True] * unknown
    assert any(note.startswith(not_compared) for note in found["notes"]) == (not unknown)
    assert found["counts"]["problem-new"] == found["counts"]["problem-gone"] == 0


def test_diff_reports_no_problems_of_what_the_old_run_did_not_look_for(diff, nights):
    nights(
        [],
        [record("other/app", [], tags=["1.0"], problems=[problem("dangling-tag", "1.0")])],
        old={"config": {"include": ["team/*"]}},
    )
    detail = "1 repository of the new snapshot not compared: outside the prefix or the filters of the old one"
    assert diff()["changes"] == [change("unknown", None, detail=detail)]
