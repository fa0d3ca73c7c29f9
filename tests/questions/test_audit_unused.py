"""`audit unused`: what is gone and what nothing runs, cell by cell, and as an operator asks for it."""

import csv
import io
import json

import pytest
from support.audit_records import denied, digest, image, index, listed_image, problem, repository
from support.pods import LONG_AGO, SECRET, SINCE_THEN, listed, pod, workload
from support.running import ask_unused, publish_whole

from crawler.errors import ConfigError
from crawler.questions.audit.header import parse_question

HOST = "registry.example.com"
APP = f"{HOST}/team/app"
IDLE = pod("idle", "other.example.com/app")


def pulled(number):
    """As the runtime names a manifest of the repository."""
    return f"{APP}@{digest(number)}"


@pytest.fixture
def unused(publish):
    """The rows of an answer, of a whole snapshot with these records."""

    def run(records, *objects, **run_manifest):
        return ask_unused(publish_whole(publish, *records, **run_manifest), listed(*objects))

    return run


def gone(asked):
    return [
        (row["answer"], (row["tags"] or [row["digest"]])[0], row["why"])
        for row in asked.rows
        if row["finding"] == "gone"
    ]


def left_over(asked):
    return [(row["answer"], row["digest"]) for row in asked.rows if row["finding"] == "unused"]


def test_unused_is_silent_where_everything_runs(unused):
    records = [repository("team/app", image(1, "1.0"), image(2, "latest"))]
    assert unused(records, pod("a", f"{APP}:1.0", pulled(1)), pod("b", APP)).rows == []


def test_unused_names_what_runs_and_is_gone(unused):
    records = [repository("team/app", image(1, "1.0")), repository("team/gone", outcome="missing", images=None)]
    asked = unused(
        records,
        pod("a", f"{APP}:2.0"),
        pod("b", f"{APP}:2.0"),
        pod("c", pulled(2)),
        pod("d", f"{HOST}/team/gone"),
        pod("e", f"{HOST}/team/never"),
        pod("f", f"{APP}:1.0", pulled(1)),
    )
    assert asked.found("answer", "finding", "repository", "tags", "digest", "users", "used_by", "why") == [
        ("yes", "gone", "team/app", None, digest(2), 1, ["default/c"], None),
        ("yes", "gone", "team/app", ["2.0"], None, 2, ["default/a", "default/b"], None),
        ("yes", "gone", "team/gone", ["latest"], None, 1, ["default/d"], None),
        ("yes", "gone", "team/never", ["latest"], None, 1, ["default/e"], None),
    ]


def test_unused_counts_both_images_of_a_tag_that_moved_since(unused):
    records = [repository("team/app", image(1), image(2, "latest"))]
    assert unused(records, pod("a", f"{APP}:latest", pulled(1))).rows == []
    asked = unused(records, pod("a", f"{APP}:latest", pulled(3)))
    assert (gone(asked), left_over(asked)) == ([("yes", digest(3), None)], [("yes", digest(1))])


def test_unused_counts_an_index_and_its_images_as_one(unused):
    records = [repository("team/app", index(1, [2, 3], "1.0"), image(2), image(3), image(4, "2.0"))]
    for running in (pod("a", f"{APP}:1.0", pulled(2)), pod("a", f"{APP}:1.0"), pod("a", pulled(3))):
        asked = unused(records, running)
        assert (gone(asked), left_over(asked)) == ([], [("yes", digest(4))])


def test_unused_leaves_signatures_and_sboms_out(unused):
    signature = image(2, f"sha256-{1:064x}.sig", kind="signature")
    records = [repository("team/app", image(1, "1.0"), signature, image(3, kind="sbom"))]
    assert left_over(unused(records, IDLE)) == [("yes", digest(1))]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (denied("team/app"), "the registry denied the repository"),
        ({**denied("team/app"), "outcome": "failed"}, "the repository could not be listed"),
        (repository("team/app", suspect="1,000 entries and no next link"), "its listing may be truncated"),
    ],
)
def test_unused_takes_what_was_not_read_for_no_proof(unused, record, why):
    asked = unused([record], pod("a", f"{APP}:1.0", pulled(1)))
    assert gone(asked) == [("unknown", digest(1), why), ("unknown", "1.0", why)]
    assert left_over(asked) == [("unknown", None)]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"verdict": "partial", "discovery": {"complete": False}}, "discovery was not complete"),
        ({"discovery": {"repositories": 3}}, "discovery was not complete"),
        ({"config": {"exclude": ["team/*"]}}, "the filters of the crawl leave the repository out"),
        ({"config": {"include": ["other/*"]}}, "the filters of the crawl leave the repository out"),
        ({"config": {"repositories_from": "names.txt"}}, "the repository is not on the list of names"),
        ({"discovery": {"method": "list"}}, "the repository is not on the list of names"),
        ({"config": {"location": "europe"}}, "only the location europe was crawled"),
    ],
)
def test_unused_takes_an_absent_record_for_a_proof_only_where_it_is_one(publish, fields, why):
    folder = publish_whole(publish, verdict=fields.get("verdict", "complete"))
    file = folder / "_run.json"
    run = json.loads(file.read_text())
    run["discovery"].update(fields.get("discovery", {}))
    run["config"]["registry"].update(fields.get("config", {}))
    file.write_text(json.dumps(run))
    ((answer, name, found),) = gone(ask_unused(folder, listed(pod("a", APP))))
    assert (answer, name) == ("unknown", "latest")
    assert found.startswith(why)


