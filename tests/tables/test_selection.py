"""Which snapshot a command reads: by folder, run id, target, target and day, or none of them."""

import json

import pytest

from crawler.errors import SnapshotError
from crawler.tables.selection import earlier_snapshots, select_since, select_snapshot


@pytest.fixture
def output(tmp_path):
    return tmp_path / "snapshots"


def run_id(folder):
    return folder.name.removeprefix("run=")


def test_snapshot_by_folder_run_id_target_and_day(publish, output):
    old, new = publish("2026-11-20"), publish("2026-11-21")
    partial = publish("2026-11-22", verdict="partial")
    for named, expected in (
        (str(partial), partial),
        (run_id(old), old),
        (run_id(partial), partial),
        ("registry.example.com", new),
        ("registry.example.com@2026-11-20", old),
        ("", new),
    ):
        assert select_snapshot(output, named).run_id == run_id(expected)


def test_snapshot_of_a_target_with_a_path(publish, output):
    folder = publish(target="gcr.io/my-project")
    publish()
    assert select_snapshot(output, "gcr.io/my-project").run_id == run_id(folder)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("", "name a target, because there are snapshots of 2 targets: other.example.com, registry.example.com"),
        ("nowhere", "no folder, run or target is named nowhere; there are snapshots of other.example.com, registry"),
        ("registry.example.com@2026-11-01", "registry.example.com has no complete snapshot on 2026-11-01"),
        ("other.example.com", "other.example.com has no complete snapshot; the newest partial one is "),
        ("a\x1b[31mb", "no folder, run or target is named a\\x1b[31mb"),
    ],
)
def test_snapshot_that_is_not_there_is_named(publish, output, named, message):
    publish()
    publish(target="other.example.com", verdict="partial")
    with pytest.raises(SnapshotError) as refused:
        select_snapshot(output, named)
    assert str(refused.value).startswith(message)


def test_snapshots_that_began_together_are_in_the_order_of_their_ids(publish, output):
    """As merges of one group of shards: first without one of them, and then whole."""
    first, second = publish(verdict="partial"), publish(verdict="partial")
    with pytest.raises(SnapshotError, match=f"the newest partial one is {run_id(second)}: name it"):
        select_snapshot(output, "registry.example.com")
    whole, again = publish(), publish()
    assert select_snapshot(output, "registry.example.com").run_id == run_id(again)
    earlier = earlier_snapshots(select_snapshot(output, run_id(whole)))
    assert [each.run_id for each in earlier] == [run_id(second), run_id(first)]
    assert [each.run_id for each in select_since(output, "", "2026-11-20")] == [run_id(whole), run_id(again)]


def test_output_folder_without_snapshots_says_how_to_take_one(output):
    with pytest.raises(SnapshotError, match="take one with registry-crawler crawl, or name --output"):
        select_snapshot(output, "")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run_id": 1, "files": [{}]}'])
def test_folder_that_is_no_snapshot_is_an_error(tmp_path, content):
    (tmp_path / "_run.json").write_text(content)
    with pytest.raises(SnapshotError, match="is no snapshot that can be read"):
        select_snapshot(tmp_path, str(tmp_path))


def test_snapshots_since_a_day_are_the_complete_ones(publish, output):
    publish("2026-11-19")
    kept = [publish(day) for day in ("2026-11-20", "2026-11-21")]
    publish("2026-11-22", verdict="partial")
    assert [found.run_id for found in select_since(output, "", "2026-11-20")] == [run_id(folder) for folder in kept]
    with pytest.raises(SnapshotError, match=r"no complete snapshot of registry\.example\.com since 2026-12-01"):
        select_since(output, "registry.example.com", "2026-12-01")


def test_earlier_snapshots_are_the_readable_ones_of_the_target_the_newest_first(publish, output):
    first, second = publish("2026-11-18"), publish("2026-11-19", verdict="partial")
    publish("2026-11-19", target="other.example.com")
    broken = publish("2026-11-20")
    manifest = json.loads((broken / "_run.json").read_text(encoding="utf-8"))
    del manifest["depth"]
    (broken / "_run.json").write_text(json.dumps(manifest), encoding="utf-8")
    newest = publish("2026-11-21")
    publish("2026-11-22")
    earlier = earlier_snapshots(select_snapshot(output, str(newest)))
    assert [snapshot.run_id for snapshot in earlier] == [run_id(second), run_id(first)]
