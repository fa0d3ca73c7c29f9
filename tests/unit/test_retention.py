"""Retention: which snapshots are kept, what is left alone, and what a kill leaves."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.run_folders import TARGET, left_by_a_kill, published

from crawler.errors import SnapshotError
from crawler.model.run_manifest import Verdict, snapshot_folder
from crawler.model.timestamps import timestamp
from crawler.snapshot.reader import PublishedRun, StoredRun
from crawler.snapshot.retention import (
    RetentionRules,
    choose,
    plan_retention,
    remove,
    remove_empty_folders,
    remove_leftovers,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
USUAL = RetentionRules(daily=30, weekly=8, monthly=12)
LAST_ONLY = RetentionRules(daily=1, weekly=0, monthly=0)


def stored(began: datetime, *, complete: bool = True) -> StoredRun:
    run_id = f"{began:%Y%m%dT%H%M%SZ}-0001"
    run = PublishedRun(run_id=run_id, started_at=timestamp(began), is_complete=complete, ok=1)
    return StoredRun(folder=Path(snapshot_folder(TARGET, run.started_at, run_id)), target=TARGET, run=run)


def at(text: str) -> StoredRun:
    """A snapshot by its date and hour, `11-26 02`, of 2026 unless it says otherwise; with `?` a partial one."""
    date = text.rstrip("?")
    began = datetime.fromisoformat(f"{date if len(date) > 8 else f'2026-{date}'}:00+00:00")
    return stored(began, complete=not text.endswith("?"))


def rules(daily: int = 0, weekly: int = 0, monthly: int = 0) -> RetentionRules:
    return RetentionRules(daily=daily, weekly=weekly, monthly=monthly)


@pytest.mark.parametrize(
    ("chosen", "there", "kept"),
    [
        pytest.param(rules(daily=2), "11-26 02, 11-25 02, 11-24 02", "11-26 02, 11-25 02", id="days"),
        pytest.param(rules(daily=2), "11-26 22, 11-26 02, 11-25 02", "11-26 22, 11-25 02", id="newest of a day"),
        pytest.param(rules(daily=2), "11-26 02, 08-01 02, 07-31 02", "11-26 02, 08-01 02", id="days with a snapshot"),
        pytest.param(  # 11-23 is a Monday
            rules(weekly=2), "11-26 02, 11-23 02, 11-22 02, 11-16 02, 11-15 02", "11-26 02, 11-22 02", id="ISO weeks"
        ),
        pytest.param(  # 2027-01-01 is in week 53 of 2026
            rules(weekly=2), "2026-01-02 02, 2025-12-29 02, 2025-12-28 02", "2026-01-02 02, 2025-12-28 02", id="week 1"
        ),
        pytest.param(
            rules(monthly=2), "11-26 02, 11-01 02, 10-31 02, 10-01 02, 09-30 02", "11-26 02, 10-31 02", id="months"
        ),
        pytest.param(
            rules(monthly=2), "11-26 02, 2025-11-26 02, 2025-11-25 02", "11-26 02, 2025-11-26 02", id="months of years"
        ),
        pytest.param(
            rules(daily=1, weekly=2, monthly=3),
            "11-26 02, 11-25 02, 11-20 02, 11-19 02, 10-30 02, 10-29 02, 09-30 02, 08-31 02",
            "11-26 02, 11-20 02, 10-30 02, 09-30 02",
            id="a union of all rules",
        ),
        pytest.param(rules(daily=9), "11-26 02, 11-25 02?, 11-24 02", "11-26 02, 11-24 02", id="older partial"),
        pytest.param(rules(daily=1), "11-26 02?, 11-25 02, 11-24 02", "11-26 02?, 11-25 02", id="newer partial"),
        pytest.param(
            rules(daily=2),
            "11-26 22?, 11-26 02?, 11-25 02?, 11-24 02?, 11-23 02",
            "11-26 22?, 11-25 02?, 11-23 02",
            id="newer partial ones, by the rules",
        ),
        pytest.param(rules(daily=2), "11-26 02?, 11-25 02?, 11-24 02?", "11-26 02?, 11-25 02?", id="never complete"),
        pytest.param(rules(daily=1), "11-26 22?, 11-26 02", "11-26 22?, 11-26 02", id="both of one day"),
        pytest.param(
            rules(daily=1), "11-29 02, 11-28 02?, 11-26 02, 11-25 02", "11-29 02, 11-28 02?, 11-26 02", id="the future"
        ),
        pytest.param(rules(), "11-26 02?, 11-25 02?, 11-24 02, 11-23 02", "11-26 02?, 11-24 02", id="no rule"),
        pytest.param(rules(daily=1), "", "", id="none"),
    ],
)
def test_retention_by_table(chosen, there, kept):
    runs = [at(text) for text in there.split(", ") if text]
    retention = choose(TARGET, reversed(runs), chosen, NOW)
    assert list(retention.kept) == [at(text) for text in kept.split(", ") if text]
    assert {*retention.kept, *retention.dropped} == {*runs}
    assert len(retention.kept) + len(retention.dropped) == len(runs)


def test_retention_on_a_machine_whose_clock_is_not_set_keeps_everything():
    runs = [at("11-26 02"), at("11-25 02?"), at("11-24 02")]
    assert choose(TARGET, runs, LAST_ONLY, datetime(1970, 1, 1, tzinfo=UTC)).dropped == ()


counts = st.integers(0, 12)
some_rules = st.builds(RetentionRules, daily=counts, weekly=counts, monthly=counts).filter(
    lambda each: not each.keeps_nothing
)
some_runs = st.lists(
    st.builds(
        lambda hours, complete: stored(NOW - timedelta(hours=hours), complete=complete),
        hours=st.integers(-48, 24 * 400),
        complete=st.booleans(),
    ),
    unique_by=lambda each: each.folder,
    max_size=60,
)


@given(some_runs, some_rules)
def test_retention_never_drops_the_newest_snapshot_nor_the_newest_complete_one(runs, chosen):
    retention = choose(TARGET, runs, chosen, NOW)
    past = sorted((each for each in runs if each.run.started_at <= timestamp(NOW)), key=lambda each: each.folder)
    complete = [each for each in past if each.run.is_complete]
    assert {*past[-1:], *complete[-1:]} <= {*retention.kept}


@given(some_runs, some_rules)
def test_retention_twice_drops_nothing_more(runs, chosen):
    kept = choose(TARGET, runs, chosen, NOW).kept
    assert choose(TARGET, kept, chosen, NOW).kept == kept


@given(some_runs, some_rules, counts, counts, counts)
def test_retention_with_greater_numbers_keeps_at_least_as_much(runs, chosen, daily, weekly, monthly):
    greater = rules(chosen.daily + daily, chosen.weekly + weekly, chosen.monthly + monthly)
    assert {*choose(TARGET, runs, chosen, NOW).kept} <= {*choose(TARGET, runs, greater, NOW).kept}


@given(some_runs, some_rules)
def test_retention_has_a_bound(runs, chosen):
    past = [each for each in choose(TARGET, runs, chosen, NOW).kept if each.run.started_at <= timestamp(NOW)]
    assert len(past) <= 2 * (chosen.daily + chosen.weekly + chosen.monthly) + 2


# What is on the disk


def publish(output: Path, *days: int, **changes) -> list[Path]:
    """Publish a snapshot of 02:00 of each of these days of November. Returns their folders."""
    folders = []
    for day in days:
        run_id = f"202611{day:02}T020000Z-0001"
        published(output, run_id, f"2026-11-{day:02}T02:00:00.000Z", **changes)
        (folder,) = output.glob(f"source=*/date=*/run={run_id}")
        folders.append(folder)
    return folders


def there(output: Path) -> list[Path]:
    return sorted(output.glob("source=*/date=*/run=*"))


def test_retention_plan_of_an_output_folder(tmp_path):
    partial, *complete = [*publish(tmp_path, 24, verdict=Verdict.PARTIAL), *publish(tmp_path, 25, 26)]
    plan = plan_retention(tmp_path, LAST_ONLY, NOW)
    (retention,) = plan.targets
    assert (retention.target, plan.unknown) == (TARGET, ())
    assert [each.folder for each in retention.kept] == [complete[1]]
    assert [each.folder for each in retention.dropped] == [complete[0], partial]


def test_retention_plan_names_what_is_no_snapshot_and_leaves_it(tmp_path):
    source = publish(tmp_path, 20, 21, 22, 23, 24, 25, 26)[0].parent.parent
    twenty = source / "date=2026-11-20"
    (source / "date=2026-11-21/run=20261121T020000Z-0001/_run.json").unlink()
    (source / "date=2026-11-22/run=20261122T020000Z-0001/_run.json").write_text("{")
    (source / "date=2026-11-23/run=20261123T020000Z-0001/_run.json").write_text('["a list"]')
    rewrite(source / "date=2026-11-24/run=20261124T020000Z-0001/_run.json", started_at="last Tuesday")
    shutil.copytree(twenty / "run=20261120T020000Z-0001", twenty / "run=copy")
    elsewhere = tmp_path / "elsewhere"
    (source / "date=2026-11-25/run=20261125T020000Z-0001").rename(elsewhere)
    (source / "date=2026-11-25/run=20261125T020000Z-0001").symlink_to(elsewhere)
    (twenty / "run=notes.txt").write_text("a file")
    plan = plan_retention(tmp_path, LAST_ONLY, NOW)
    assert {each.folder.name: each.reason for each in plan.unknown} == {
        "run=copy": "its _run.json is of another folder",
        "run=20261121T020000Z-0001": "its _run.json cannot be read: No such file or directory",
        "run=20261122T020000Z-0001": "its _run.json is not JSON",
        "run=20261123T020000Z-0001": "its _run.json is not a run's",
        "run=20261124T020000Z-0001": "its _run.json has no usable started_at",
        "run=20261125T020000Z-0001": "it is a symbolic link",
    }
    (retention,) = plan.targets
    assert [each.run.run_id for each in retention.dropped] == ["20261120T020000Z-0001"]


@pytest.mark.parametrize("started_at", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_retention_plan_leaves_a_snapshot_of_a_time_that_utc_has_not(tmp_path, started_at):
    odd, _ = publish(tmp_path, 20, 21)
    rewrite(odd / "_run.json", started_at=started_at)
    plan = plan_retention(tmp_path, LAST_ONLY, NOW)
    assert [each.reason for each in plan.unknown] == ["its _run.json has no usable started_at"]


def rewrite(run_manifest: Path, **changes: object) -> None:
    run_manifest.write_text(json.dumps(json.loads(run_manifest.read_bytes()) | changes))


def test_retention_plan_of_targets_apart(tmp_path):
    publish(tmp_path, 24, 25)
    published(tmp_path, "20261101T020000Z-0002", "2026-11-01T02:00:00.000Z", target="gcr.io/a")
    plan = plan_retention(tmp_path, LAST_ONLY, NOW)
    assert [(each.target, len(each.kept), len(each.dropped)) for each in plan.targets] == [
        ("gcr.io/a", 1, 0),
        (TARGET, 1, 1),
    ]


def test_retention_plan_of_an_output_folder_that_cannot_be_listed(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SnapshotError, match=r"file: Not a directory"):
        plan_retention(tmp_path / "file", LAST_ONLY, NOW)


def test_remove_returns_the_bytes_and_leaves_nothing(tmp_path):
    folder, kept = publish(tmp_path, 25, 26)
    size = sum(path.stat().st_size for path in folder.iterdir())
    (dropped,) = plan_retention(tmp_path, LAST_ONLY, NOW).targets[0].dropped
    assert remove(tmp_path, dropped) == size > 1000
    assert there(tmp_path) == [kept]
    assert [*(tmp_path / ".unfinished").iterdir()] == []
    assert remove(tmp_path, dropped) == 0, "another process was quicker"


PRUNE_AND_DIE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from crawler.snapshot.retention import RetentionRules, plan_retention, remove, remove_empty_folders, remove_leftovers

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

def prune(output, steps):
    def die_in_time(event, arguments):
        nonlocal steps
        if event in {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}:
            steps -= 1
            if steps < 0:
                os._exit(1)

    (retention,) = plan_retention(output, RetentionRules(daily=1, weekly=0, monthly=0), NOW).targets
    sys.addaudithook(die_in_time)
    remove_leftovers(output)
    for dropped in retention.dropped:
        remove(output, dropped)
    remove_empty_folders(output, NOW)
    os._exit(0)

for steps, output in enumerate(sys.argv[1:]):
    child = os.fork() or prune(Path(output), steps)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_remove_killed_at_any_step_leaves_no_half_snapshot(tmp_path):
    """Python's audit hooks end a process before its nth change of the disk."""
    outputs = [tmp_path / f"{steps}" for steps in range(25)]
    publish(outputs[0], 24, 25, 26)
    for output in outputs[1:]:
        shutil.copytree(outputs[0], output)
    whole = {path.name for path in there(outputs[0])[0].iterdir()}
    ended = subprocess.run([sys.executable, "-c", PRUNE_AND_DIE, *outputs], check=True, stdout=subprocess.PIPE)
    codes = ended.stdout.decode().split()
    assert codes == ["1"] * codes.index("0") + ["0"] * codes.count("0")
    assert codes.count("1") >= 10
    for output in outputs:
        assert {frozenset(path.name for path in folder.iterdir()) for folder in there(output)} == {frozenset(whole)}
        finish_pruning(output)
        assert [folder.name for folder in there(output)] == ["run=20261126T020000Z-0001"]
        assert {path.name for path in output.iterdir()} == {".unfinished", there(output)[0].parent.parent.name}
        assert [path.name for path in there(output)[0].parent.parent.iterdir()] == ["date=2026-11-26"]
        assert [*(output / ".unfinished").iterdir()] == []