def test_unused_knows_untagged_images_only_where_the_registry_lists_them(unused):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"), children=None)]
    asked = unused(records, pod("a", f"{APP}:1.0", pulled(3)))
    why = "no tag names it, and the registry does not list images without a tag"
    assert gone(asked) == [("unknown", digest(3), why)]
    assert [(row["digest"], row["why"]) for row in asked.rows if row["finding"] == "unused"] == [
        (digest(2), f"which image runs is not known: {why}")
    ]


def test_unused_takes_nothing_started_since_for_gone(unused):
    records = [repository("team/app", image(1, "1.0"))]
    pushed_since = "it was started after the snapshot was taken, and may have been pushed since"
    asked = unused(records, pod("a", f"{APP}:2.0", created=SINCE_THEN), pod("b", f"{APP}:3.0", created="yesterday"))
    assert gone(asked) == [
        ("unknown", "2.0", pushed_since),
        ("unknown", "3.0", "since when it is used is not known: it may have been pushed after the snapshot was taken"),
    ]
    # a container that was started again may run what its tag was moved to
    restarted = pod("a", f"{APP}:1.0", pulled(2), created=LONG_AGO, started=SINCE_THEN)
    assert gone(unused(records, restarted)) == [("unknown", digest(2), pushed_since)]


def test_unused_takes_a_dangling_tag_for_gone(unused):
    dangling = problem("dangling-tag", tag="1.0", digest=digest(1))
    records = [repository("team/app", listed_image(1, "1.0"), image(2, "2.0"), problems=[dangling])]
    asked = unused(records, pod("a", f"{APP}:1.0"), pod("b", pulled(1)))
    assert gone(asked) == [("yes", digest(1), None), ("yes", "1.0", None)]
    assert left_over(asked) == [("yes", digest(2))]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_unused_keeps_the_images_of_pods_that_ended_and_does_not_miss_them(unused, phase):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"))]
    asked = unused(records, pod("a", f"{APP}:1.0", phase=phase), pod("b", f"{APP}:3.0", phase=phase))
    assert (gone(asked), left_over(asked)) == ([], [("yes", digest(2))])


@pytest.mark.parametrize("kind", ["CronJob", "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"])
def test_unused_keeps_the_images_of_what_starts_pods(unused, kind):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"))]
    asked = unused(records, workload(kind, "nightly", f"{APP}:1.0"))
    assert left_over(asked) == [("yes", digest(2))]
    asked = unused(records, workload(kind, "nightly", f"{APP}:3.0"))
    # the others may have been given the image since the snapshot was taken
    answer = "yes" if kind in {"Job", "ReplicaSet"} else "unknown"
    assert (answer, "gone", [f"default/{kind}/nightly"]) in asked.found("answer", "finding", "used_by")


def test_unused_keeps_the_images_of_what_was_scaled_down_and_does_not_miss_them(unused):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"))]
    done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    for tag, rows in (("1.0", [("yes", digest(2))]), ("3.0", [("yes", digest(1)), ("yes", digest(2))])):
        scaled = workload("ReplicaSet", "old", f"{APP}:{tag}")
        scaled["spec"]["replicas"] = 0
        for idle in (scaled, {**workload("Job", "once", f"{APP}:{tag}"), **done}):
            asked = unused(records, idle)
            assert (gone(asked), left_over(asked)) == ([], rows)


@pytest.mark.parametrize("group", ["initContainers", "ephemeralContainers"])
def test_unused_counts_every_container_of_a_pod(unused, group):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"), image(3))]
    asked = unused(records, pod("a", f"{APP}:1.0", pulled(3), group=group))
    assert left_over(asked) == [("yes", digest(2))]


def test_unused_counts_volumes_that_are_images(unused):
    volumes = {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "model", "image": {"reference": f"{APP}:1.0"}}]}
    records = [repository("team/app", image(1, "1.0"))]
    assert left_over(unused(records, pod("a", "other.example.com/app", spec=volumes))) == []


