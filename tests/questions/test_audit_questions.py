"""Every shipped question: it has a head that fits its SQL, and takes nothing that was not read for a proof."""

import pytest
from support.audit_answers import ask
from support.audit_records import denied, digest, image, index, layer, listed_image, problem, referrer, repository
from support.stored_snapshots import golden_records

from crawler.errors import SnapshotError
from crawler.questions.audit.catalog import load_questions

QUESTIONS = load_questions()
DEEP = {"depth": "configs", "referrers": "listed"}
SHIPPED = [
    *("bases", "broken", "bytes", "digest-tags", "duplicates", "end-of-life", "largest", "moved"),
    *("no-labels", "no-sbom", "refs", "root", "single-platform", "stale", "unsigned", "untouched"),
]
WITH_INPUT = ["cleanup", "unused"]
"""Questions that read more than a snapshot: each has tests of its own."""
BY_NAME = {"digest-tags", "refs"}
"""Questions for which the name of a tag is enough."""
YEARS_AGO = "2020-01-01T00:00:00.000Z"
LAST_WEEK = "2026-11-13T00:00:00.000Z"


@pytest.fixture
def answer(publish):
    """The rows of a question about a deep snapshot of 2026-11-20 with these records."""

    def run(question, *records, **given):
        publish("2026-11-01", records=records, **DEEP)
        return ask(publish("2026-11-20", records=records, **DEEP), question, **given)

    return run


def so(rows, *columns):
    return [tuple(row[column] for column in columns) for row in rows if row["answer"] == "yes"]


def whys(rows):
    return [(row["repository"], row["why"]) for row in rows if row["answer"] == "unknown"]


def test_audit_ships_these_questions():
    assert sorted(QUESTIONS) == sorted([*SHIPPED, *WITH_INPUT])


@pytest.mark.parametrize("name", SHIPPED)
def test_audit_question_answers_the_golden_snapshot(publish, name):
    publish("2026-11-01")
    for row in ask(publish("2026-11-20", verdict="partial"), name):
        assert list(row) == list(QUESTIONS[name].columns)
        assert (row["answer"], row["why"] is None) in {("yes", True), ("unknown", False)}


@pytest.mark.parametrize("name", SHIPPED)
def test_audit_question_says_unknown_of_what_was_not_listed(answer, name):
    failed = {**denied("failed/app"), "outcome": "failed"}
    suspect = repository("suspect/app", suspect="1,000 entries and no next link")
    rows = answer(name, denied("denied/app"), failed, suspect)
    assert {row["answer"] for row in rows} == {"unknown"}
    assert [
        key for key in ("denied", "failed", "suspect") if key in str([list(row.values())[1:-1] for row in rows])
    ] == [
        "denied",
        "failed",
        "suspect",
    ]
    if name != "bytes":
        assert {row["why"] for row in rows} == {
            "the registry denied the repository",
            "the repository could not be listed",
            "its listing may be truncated",
        }


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in BY_NAME])
def test_audit_question_says_unknown_of_tags_that_were_not_read(answer, name):
    some = repository("some/app", image(1, "1.0", uploaded_at=YEARS_AGO), tags=["1.0", "left-out"])
    none = repository("none/app", tags=["1.0"], images=None)
    unknown = [row for row in answer(name, some, none) if row["answer"] == "unknown"]
    assert all(any(key in str(row) for row in unknown) for key in ("some", "none"))


@pytest.mark.parametrize("name", SHIPPED)
def test_audit_question_is_silent_about_what_is_proved_not_to_be_there(answer, name):
    missing = {**denied("team/gone"), "outcome": "missing"}
    invalid = {**denied("Team/Bad"), "outcome": "invalid"}
    assert answer(name, missing, invalid) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_audit_question_needs_what_it_reads(publish, name):
    publish("2026-11-01", records=[], depth="tags", referrers="none")
    shallow = publish("2026-11-20", records=[], depth="tags", referrers="none", counts={"ok": 0, "images": None})
    if QUESTIONS[name].needs:
        with pytest.raises(SnapshotError, match=r"cannot answer .* crawl with --depth (digests|manifests|configs)"):
            ask(shallow, name)
    else:
        assert ask(shallow, name) == []