def finish_pruning(output: Path) -> None:
    remove_leftovers(output)
    for dropped in plan_retention(output, LAST_ONLY, NOW).targets[0].dropped:
        remove(output, dropped)
    remove_empty_folders(output, NOW)


def test_remove_that_fails_names_the_path_and_leaves_the_snapshot_whole(tmp_path):
    folder, _ = publish(tmp_path, 25, 26)
    (dropped,) = plan_retention(tmp_path, LAST_ONLY, NOW).targets[0].dropped
    (tmp_path / ".unfinished" / f".{folder.name}.dropped").touch()
    with pytest.raises(SnapshotError, match=rf"{folder.name}: Not a directory"):
        remove(tmp_path, dropped)
    assert len(plan_retention(tmp_path, LAST_ONLY, NOW).targets[0].dropped) == 1


def test_leftovers_of_other_processes_stay(tmp_path):
    unfinished = left_by_a_kill(tmp_path)
    (unfinished.parent / ".20261126T020000Z-0001.new").mkdir()
    (unfinished.parent / ".run=20261125T020000Z-0001.dropped/part").mkdir(parents=True)
    remove_leftovers(tmp_path)
    assert {path.name for path in unfinished.parent.iterdir()} == {unfinished.name, ".20261126T020000Z-0001.new"}


def test_empty_folders_are_removed_unless_a_crawl_may_publish_there(tmp_path):
    (run,) = publish(tmp_path, 20)
    source = run.parent.parent
    left_by_a_kill(tmp_path, run_id="20261119T020000Z-0001", started_at="2026-11-19T02:00:00.000Z")
    begun = left_by_a_kill(tmp_path, run_id="20261101T020000Z-0003", started_at="2026-11-01T02:00:00.000Z")
    rewrite(begun / "begun.json", target="gcr.io/awaited")
    for day in (18, 19, 26, 27):
        (source / f"date=2026-11-{day}").mkdir()
    for name in ("gcr.io%2Fempty/date=2026-11-01", "gcr.io%2Fawaited"):
        (tmp_path / f"source={name}").mkdir(parents=True)
    remove_empty_folders(tmp_path, NOW)
    assert sorted(path.name for path in source.iterdir()) == [f"date=2026-11-{day}" for day in (19, 20, 26, 27)]
    assert sorted(each.name for each in tmp_path.glob("source=*")) == ["source=gcr.io%2Fawaited", source.name]