@pytest.mark.parametrize(
    "image_id",
    [
        f"docker-pullable://{APP}@{digest(1)}",
        f"{APP}@{digest(1)}",
        f"sha256:{1:064x}",
        f"docker://sha256:{10_001:064x}",
        f"sha256:{10_001:064x}",
        f"{10_001:064x}",
        f"mirror.example.com/team/app@{digest(1)}",
    ],
)
def test_unused_reads_every_form_of_an_image_id(unused, image_id):
    records = [repository("team/app", image(1), image(2, "1.0"), image(3, "2.0"))]
    asked = unused(records, pod("a", f"{APP}:1.0", image_id))
    assert (gone(asked), left_over(asked)) == ([], [("yes", digest(3))])


@pytest.mark.parametrize("image_id", [f"sha256:{99:064x}", "mirror.example.com/team/app@" + digest(99), "cri-9:local"])
def test_unused_calls_nothing_unused_beside_an_image_id_that_it_does_not_know(unused, image_id):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0")), repository("team/other", image(3, "1.0"))]
    asked = unused(records, pod("a", f"{APP}:1.0", image_id))
    assert [answer for answer, *_ in gone(asked)] == ["unknown"]
    assert left_over(asked) == [("yes", digest(3)), ("unknown", digest(2))]


@pytest.mark.parametrize("image_id", [pulled(1), f"sha256:{99:064x}", "mirror.example.com/team/app@" + digest(99)])
def test_unused_knows_what_runs_where_the_reference_is_a_digest(unused, image_id):
    records = [repository("team/app", image(1, "1.0"), image(2, "2.0"))]
    asked = unused(records, pod("a", pulled(1), image_id))
    assert (gone(asked), left_over(asked)) == ([], [("yes", digest(2))])


def test_unused_counts_an_image_that_the_runtime_names_by_a_repository_of_ours(unused):
    records = [repository("team/app", image(1, "1.0")), repository("team/copy", image(1, "1.0"), image(2, "2.0"))]
    asked = unused(records, pod("a", f"{APP}:1.0", f"{HOST}/team/copy@{digest(1)}"))
    assert (gone(asked), left_over(asked)) == ([], [("yes", digest(2))])
    asked = unused(records, pod("a", "mirror.example.com/team/copy:9", f"{HOST}/team/copy@{digest(9)}"))
    assert gone(asked) == []


def test_unused_at_depth_digests_answers_for_repositories_that_nothing_uses(unused):
    records = [
        repository("team/app", listed_image(1, "1.0"), listed_image(2, "2.0")),
        repository("team/idle", listed_image(3, "1.0")),
    ]
    asked = unused(records, pod("a", f"{APP}:1.0", pulled(1)), depth="digests")
    assert left_over(asked) == [("yes", digest(3)), ("unknown", digest(2))]


@pytest.mark.parametrize(
    ("target", "reference"),
    [
        ("docker.io/acme", "acme/app:1.0"),
        ("docker.io/acme", "index.docker.io/acme/app:1.0"),
        ("registry-1.docker.io/acme", "docker.io/acme/app:1.0"),
        ("docker.io/library", "app:1.0"),
        ("localhost:5000", "localhost:5000/acme/app:1.0"),
        ("registry.example.com", "Registry.Example.com:443/acme/app:1.0"),
        ("registry.example.com/acme", f"registry.example.com/acme/app:1.0@{digest(1)}"),
    ],
)
def test_unused_reads_references_as_docker_does(publish, target, reference):
    name = "library/app" if target.endswith("library") else "acme/app"
    registry = target.partition("/")[0]
    record = {**repository(name, image(1, "1.0"), image(2, "latest")), "registry": registry}
    asked = ask_unused(publish_whole(publish, record, target=target), listed(pod("a", reference)))
    assert left_over(asked) == [("yes", digest(2))]
    assert asked.notes == [f"1 workload read; containers with images of {target}: 1, from elsewhere: 0"]


def test_unused_says_what_it_read_and_does_not_judge(unused):
    asked = unused(
        [],
        pod("a", "nginx"),
        pod("b", "ghcr.io/acme/app"),
        pod("c", "ghcr.io/acme/app"),
        pod("d", "Not A Reference"),
    )
    assert asked.notes == [
        f"4 workloads read; containers with images of {HOST}: 0, from elsewhere: 3 (ghcr.io, docker.io)",
        "1 container has a reference to no image, and cannot start",
        f"nothing of {HOST} runs, so that all of it is unused: check whose workloads they are",
    ]


def test_unused_judges_only_what_is_under_the_prefix(publish):
    folder = publish_whole(publish, repository("team/app", image(1, "1.0")), target=f"{HOST}/team")
    asked = ask_unused(folder, listed(pod("a", f"{HOST}/other/app"), pod("b", f"{APP}:1.0")))
    assert (asked.rows, asked.notes) == (
        [],
        [f"2 workloads read; containers with images of {HOST}/team: 1, from elsewhere: 1 ({HOST})"],
    )


