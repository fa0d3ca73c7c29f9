"""`registry-crawler audit`, as an auditor runs it: the list of questions, rows, lines, parameters and exit codes."""

import csv
import io
import json
import os

import pytest
from support.audit_records import denied, digest, image, listed_image, problem, repository
from support.run_cli import assert_plain

DEEP = {"depth": "configs", "referrers": "listed"}
RECORDS = [
    repository("team/app", image(1, "1.0", config={"user": "1000"}), image(2, "2.0", "latest")),
    denied("team/hidden"),
]


@pytest.fixture
def snapshot(publish):
    return publish(records=RECORDS, **DEEP)


async def test_audit_lists_questions_and_what_each_takes(command, publish):
    publish(depth="digests", referrers="none")
    ended = await command("audit", "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    listed = {row["question"]: row for row in json.loads(ended.out)}
    assert {name: listed[name]["can_be_answered"] for name in ("duplicates", "root", "bytes", "unsigned", "moved")} == {
        "duplicates": "yes",
        "root": "no: crawl with --depth configs",
        "bytes": "no: crawl with --depth manifests",
        "unsigned": "no: crawl with --depth manifests --referrers listed",
        "moved": "no: an earlier complete snapshot",
    }
    assert listed["stale"]["asks"] == "Which tagged images are older than N days?"
    assert listed["stale"]["parameters"] == "days=365"


async def test_audit_lists_questions_for_a_snapshot_that_is_named(command, publish):
    publish("2026-11-20", depth="tags")
    deep = publish("2026-11-21", target="other.example.com", **DEEP)
    for named in (deep, deep.name.removeprefix("run="), "other.example.com"):
        ended = await command("audit", named, "--format", "json")
        assert {row["can_be_answered"] for row in json.loads(ended.out) if row["question"] != "moved"} == {"yes"}


async def test_audit_lists_questions_without_any_snapshot(command):
    ended = await command("audit", "--format", "csv")
    assert ended.code == 0
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert {row["can_be_answered"] for row in rows} == {""}
    assert ended.complaint.startswith("whether they can be answered is not known: there is no snapshot in snapshots")


async def test_audit_prints_rows_in_every_format(command, snapshot):
    columns = ["answer", "repository", "tags", "digest", "user", "why"]
    table = (await command("audit", "root", snapshot)).out.splitlines()
    assert table[0].split() == columns
    assert table[2].split() == ["yes", "team/app", '["2.0","latest"]', digest(2)]
    as_json = json.loads((await command("audit", "root", snapshot, "--format", "json")).out)
    assert [(row["answer"], row["repository"]) for row in as_json] == [("yes", "team/app"), ("unknown", "team/hidden")]
    markdown = (await command("audit", "root", snapshot, "--format", "markdown")).out.splitlines()
    assert markdown[0] == f"| {' | '.join(columns)} |"
    assert len(markdown) == 4


async def test_audit_takes_the_newest_complete_snapshot(command, publish):
    publish("2026-11-19", records=RECORDS, **DEEP)
    publish("2026-11-20", records=[], **DEEP)
    publish("2026-11-21", records=RECORDS, verdict="partial", **DEEP)
    assert (await command("audit", "root", "--format", "csv")).out.splitlines()[1:] == []


async def test_audit_says_that_a_snapshot_is_partial(command, publish):
    folder = publish(records=RECORDS, verdict="partial", **DEEP)
    ended = await command("audit", "root", folder)
    assert ended.code == 0
    assert ended.complaint.endswith("is partial: repositories that the crawl did not find are not in the answer")


async def test_audit_of_a_snapshot_that_was_copied_in_part_is_no_proof(command, publish):
    folder = publish(records=RECORDS, **DEEP)
    file = folder / "part-00000.jsonl"
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    ended = await command("audit", "unsigned", folder, "--fail-on", "any")
    assert (ended.code, ended.out) == (1, "")
    assert ended.complaint.endswith(": was it copied whole?")


@pytest.mark.parametrize(("fail_on", "code"), [("any", 4), ("yes", 0)])
async def test_audit_of_a_partial_snapshot_without_rows_is_no_proof(command, publish, fail_on, code):
    folder = publish(records=[], verdict="partial", **DEEP)
    assert (await command("audit", "root", folder, "--fail-on", fail_on)).code == code


@pytest.mark.parametrize("question", ["stale", "untouched", "moved"])
async def test_audit_takes_any_number_of_days(command, publish, question):
    for day in ("2026-11-19", "2026-11-20"):
        publish(day, records=RECORDS, **DEEP)
    ended = await command("audit", question, "--days", 10**17, "--format", "json")
    assert ended.code == 0
    assert "yes" not in {row["answer"] for row in json.loads(ended.out)}


async def test_audit_in_markdown_shows_hostile_names_as_text(command, publish):
    folder = publish(records=[repository("app", image(1, "<img src=x>|`@team` [a](http://b)"))], **DEEP)
    row = (await command("audit", "root", folder, "--format", "markdown")).out.splitlines()[2]
    assert r"&lt;img src=x&gt;\|\`@" in row
    assert r"\[a\](http\://b)" in row
    assert "@team" not in row


@pytest.mark.parametrize(
    ("records", "fail_on", "code"),
    [
        (RECORDS, "any", 4),
        (RECORDS, "yes", 4),
        (RECORDS[1:], "any", 4),
        (RECORDS[1:], "yes", 0),
        ([], "any", 0),
        (RECORDS, None, 0),
    ],
)
async def test_audit_fail_on(command, publish, records, fail_on, code):
    folder = publish(records=records, **DEEP)
    ended = await command("audit", "root", folder, "--format", "csv", *(["--fail-on", fail_on] if fail_on else []))
    assert (ended.code, len(ended.out.splitlines()) > 1) == (code, bool(records))


async def test_audit_fail_on_counts_what_the_reader_did_not_take(command, publish):
    rows = [denied(f"team/{number}") for number in range(20_000)]
    folder = publish(records=rows, **DEEP)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = await command("audit", "root", folder, "--fail-on", "any", stdout=writer)
    finally:
        os.close(writer)
    assert (ended.code, ended.err) == (4, "")


async def test_audit_refs_prints_a_line_for_each_image_that_is_pulled(command, publish):
    tricky = ["$(reboot)", "a b", "new\nline", "`id`", 'it\'s "quoted"', "\x1b[31m"]
    records = [
        repository(
            "team/app",
            image(1, "1.0", "latest"),
            image(2),
            listed_image(3, "chart", kind="artifact"),
            listed_image(4, f"sha256-{1:064x}.sig", kind="signature"),
            listed_image(5, "unread"),
        ),
        repository(
            "team/listed",
            tags=["2.0", "gone", f"sha256-{9:064x}", *tricky],
            images=None,
            problems=[problem("dangling-tag", tag="gone")],
        ),
        repository("team/suspect", suspect="a full page without a next link"),
    ]
    ended = await command("audit", "refs", publish(records=records, depth="tags", referrers="none"))
    assert ended.out.splitlines() == [
        f"registry.example.com/team/app@{digest(1)}",
        f"registry.example.com/team/app@{digest(5)}",
        "registry.example.com/team/listed:2.0",
    ]
    assert ended.complaint == "7 rows are left out, because the answer is unknown: --format table shows what is unknown"
    assert_plain(ended.out)


async def test_audit_refs_prints_rows_in_a_format_that_is_asked_for(command, snapshot):
    rows = json.loads((await command("audit", "refs", snapshot, "--format", "json")).out)
    assert [row["reference"] for row in rows] == [
        f"registry.example.com/team/app@{digest(1)}",
        f"registry.example.com/team/app@{digest(2)}",
        None,
    ]


@pytest.mark.parametrize(
    ("days", "baseline"),
    [(7, "2026-11-13"), (18, "2026-11-02"), (40, "2026-11-02"), (0, "2026-11-19")],
)
async def test_audit_moved_compares_with_the_newest_snapshot_that_is_old_enough(command, publish, days, baseline):
    runs = {}
    for number, (day, verdict) in enumerate(
        [("2026-11-01", "partial"), ("2026-11-02", "complete"), ("2026-11-13", "complete"), ("2026-11-19", "complete")]
    ):
        runs[day] = publish(day, verdict=verdict, records=[repository("team/app", image(100 + number, "1.0"))], **DEEP)
    publish("2026-11-12", target="other.example.com", records=[], **DEEP)
    snapshot = publish("2026-11-20", records=[repository("team/app", image(1, "1.0"))], **DEEP)
    ended = await command("audit", "moved", snapshot, "--days", days, "--format", "csv")
    number = sorted(runs).index(baseline)
    assert ended.out.splitlines()[1] == f"yes,team/app,1.0,{digest(100 + number)},{digest(1)},"
    assert ended.complaint == f"compared with {runs[baseline].name.removeprefix('run=')}"


async def test_audit_moved_needs_an_earlier_snapshot_that_can_answer(command, publish):
    publish("2026-11-10", verdict="partial")
    alone = await command("audit", "moved", publish("2026-11-20"))
    assert (alone.code, alone.out) == (1, "")
    assert "has no complete snapshot before 20261120T020000Z-0001" in alone.complaint
    publish("2026-11-09", depth="tags", counts={"ok": 0, "images": None})
    shallow = await command("audit", "moved")
    assert "has no complete snapshot that is deep enough before" in shallow.complaint


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stael"], 2, "there is no question stael: registry-crawler audit lists them; and no folder, run or target"),
        (["stael", "registry.example.com"], 2, "there is no question stael"),
        (["--fail-on", "any"], 2, "--fail-on need a question"),
        (["root", "nowhere"], 1, "no folder, run or target is named nowhere"),
        (["root", "--days", "3"], 2, "root has no parameter days: it takes none"),
        (["stale", "--component", "1"], 2, "stale has no parameter component: its parameters are days"),
        (["stale", "--set", "dyas=3"], 2, "stale has no parameter dyas"),
        (["stale", "--set", "days=\x1b[31m"], 2, "days=\\x1b[31m: must be a whole number of at most 18 digits"),
        (["stale", "--set", "days"], 2, "--set days: must be NAME=VALUE"),
        (["stale", "--days", "3", "--set", "days=4"], 2, "days is set twice"),
        (["stale", "--days", "-1"], 2, "'--days': must be greater than or equal to 0"),
        (["bytes", "--component", "0"], 2, "'--component': must be greater than or equal to 1"),
        (["root", "--fail-on", "no"], 2, "'no' is not one of"),
    ],
)
async def test_audit_that_cannot_be_answered(command, publish, arguments, code, message):
    output = publish(records=RECORDS, **DEEP).parents[2]
    ended = await command("audit", *arguments, "--output", output)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert_plain(ended.err)


async def test_audit_says_which_options_a_question_takes(command, publish):
    ended = await command("audit", "unsigned", publish(depth="digests", referrers="none"))
    assert ended.code == 1
    assert ended.complaint == (
        "20261120T020000Z-0000 cannot answer unsigned: it has depth digests and referrers none; "
        "crawl with --depth manifests --referrers listed"
    )


async def test_audit_escapes_names_for_people(command, publish):
    hostile = repository("team/app", image(1, "\x1b[31m'\"$(id)|\n", config={"user": "root:\u202e"}))
    folder = publish(records=[hostile], **DEEP)
    for form, user in (("table", "root:\\u202e"), ("markdown", "root:\\\\u202e")):
        ended = await command("audit", "root", folder, "--format", form)
        assert_plain(ended.out)
        assert user in ended.out
    (row,) = json.loads((await command("audit", "root", folder, "--format", "json")).out)
    assert (row["tags"], row["user"]) == (["\x1b[31m'\"$(id)|\n"], "root:\u202e")