def test_audit_stale_takes_listed_times_at_any_depth(publish):
    record = repository("team/app", listed_image(1, "1.0", created_at=YEARS_AGO))
    folder = publish("2026-11-20", records=[record], depth="tags", referrers="none")
    assert so(ask(folder, "stale"), "repository", "age_days") == [("team/app", 2515)]


def test_audit_stale_counts_from_the_snapshot_and_not_from_today(answer):
    images = [
        image(1, "just", created_at="2025-11-20T01:59:59.999Z"),
        image(2, "not", created_at="2025-11-20T02:00:00Z"),
    ]
    assert so(answer("stale", repository("team/app", *images)), "tags") == [(["just"],)]


@pytest.mark.parametrize("unreal", ["1970-01-01T00:00:01.000Z", "1980-01-01T00:00:01.000Z", "2126-11-20T02:00:00.000Z"])
def test_audit_stale_takes_the_upload_where_the_build_time_is_not_real(answer, unreal):
    images = [
        image(1, "old", created_at=unreal, uploaded_at=YEARS_AGO),
        image(2, "new", created_at=unreal, uploaded_at=LAST_WEEK),
        image(3, "undated", created_at=unreal),
    ]
    rows = answer("stale", repository("team/app", *images))
    assert so(rows, "tags") == [(["old"],)]
    assert whys(rows) == [("team/app", "no time of its build or upload is known")]


def test_audit_stale_takes_an_index_to_be_as_old_as_its_newest_image(answer):
    children = [image(1, created_at=YEARS_AGO), image(2, created_at=LAST_WEEK), image(3)]
    indexes = [
        index(4, [1, 2], "new"),
        index(5, [1, 99], "old"),
        index(6, [1, 3], "half-known"),
        index(7, [1, 3], "uploaded", uploaded_at=LAST_WEEK),
        index(8, [99], "undated"),
    ]
    rows = answer("stale", repository("team/app", *children, *indexes))
    assert so(rows, "tags") == [(["old"],)]
    assert [row["tags"] for row in rows if row["answer"] == "unknown"] == [["half-known"], ["undated"]]


def test_audit_untouched_takes_a_known_push_for_proof_and_silence_for_none(answer):
    rows = answer(
        "untouched",
        repository("a/pushed", image(1, "1", uploaded_at=LAST_WEEK), image(2, "2")),
        repository("a/retagged", image(1, "1", uploaded_at=YEARS_AGO, updated_at=LAST_WEEK)),
        repository("a/old", image(1, "1", uploaded_at=YEARS_AGO)),
        repository("a/half-known", image(1, "1", uploaded_at=YEARS_AGO), image(2, "2")),
        repository("a/empty"),
    )
    assert so(rows, "repository") == [("a/old",)]
    assert sorted(whys(rows)) == [
        ("a/empty", "it is empty, so that no push is known"),
        ("a/half-known", "no time of a push is known of 1 of its 2 manifests"),
    ]


@pytest.mark.parametrize(
    ("user", "is_root"),
    [
        *((None, True), ("", True), ("root", True), ("0", True), ("0:0", True), ("root:staff", True), ("00", True)),
        *(("+0", True), (" 0", True), ("ContainerAdministrator", True), ("User Manager\\ContainerAdministrator", True)),
        *((":0", True), ("1000", False), ("1000:0", False), ("nonroot", False), ("rooty", False), ("10", False)),
        *(("0:\n0", True), ("\nroot:x\ny", True), ("ContainerUser", False)),
    ],
)
def test_audit_root_by_the_user_of_the_config(answer, user, is_root):
    rows = answer("root", repository("team/app", image(1, "1.0", config={"user": user})))
    assert so(rows, "user") == ([(user,)] if is_root else [])


def test_audit_root_names_the_images_of_an_index_by_its_tags(answer):
    rows = answer("root", repository("team/app", image(1), index(2, [1], "2.0"), index(3, [1], "1.0")))
    assert so(rows, "digest", "tags") == [(digest(1), ["1.0", "2.0"])]