async def test_unused_from_standard_input_and_from_a_file(command, publish, tmp_path):
    folder = publish_whole(publish, repository("team/app", image(1, "1.0"), image(2, "2.0")))
    pods = listed(pod("a", f"{APP}:1.0", pulled(1)), pod("b", f"{APP}:3.0"))
    (tmp_path / "pods.json").write_text(pods)
    for source, stdin in (("-", pods), ("pods.json", "")):
        ended = await command("audit", "unused", folder, "--running", source, "--format", "csv", stdin=stdin)
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert ended.code == 0
        assert ended.complaint == f"2 workloads read; containers with images of {HOST}: 2, from elsewhere: 0"
        assert [(row["finding"], row["digest"] or row["tags"]) for row in rows] == [
            ("gone", '["3.0"]'),
            ("unused", digest(2)),
        ]


@pytest.mark.parametrize(("fail_on", "reference", "code"), [("yes", "1.0", 0), ("any", "1.0", 0), ("yes", "2.0", 4)])
async def test_unused_fails_where_it_is_told_to(command, publish, fail_on, reference, code):
    folder = publish_whole(publish, repository("team/app", image(1, "1.0")))
    pods = listed(pod("a", f"{APP}:1.0"), pod("b", f"{APP}:{reference}"))
    ended = await command("audit", "unused", folder, "--running", "-", "--fail-on", fail_on, stdin=pods)
    assert ended.code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["unused"], "unused needs --running FILE: what runs, from kubectl get pods -A -o json (- reads"),
        (["duplicates", "--running", "-"], "duplicates takes no --running FILE"),
        (["--running", "-"], "--days, --component, --set, --policy, --running and --fail-on need a question: reg"),
        (["unused", "--running", "nowhere.json"], "--running nowhere.json: cannot be read: No such file or directory"),
        (["unused", "--running", "snapshots"], "--running snapshots: cannot be read: Is a directory"),
        (["unused", "--running", "-"], "--running: standard input: holds no pod, so nothing is known of what runs"),
    ],
)
async def test_unused_that_cannot_be_answered(command, publish, arguments, message):
    publish_whole(publish)
    ended = await command("audit", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.startswith(message)


async def test_unused_shows_nothing_else_of_the_pods(command, publish):
    folder = publish_whole(publish, repository("team/app", image(1, "1.0")))
    pods = listed(pod("a", f"{APP}:1.0"))
    for text in (pods[:-40], pods.replace('"Pod"', '"Secret"'), pods.replace('"containers"', '"contained"'), SECRET):
        ended = await command("audit", "unused", folder, "--running", "-", stdin=text)
        assert (ended.code, ended.out) == (2, "")
        assert SECRET not in ended.err


async def test_unused_is_listed_with_what_it_takes(command, publish):
    publish_whole(publish)
    listing = json.loads((await command("audit", "--format", "json")).out)
    (row,) = [row for row in listing if row["question"] == "unused"]
    assert (row["parameters"], row["can_be_answered"]) == ("--running FILE", "yes")
    shallow = publish_whole(publish, depth="tags", counts={"images": None})
    listing = json.loads((await command("audit", shallow, "--format", "json")).out)
    (row,) = [row for row in listing if row["question"] == "unused"]
    assert row["can_be_answered"] == "no: crawl with --depth digests"


async def test_own_question_may_read_what_runs(command, publish, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "who-runs.sql").write_text(
        "-- question: Who runs it?\n-- input: running   the pods\n-- column: answer   yes\n"
        "-- column: who   the workload\n-- column: reference   as it is written\n-- column: why   none\n\n"
        "SELECT 'yes' AS answer, namespace || '/' || workload || '/' || container AS who, reference, NULL AS why\n"
        "FROM running WHERE is_needed ORDER BY who, digest"
    )
    folder = publish_whole(publish, repository("team/app", image(1, "1.0")))
    ended = await command(
        *("audit", "who-runs", folder, "--questions", "mine", "--running", "-", "--format", "json"),
        stdin=listed(pod("tagged", f"{APP}:1.0", pulled(1)), pod("pinned", pulled(1), pulled(1)), IDLE),
    )
    assert [(row["who"], row["reference"]) for row in json.loads(ended.out)] == [
        ("default/pinned/app", pulled(1)),
        *[("default/tagged/app", f"{APP}:1.0")] * 2,
    ]


@pytest.mark.parametrize("line", ["-- input: pods   what runs", "-- input: running"])
def test_question_with_an_input_that_there_is_not_names_file_and_line(line):
    with pytest.raises(ConfigError, match=r"own.sql:1: must be '-- input: NAME   MEANING'; inputs are running"):
        parse_question("own", "own.sql", f"{line}\n-- question: What?\n")
