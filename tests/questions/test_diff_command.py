"""`registry-crawler diff`, as an operator runs it after a night."""

import json
import os

import pytest
from support.diff_snapshots import digest, image, record, refused, run_fields

OLD, NEW = "2026-11-20", "2026-11-21"
HOSTILE = "evil`<img src=x>|\x1b[31m @team"


@pytest.fixture
def nights(publish):
    """Publishes two nights of a target; returns their folders."""

    def publish_nights(before, after, **both):
        return [publish(day, records=records, **run_fields(**both)) for day, records in ((OLD, before), (NEW, after))]

    return publish_nights


async def test_diff_prints_counts_and_changes_as_text(command, nights):
    nights(
        [record("app", [image(1, "1.0"), image(2, "latest")]), record("gone")],
        [record("app", [image(1, "1.0"), image(3, "latest", "2.0")])],
    )
    ended = await command("diff")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "old: registry.example.com, run 20261120T020000Z-0000 of 2026-11-20T02:00:00.000Z, complete",
        "new: registry.example.com, run 20261121T020000Z-0001 of 2026-11-21T02:00:00.000Z, complete",
        "note: untagged images are not compared: only Google's listings are known to have all",
        "",
        "1 repository removed",
        "1 tag added",
        "1 tag moved",
        "",
        "repositories removed:",
        "  gone  not listed; it had 0 tags",
        "",
        "tags added:",
        f"  app:2.0  {digest(3)}",
        "",
        "tags moved:",
        f"  app:latest  {digest(2)} -> {digest(3)}",
    ]


async def test_diff_of_equal_nights_is_one_sentence(command, nights):
    records = [record("app", [image(1, "1.0", signatures=[7])])]
    nights(records, records, kind="gcr")
    for form in ((), ("--format", "markdown"), ("--format", "html")):
        ended = await command("diff", "--fail-on", "any", *form)
        assert (ended.code, ended.err) == (0, "")
        assert "othing changed in registry.example.com between 20261120T020000Z-0000 and" in ended.out
        if not form:
            assert len(ended.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("removed", 4),
        ("emptied", 4),
        ("repository-emptied", 4),
        ("any", 4),
        ("moved, emptied", 4),
        ("moved,added,unknown", 0),
    ],
)
async def test_diff_fails_on_what_fail_on_names(command, nights, words, code):
    nights([record("app", [image(1, "1.0")])], [record("app")])
    ended = await command("diff", "--fail-on", words)
    assert ended.code == code
    assert "1 repository emptied" in ended.out
    assert ("--fail-on: 1 repository emptied" in ended.err) == (code == 4)


async def test_diff_fails_on_unknown_only_if_it_is_named(command, nights):
    nights([record("app", [image(1, "1.0")])], [refused("app", "denied")])
    assert [(await command("diff", "--fail-on", words)).code for words in ("removed,moved", "unknown")] == [0, 4]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--fail-on", "deleted"], 2, "--fail-on: 'deleted' is no kind of change; there are added, removed, moved"),
        (["--fail-on", ","], 2, "--fail-on: ',' is no kind of change"),
        (["nowhere"], 1, "no folder, run or target is named nowhere"),
        ([f"registry.example.com@{OLD}"], 1, "registry.example.com has no complete snapshot from before 20261120T0200"),
        (["registry.example.com", "mirror.example.com"], 2, "use --as-mirror to compare the second as a mirror"),
        (["mirror.example.com", "--as-mirror"], 2, "--as-mirror needs two snapshots: OLD of the registry, and NEW of"),
        ([], 1, "name a target, because there are snapshots of 2 targets"),
    ],
)
async def test_diff_that_cannot_be_made(command, publish, arguments, code, message):
    for day in (OLD, NEW):
        publish(day, records=[], **run_fields())
    publish(target="mirror.example.com", records=[], **run_fields())
    ended = await command("diff", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


async def test_diff_takes_one_argument_for_the_new_snapshot(command, publish):
    for day in ("2026-11-18", "2026-11-19", "2026-11-21"):
        publish(day, records=[record(f"app-{day}")], **run_fields())
    publish("2026-11-20", verdict="partial", records=[], **run_fields())
    for named in ("registry.example.com@2026-11-21", "registry.example.com", None):
        ended = await command("diff", *([named] if named else []), "--format", "json")
        found = json.loads(ended.out)
        assert (found["old"]["started_at"][:10], found["new"]["started_at"][:10]) == ("2026-11-19", "2026-11-21")
        assert found["counts"]["repository-added"] == found["counts"]["repository-removed"] == 1


async def test_diff_backwards_is_noticed(command, nights):
    old, new = nights([], [record("app")])
    ended = await command("diff", new, old)
    assert (ended.code, "repositories removed" in ended.out) == (0, True)
    assert "NEW was begun before OLD" in ended.err


async def test_diff_of_a_snapshot_with_itself_is_noticed(command, nights):
    nights([], [record("app")])
    ended = await command("diff", "registry.example.com", "registry.example.com")
    assert (ended.code, "nothing changed" in ended.out) == (0, True)
    assert "OLD and NEW are the same snapshot, 20261121T020000Z-0001" in ended.err


async def test_diff_refuses_a_snapshot_that_was_copied_in_part(command, nights):
    _, new = nights([record("a"), record("b")], [record("a"), record("b")])
    file = new / "part-00000.jsonl"
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    ended = await command("diff")
    assert (ended.code, ended.out) == (1, "")
    assert "holds 1 records, and its _run.json claims 2: was it copied whole?" in ended.err


async def test_diff_of_a_damaged_file_is_no_mistake_of_the_user(command, nights):
    _, new = nights([record("a")], [record("a")])
    (new / "part-00000.jsonl").write_text("{broken\n")
    ended = await command("diff")
    assert (ended.code, ended.out) == (1, "")
    assert "the snapshots cannot be compared: " in ended.err


async def test_diff_shows_hostile_text_as_text(command, nights):
    nights([record("app")], [refused("app", "denied", HOSTILE)])
    text, markdown, html = [(await command("diff", "--format", form)).out for form in ("text", "markdown", "html")]
    assert "\x1b" not in text + markdown + html
    assert "\\x1b[31m" in text
    assert "`` denied in the new snapshot: evil`<img src=x>|\\x1b[31m @team ``" in markdown
    assert "<img" not in html
    assert "evil`&lt;img src=x&gt;" in html


async def test_diff_pages_are_cut_and_say_so(command, nights):
    nights([record("app")], [record("app", None, tags=[f"1.{number}" for number in range(1200)])])
    markdown, html = [(await command("diff", "--format", form)).out for form in ("markdown", "html")]
    assert (markdown.count("`app:1."), "- and 1,100 more" in markdown) == (100, True)
    assert (html.count(">app:1."), "And 200 more" in html) == (1000, True)


async def test_diff_output_that_nobody_reads_keeps_the_exit_code(command, nights):
    nights([], [record("app")])
    reader, writer = os.pipe()
    os.close(reader)
    async with command.started("diff", "--fail-on", "added", stdout=writer) as process:
        os.close(writer)
        _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (4, "registry-crawler: --fail-on: 1 repository added\n")