def test_audit_root_says_unknown_without_a_config(answer):
    rows = answer("root", repository("team/app", listed_image(1, "1.0"), listed_image(2, "2.0", kind="artifact")))
    assert whys(rows) == [("team/app", "its config was not read")]


def test_audit_unsigned_asks_for_a_signature_of_the_tagged_image_itself(answer):
    signature = [referrer(9, "signature")]
    rows = answer(
        "unsigned",
        repository(
            "team/app",
            image(1, "signed", referrers=signature),
            image(2, "attested", referrers=[referrer(9, "provenance")]),
            image(3),
            index(4, [3], "signed-index", referrers=signature),
            listed_image(5, f"sha256-{1:064x}.sig", kind="signature", manifest={"config_digest": None}),
            index(6, [9], f"sha256-{1:064x}"),
            listed_image(7, f"sha256-{2:064x}.att"),
        ),
    )
    assert [(row["answer"], row["tags"]) for row in rows] == [("yes", ["attested"])]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"referrers": None}, "its referrers were not read"),
        (
            {"referrers": [referrer(9, "other", artifact_type="application/vnd.dev.sigstore.bundle.v0.3+json")]},
            "it has a referrer of an unknown kind, which may be one",
        ),
        ({"referrers": [referrer(9, "other")]}, "it has a referrer of an unknown kind, which may be one"),
        ({"kind": None}, "its manifest was not read"),
    ],
)
def test_audit_unsigned_says_unknown_where_there_may_be_a_signature(answer, fields, why):
    assert whys(answer("unsigned", repository("team/app", image(1, "1.0", **fields)))) == [("team/app", why)]


NOT_ASKED = "none is listed, and the referrers API was not asked: crawl with --referrers api"


@pytest.mark.parametrize("question", ["unsigned", "no-sbom"])
def test_audit_takes_a_list_without_untagged_manifests_for_no_proof(publish, question):
    of_tags = repository("a/tags-only", image(1, "1.0"), children=None)
    filtered = repository("a/filtered", image(1, "1.0"), listed_image(2))
    listed = ask(publish(records=[of_tags, filtered], **DEEP), question)
    assert whys(listed) == [("a/filtered", NOT_ASKED), ("a/tags-only", NOT_ASKED)]
    asked = ask(publish(records=[of_tags, filtered], depth="configs", referrers="api"), question)
    assert so(asked, "repository") == [("a/filtered",), ("a/tags-only",)]


@pytest.mark.parametrize("question", ["unsigned", "no-sbom", "end-of-life"])
@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"suspect": "a full page without a next link"}, "its listing may be truncated"),
        ({"tags": ["1.0", f"sha256-{1:064x}.sig"]}, "not every image of its tags was read"),
    ],
)
def test_audit_says_unknown_where_a_referrer_may_be_what_was_not_read(publish, question, fields, why):
    record = repository("team/app", image(1, "1.0"), **fields)
    for level in ("listed", "api"):
        rows = ask(publish(records=[record], depth="configs", referrers=level), question)
        assert [(row["tags"], row["answer"], row["why"]) for row in rows] == [
            (["1.0"], "unknown", why),
            ([], "unknown", why),
        ]


def test_audit_unsigned_says_unknown_where_the_referrers_api_failed(publish):
    failed = problem("manifest-unreadable", digest=digest(1), code="HTTP_503", http_status=503)
    record = repository("team/app", image(1, "1.0"), problems=[failed])
    rows = ask(publish(records=[record], depth="configs", referrers="api"), "unsigned")
    assert whys(rows) == [("team/app", "its referrers were not read")]


def test_audit_no_sbom_takes_an_index_with_an_sbom_for_each_image(answer):
    sbom = [referrer(9, "sbom")]
    rows = answer(
        "no-sbom",
        repository(
            "team/app",
            image(1, referrers=sbom),
            image(2, referrers=sbom),
            image(3),
            index(4, [1, 2], "each"),
            index(5, [1, 3], "some"),
            index(6, [3], "whole", referrers=sbom),
            index(7, [1, 99], "gone"),
        ),
    )
    assert so(rows, "tags") == [(["some"],)]
    assert [(row["tags"], row["why"]) for row in rows if row["answer"] == "unknown"] == [
        (["gone"], "the SBOMs of its images are not known")
    ]


