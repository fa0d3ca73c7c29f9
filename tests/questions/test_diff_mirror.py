"""`registry-crawler diff --as-mirror`: a registry and its mirror are compared by the names below their prefixes."""

import json

import pytest
from support.diff_snapshots import change, digest, image, record, refused, run_fields

SOURCE, MIRROR = "gcr.io/p/team", "mirror.example.com/copies"


@pytest.fixture
def mirror(publish, command):
    """Publishes a registry and its mirror; returns what diff says."""

    async def compare(of_source, of_mirror, *options, source=SOURCE, target=MIRROR, **run):
        publish(target=source, records=of_source, **run_fields(identity="token: us"))
        publish(target=target, records=of_mirror, **run_fields(**run))
        return await command("diff", source, target, "--as-mirror", *options)

    return compare


async def test_mirror_is_compared_below_the_prefixes(mirror):
    ended = await mirror(
        [
            record("p/team/app", [image(1, "1.0"), image(2, "2.0")]),
            record("p/team", [image(3, "1.0")]),
            record("p/team/not-copied"),
            record("p/team/denied", [image(4, "1.0")]),
        ],
        [
            record("copies/app", [image(1, "1.0"), image(9, "2.0")]),
            record("copies", [image(3, "1.0"), image(4, "extra")]),
            refused("copies/denied", "denied"),
        ],
        "--format",
        "json",
    )
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert found["as_mirror"] is True
    assert (found["old"]["target"], found["new"]["target"]) == (SOURCE, MIRROR)
    assert found["changes"] == [
        change("tag-added", ".", "extra", new=digest(4)),
        change("tag-moved", "app", "2.0", old=digest(2), new=digest(9)),
        change("unknown", "denied", detail="denied in the new snapshot: DENIED"),
        change("repository-removed", "not-copied", detail="not listed; it had 0 tags"),
    ]


async def test_mirror_without_a_prefix_has_the_full_names(mirror):
    records = [record("team/app", [image(1, "1.0")])]
    ended = await mirror(records, records, source="gcr.io", target="mirror.example.com")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "mirror.example.com does not differ from gcr.io")


async def test_mirror_has_words_of_its_own(mirror):
    ended = await mirror([record("p/team/app", [image(1, "1.0")])], [], "--fail-on", "removed")
    assert (ended.code, "1 repository missing in the mirror" in ended.out) == (4, True)


async def test_mirror_that_was_not_listed_whole_misses_nothing_for_sure(mirror):
    ended = await mirror([record("p/team/app")], [], "--fail-on", "removed", is_complete=False)
    assert (ended.code, "discovery of the new snapshot may be incomplete" in ended.out) == (0, True)


async def test_mirror_leaves_out_what_its_filters_leave_out(mirror):
    ended = await mirror(
        [record("p/team/app"), record("p/team/tool")], [record("copies/app")], config={"exclude": ["copies/tool"]}
    )
    assert (
        "1 repository of the old snapshot not compared: outside the prefix or the filters of the new one" in ended.out
    )
    assert "missing" not in ended.out
