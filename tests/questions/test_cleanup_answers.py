"""`audit cleanup`: what would be deleted, what would break, what would be freed, and what is not known of it."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.audit_records import denied, digest, image, index, layer, listed_image, repository
from support.cleanup_answers import LATELY, LONG_AGO, ask_cleanup, policy_file, untagged_older_than_30_days
from support.pods import listed, pod, workload
from support.running import publish_whole
from support.stored_snapshots import SnapshotWriter

UNTAGGED = '[[rule]]\nimages = "untagged"\nolder_than = "30d"'
OLD = '[[rule]]\nname = "old"\nolder_than = "30d"'
GOOGLE = [
    {"name": "keep 1", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 1}},
    {"name": "old", "action": {"type": "Delete"}, "condition": {"olderThan": "30d"}},
]
HOST = "registry.example.com"
APP = f"{HOST}/team/app"
NOT_ASKED = "whether workloads use them is not known without --running; nothing was deleted"


def old(number, *tags, **fields):
    return image(number, *tags, uploaded_at=LONG_AGO, **fields)


def new(number, *tags, **fields):
    return image(number, *tags, uploaded_at=LATELY, **fields)


def layers(*numbers):
    return {"config_digest": digest(sum(numbers) + 30_000), "layers": [layer(n) for n in numbers], "annotations": {}}


@pytest.fixture
def cleanup(publish):
    """The rows of an answer, of a whole snapshot of 2026-11-20 with these records, and what they come to."""

    def run(policy, *records, pods="", **run_manifest):
        return ask_cleanup(publish_whole(publish, *records, **run_manifest), policy, pods)

    return run


def columns(answer, *names):
    rows, _ = answer
    return [tuple(row[name] for name in names) for row in rows]


def test_cleanup_names_what_is_deleted_and_by_which_rule(cleanup):
    answer = cleanup(OLD, repository("team/app", old(1, "1.0", "one"), new(2, "2.0"), old(3)))
    assert columns(answer, "answer", "repository", "tags", "digest", "rule", "breaks", "why") == [
        ("yes", "team/app", ["1.0", "one"], digest(1), "old", None, None),
        ("yes", "team/app", [], digest(3), "old", None, None),
    ]


def test_cleanup_counts_days_back_from_the_start_of_the_snapshot(cleanup):
    on_the_day = image(1, uploaded_at="2026-10-21T02:00:00.000Z")
    before = image(2, uploaded_at="2026-10-21T01:59:59.999Z")
    assert columns(cleanup(OLD, repository("team/app", on_the_day, before)), "digest") == [(digest(2),)]


def test_cleanup_frees_layers_that_nothing_uses_which_stays_each_once(cleanup):
    answer = cleanup(
        OLD,
        repository(
            "team/app", old(1, manifest=layers(1, 2)), old(2, manifest=layers(2, 3, 4)), new(3, manifest=layers(4))
        ),
        repository("team/other", new(4, manifest=layers(3)), old(2, manifest=layers(2, 3, 4))),
    )
    assert columns(answer, "repository", "digest", "freed_bytes") == [
        ("team/app", digest(1), 2000),
        ("team/app", digest(2), 0),
        ("team/other", digest(2), 0),
    ]
    assert answer[1] == f"the registry-crawler policy would delete 3 of 5 images and free up to 2 kB; {NOT_ASKED}"


def test_cleanup_does_not_know_what_an_unread_image_frees(cleanup):
    unread = listed_image(1, uploaded_at=LONG_AGO, media_type="application/vnd.oci.image.manifest.v1+json")
    assert columns(cleanup(OLD, repository("team/app", unread)), "answer", "freed_bytes") == [("yes", None)]


def test_cleanup_says_which_index_breaks(cleanup):
    answer = cleanup(
        UNTAGGED,
        repository(
            "team/app",
            index(1, [11, 12], "1.0", uploaded_at=LATELY),
            index(2, [12], uploaded_at=LATELY),
            index(3, [13], uploaded_at=LONG_AGO),
            *(old(number) for number in (11, 12, 13)),
        ),
    )
    assert columns(answer, "digest", "breaks") == [
        (digest(11), "the index 1.0 lists it, and stays"),
        (digest(12), f"the index 1.0 lists it, and stays; the index {digest(2)} lists it, and stays"),
        (digest(3), None),
        (digest(13), None),
    ]
    assert "2 deletions would break something" in answer[1]


def test_cleanup_says_which_signature_is_lost(cleanup):
    signed = [new(1, "1.0"), old(2, kind="signature", subject_digest=digest(1))]
    gone = [old(3), old(4, kind="signature", subject_digest=digest(3))]
    assert columns(cleanup(UNTAGGED, repository("team/app", *signed, *gone)), "digest", "breaks") == [
        (digest(2), "it is attached to 1.0, which stays"),
        (digest(3), None),
        (digest(4), None),
    ]


def test_cleanup_says_which_signature_of_cosign_is_lost(cleanup):
    images = [new(1, "1.0"), old(2, f"sha256-{1:064x}.sig"), old(3, f"sha256-{9:064x}.sig")]
    assert columns(cleanup(OLD, repository("team/app", *images)), "digest", "breaks") == [
        (digest(2), "it is attached to 1.0, which stays"),
        (digest(3), None),
    ]


def test_cleanup_breaks_nothing_by_the_list_of_referrers_of_an_image_that_is_gone(cleanup):
    referrers = index(5, [4], f"sha256-{3:064x}", uploaded_at=LATELY)
    gone = [old(3), old(4, kind="signature", subject_digest=digest(3))]
    assert columns(cleanup(UNTAGGED, repository("team/app", *gone, referrers)), "breaks") == [(None,), (None,)]


@pytest.mark.parametrize(
    ("used", "broken"),
    [
        (pod("a", f"{APP}:1.0"), {1}),
        (pod("a", f"{APP}@{digest(2)}"), {2}),
        (pod("a", f"{APP}:elsewhere", f"docker-pullable://{APP}@{digest(2)}"), {2}),
        (pod("a", f"{APP}:elsewhere", f"docker://{digest(10_002)}"), {2}),
        (pod("a", f"{APP}:multi"), {3, 4}),
        (pod("a", f"{APP}@{digest(4)}"), {4}),
        (pod("a", f"{APP}:1.0", phase="Succeeded"), {1}),
        (pod("a", "other.example.com/team/app:1.0"), set()),
        (pod("a", f"{HOST}/team/else:1.0"), set()),
    ],
)
def test_cleanup_says_which_workload_uses_an_image(cleanup, used, broken):
    images = [old(1, "1.0"), old(2), index(3, [4], "multi", uploaded_at=LONG_AGO), old(4)]
    rows, _ = cleanup(OLD, repository("team/app", *images), pods=listed(used))
    assert {row["digest"] for row in rows if row["breaks"] == "used by default/a"} == set(map(digest, broken))
    assert {row["breaks"] for row in rows} <= {None, "used by default/a"}


def test_cleanup_names_three_workloads_and_puts_what_breaks_first(cleanup):
    pods = listed(
        *(pod(name, f"{APP}:2.0") for name in ("d", "a", "c", "b", "a")), workload("CronJob", "night", f"{APP}:3.0")
    )
    answer = cleanup(OLD, repository("team/app", old(1, "1.0"), old(2, "2.0"), old(3, "3.0")), pods=pods)
    assert columns(answer, "tags", "breaks") == [
        (["2.0"], "used by default/a, default/b, default/c and 1 more"),
        (["3.0"], "used by default/CronJob/night"),
        (["1.0"], None),
    ]


def test_cleanup_says_unknown_of_what_was_not_read(cleanup):
    answer = cleanup(
        OLD,
        denied("denied/app"),
        repository("tags/app", old(1, "1.0"), tags=["1.0", "2.0"]),
        repository("suspect/app", old(1, "1.0"), suspect="1,000 entries and no next link"),
        repository("times/app", image(1, "1.0")),
        repository("whole/app", new(1, "1.0")),
        repository("gone/app", outcome="missing", images=None),
    )
    assert columns(answer, "answer", "repository", "digest", "why") == [
        ("unknown", "denied/app", None, "the registry denied the repository"),
        ("unknown", "suspect/app", None, "its listing may be truncated"),
        ("unknown", "tags/app", None, "not every image of its tags was read"),
        ("unknown", "times/app", digest(1), "the registry does not tell when it was pushed"),
    ]
    assert answer[1].endswith(f"; 1 image and 3 repositories could not be judged; {NOT_ASKED}")


def test_cleanup_keeps_the_layers_of_what_it_knows_nothing_of(cleanup):
    unread = repository("tags/app", old(1, "1.0", manifest=layers(1)), tags=["1.0", "2.0"])
    doubtful = repository("times/app", image(2, "1.0", manifest=layers(2)))
    rows, _ = cleanup(OLD, repository("team/app", old(3, manifest=layers(1, 2, 3))), unread, doubtful)
    assert [row["freed_bytes"] for row in rows if row["answer"] == "yes"] == [1000]


def test_cleanup_says_nothing_of_repositories_that_the_policy_leaves_alone(cleanup):
    policy = f'{OLD}\nrepositories = ["team/*"]'
    assert cleanup(policy, denied("other/app"), repository("other/web", old(1))) == (
        [],
        f"the registry-crawler policy would delete 0 of 1 images and free up to 0 bytes; {NOT_ASKED}",
    )


def test_cleanup_of_artifact_registry_knows_the_package(publish):
    policy = [{**GOOGLE[1], "condition": {"olderThan": "30d", "packageNamePrefixes": ["web"]}}]
    records = [
        {**repository(f"my-project/my-repo/{package}", old(1)), "registry": "us-docker.pkg.dev"}
        for package in ("web", "api")
    ]
    folder = publish("2026-11-20", records=records, target="us-docker.pkg.dev/my-project", depth="manifests")
    rows, total = ask_cleanup(folder, policy)
    assert [row["repository"] for row in rows] == ["my-project/my-repo/web"]
    assert total.startswith("the Artifact Registry policy would delete 1 of 2 images")


@st.composite
def snapshots(draw):
    """Records of repositories that were read whole. Layers are shared between images and repositories."""
    records = []
    for name in ("team/app", "team/web", "team/api", "team/job"):
        made = []
        for number in draw(st.lists(st.integers(1, 7), unique=True, max_size=6)):
            tags = draw(st.sampled_from([[], [f"tag-{number}"]]))
            at = {"uploaded_at": draw(st.sampled_from([LONG_AGO, LATELY]))}
            others = st.integers(1, 7).filter(lambda other, number=number: other != number)
            if draw(st.booleans()):
                found = draw(st.lists(st.integers(1, 5), max_size=3))
                subject = draw(st.none() | others.map(digest))
                made.append(image(number, *tags, manifest=layers(*found), subject_digest=subject, **at))
            else:
                made.append(index(number, draw(st.lists(others, max_size=3)), *tags, **at))
        records.append(repository(name, *made))
    return records


@settings(max_examples=25)
@given(records=snapshots())
def test_cleanup_answers_what_is_true(tmp_path_factory, records):
    rows, _ = ask_cleanup(publish_whole(SnapshotWriter(tmp_path_factory.mktemp("world")), *records), UNTAGGED)
    assert {
        (row["repository"], row["digest"]): (row["breaks"] is not None, row["freed_bytes"]) for row in rows
    } == untagged_older_than_30_days(records)
    assert {row["answer"] for row in rows} <= {"yes"}


async def test_cleanup_as_an_operator_asks_for_it(command, publish, tmp_path):
    folder = publish_whole(publish, repository("team/app", old(1, "1.0"), new(2, "2.0"), old(3, "3.0")))
    policy = policy_file(tmp_path, GOOGLE)
    ended = await command(
        "audit",
        "cleanup",
        "--policy",
        policy,
        "--running",
        "-",
        "--format",
        "csv",
        stdin=listed(pod("a", f"{APP}:1.0")),
    )
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == (
        "registry-crawler: the Artifact Registry policy would delete 2 of 3 images and free up to 2 kB; "
        "1 deletion would break something; nothing was deleted"
    )
    assert [(row["digest"], row["breaks"]) for row in csv.DictReader(io.StringIO(ended.out))] == [
        (digest(1), "used by default/a"),
        (digest(3), ""),
    ]
    assert json.loads((await command("audit", "cleanup", folder, "--policy", policy, "--format", "json")).out)


async def test_cleanup_fails_where_it_is_told_to(command, publish, tmp_path):
    publish_whole(publish, repository("team/app", old(1, "1.0"), new(2, "2.0")))
    options = ["--policy", policy_file(tmp_path, OLD), "--running", "-", "--fail-on"]
    for fail_on, reference, code in (("breaks", "1.0", 4), ("breaks", "2.0", 0), ("yes", "2.0", 4), ("any", "2.0", 4)):
        pods = listed(pod("a", f"{APP}:{reference}"))
        assert (await command("audit", "cleanup", *options, fail_on, stdin=pods)).code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cleanup"], "cleanup needs --policy FILE: the policy of Artifact Registry, ECR or Harbor"),
        (["unused", "--policy", "policy.json"], "unused needs --running FILE"),
        (["refs", "--policy", "policy.json"], "refs takes no --policy FILE"),
        (["refs", "--fail-on", "breaks"], "--fail-on breaks: the answer to refs has no column breaks"),
        (["--policy", "policy.json"], "--days, --component, --set, --policy, --running and --fail-on need a question"),
        (["cleanup", "--policy", "nowhere.json"], "--policy nowhere.json: cannot be read: No such file or directory"),
        (["cleanup", "--policy", "broken.json"], "--policy broken.json: [0].condition.olderthan: unknown key; did you"),
    ],
)
async def test_cleanup_that_cannot_be_answered(command, publish, tmp_path, arguments, message):
    publish_whole(publish, repository("team/app"))
    policy_file(tmp_path, GOOGLE)
    broken = [{**GOOGLE[1], "condition": {"olderthan": "30d"}}]
    (tmp_path / "broken.json").write_text(json.dumps(broken), encoding="utf-8")
    ended = await command("audit", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"registry-crawler: {message}")


async def test_cleanup_needs_manifests(command, publish, tmp_path):
    publish_whole(publish, repository("team/app", old(1)), depth="digests")
    ended = await command("audit", "cleanup", "--policy", policy_file(tmp_path, OLD))
    assert (ended.code, ended.out) == (1, "")
    assert "crawl with --depth manifests" in ended.complaint


async def test_cleanup_is_a_question_among_others(command, publish):
    publish_whole(publish)
    listing = json.loads((await command("audit", "--format", "json")).out)
    (row,) = [row for row in listing if row["question"] == "cleanup"]
    assert (row["parameters"], row["can_be_answered"]) == ("--policy FILE [--running FILE]", "yes")


async def test_cleanup_questions_of_ones_own_may_read_decisions(command, publish, tmp_path):
    publish_whole(publish, repository("team/app", old(1, "1.0"), old(2)))
    own = tmp_path / "own"
    own.mkdir()
    head = (
        "-- question: How many?\n-- input: policy   the policy\n-- column: answer   yes\n-- column: images   how many"
    )
    query = "SELECT 'yes' AS answer, count(*) AS images, NULL AS why FROM policy"
    (own / "how-many.sql").write_text(f"{head}\n-- column: why   never\n\n{query}\n", encoding="utf-8")
    options = ["--policy", policy_file(tmp_path, OLD), "--questions", own, "--format", "json"]
    ended = await command("audit", "how-many", *options)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == [{"answer": "yes", "images": 2, "why": None}]