def test_audit_single_platform(answer):
    arm = {"architecture": "arm64"}
    record = repository(
        "team/app",
        image(1, "amd64"),
        image(2, "arm64", config=arm),
        index(3, [1, 2], "both", platforms=[*image(1)["platforms"], *image(2, config=arm)["platforms"]]),
        index(4, [1], "index-of-one"),
        listed_image(5, "unread"),
    )
    every = answer("single-platform", record)
    assert so(every, "tags", "platform") == [
        (["amd64"], "linux/amd64"),
        (["arm64"], "linux/arm64"),
        (["index-of-one"], "linux/amd64"),
    ]
    assert [row["tags"] for row in every if row["answer"] == "unknown"] == [["unread"]]
    assert so(answer("single-platform", record, platform="linux/arm64"), "tags") == [(["arm64"],)]


def test_audit_bytes_counts_each_layer_once_and_what_deleting_would_free(answer):
    shared, own = layer(100, 700), layer(101, 30)
    manifest = {"config_digest": None, "annotations": {}}
    rows = answer(
        "bytes",
        repository("red/a", image(1, "1", manifest={**manifest, "layers": [shared, own]})),
        repository("red/b", image(2, "1", manifest={**manifest, "layers": [own]})),
        repository("blue/a", image(3, "1", manifest={**manifest, "layers": [shared, layer(102, None)]})),
        denied("green/a"),
    )
    assert [(row["component"], row["bytes"], row["bytes_only_here"], row["why"]) for row in rows] == [
        ("red", 730, 30, None),
        ("blue", 700, 0, "layers without a size: 1"),
        ("green", 0, 0, "repositories not read whole: 1"),
    ]


def test_audit_bytes_of_names_with_fewer_components(answer):
    rows = answer("bytes", repository("short", image(1, "1")), repository("a/b", image(2, "1")), component=2)
    assert sorted(so(rows, "component", "repositories")) == [("", 1), ("b", 1)]


def test_audit_largest_adds_up_the_images_of_an_index(answer):
    images = [image(1, size_bytes=500), image(2, "b", size_bytes=700), image(3, "c", size_bytes=900)]
    record = repository("team/app", *images, index(4, [1, 2], "both"), index(5, [1, 99], "gone"))
    rows = answer("largest", record, count=2)
    assert so(rows, "tags", "size_bytes") == [(["both"], 1200), (["c"], 900)]
    assert whys(rows) == [("team/app", "its size is not known")]


def test_audit_duplicates_names_every_repository(answer):
    rows = answer("duplicates", *(repository(f"team/{name}", image(1, "1.0"), image(2)) for name in "ab"))
    assert so(rows, "digest", "repositories") == [(digest(1), ["team/a", "team/b"])]


def test_audit_moved_says_unknown_of_tags_that_one_of_the_snapshots_has_not_read(publish):
    def run(day, first, second):
        images = [[image(number, "1.0")] if number else [] for number in (first, second)]
        records = [repository(name, *its, tags=["1.0"]) for name, its in zip(["a/a", "b/b"], images, strict=True)]
        return publish(day, records=records, **DEEP)

    run("2026-11-01", 0, 2)
    rows = ask(run("2026-11-20", 1, 0), "moved")
    assert whys(rows) == [
        ("a/a", "not every image of its tags was read, in the earlier snapshot"),
        ("b/b", "not every image of its tags was read"),
    ]
    assert so(rows, "tag") == []


def test_audit_broken_says_unknown_of_what_could_not_be_read(answer):
    problems = [
        problem("dangling-tag", tag="gone"),
        problem("vanished-tag", tag="deleted"),
        problem("manifest-unreadable", tag="html", code="INVALID_CONTENT"),
        problem("manifest-unreadable", tag="busy", code="HTTP_503"),
    ]
    rows = answer("broken", repository("team/app", tags=["gone", "deleted"], problems=problems))
    assert so(rows, "tag") == [("gone",), ("html",)]
    assert whys(rows) == [("team/app", "it could not be read")]


def test_audit_digest_tags_tells_their_purpose(answer):
    tags = [f"sha256-{1:064x}", f"sha256-{1:064x}.sig", f"sha512-{1:0128x}.att", "sha-1234", f"sha256-{1:063x}"]
    rows = answer("digest-tags", repository("team/app", image(1, *tags)))
    assert so(rows, "subject_digest", "purpose") == [
        (digest(1), "referrers"),
        (digest(1), "sig"),
        (f"sha512:{1:0128x}", "att"),
    ]


def test_audit_no_labels_tells_which_are_missing(answer):
    source = {"org.opencontainers.image.source": "https://git.example.com/a"}
    annotated = {"config_digest": None, "layers": [], "annotations": {"org.opencontainers.image.revision": "abc"}}
    record = repository(
        "team/app",
        image(1, "none"),
        image(2, "empty", config={"labels": {"owner": "", **source}}, manifest=annotated),
        image(3, "whole", config={"labels": {"maintainer": "me", **source}}, manifest=annotated),
        image(4, "private", config={"labels": {"com.example.owner": "me", **source}}, manifest=annotated),
    )
    assert so(answer("no-labels", record), "tags", "missing") == [
        (["none"], ["owner", "source", "revision"]),
        (["empty"], ["owner"]),
        (["private"], ["owner"]),
    ]
    private = answer("no-labels", record, owner="contact, com.example.owner ")
    assert (["private"], ["owner"]) not in so(private, "tags", "missing")


def test_audit_end_of_life_by_the_date_of_the_lifecycle_artifact(answer):
    def lifecycle(number, date):
        annotations = {} if date is None else {"vnd.microsoft.artifact.lifecycle.end-of-life.date": date}
        manifest = {"config_digest": None, "layers": [], "annotations": annotations}
        kind = "application/vnd.microsoft.artifact.lifecycle"
        return listed_image(number, kind="artifact", artifact_type=kind, manifest=manifest)

    dates = {10: "2026-06-30T00:00:00Z", 11: "2027-06-30", 12: "soon", 13: None}
    record = repository(
        "team/app",
        image(1, "ended", referrers=[referrer(10, "lifecycle")]),
        image(2, "later", referrers=[referrer(11, "lifecycle")]),
        image(3, "odd", referrers=[referrer(12, "lifecycle")]),
        image(4, "undated", referrers=[referrer(13, "lifecycle")]),
        image(5, "not-here", referrers=[referrer(14, "lifecycle")]),
        image(6, "forever"),
        image(7, "two", referrers=[referrer(11, "lifecycle"), referrer(12, "lifecycle")]),
        *(lifecycle(number, date) for number, date in dates.items()),
    )
    rows = answer("end-of-life", record)
    assert so(rows, "tags") == [(["ended"],)]
    assert {row["tags"][0] for row in rows if row["answer"] == "unknown"} == {"odd", "undated", "not-here", "two"}


def test_audit_bases_tells_the_family(answer):
    names = ["gcr.io/p/base/debian12:12.1", "gcr.io/distroless/static-debian12", "docker.io/library/Node:20", "1-2/3"]
    images = [
        image(number, str(number), config={"base_name": name, "base_from": "label"})
        for number, name in enumerate(names)
    ]
    rows = answer("bases", repository("team/app", *images, image(9, "scratch")))
    assert sorted(so(rows, "base_name", "family"), key=repr) == sorted(
        zip(names, ["debian", "distroless", "node", None], strict=True), key=repr
    )
    assert whys(rows) == [("team/app", "neither annotations, labels nor layers name a base")]


def test_audit_golden_snapshot_keeps_its_unknowns_apart(publish):
    folder = publish(verdict="partial", records=golden_records())
    unknown = {row["repository"] for row in ask(folder, "root") if row["answer"] == "unknown"}
    assert unknown == {"my-project/hidden", "my-project/listed-only"}
