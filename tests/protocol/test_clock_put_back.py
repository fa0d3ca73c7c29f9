"""A clock that is put back, between runs or during one: which run is resumed, what is kept, and what is compared."""

from datetime import UTC, datetime, timedelta

import pytest
from support.run_folders import (
    RUN_ID,
    TARGET,
    WITHIN,
    journaled,
    left_by_a_kill,
    parameters,
    published,
    run_ids,
    unfinished,
)
from support.scripted import plain_registry, serve
from support.snapshots import read_snapshot

import crawler
from crawler.model.timestamps import timestamp
from crawler.snapshot.reader import last_complete

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def at(hours: float) -> str:
    return timestamp(NOW + timedelta(hours=hours))


def now(**changes):
    return parameters("20261123T080000Z-0002", started_at=timestamp(NOW), **changes)


def is_resumed(output) -> bool:
    """Whether the one unfinished run can be resumed, and `resumable_runs` says so beforehand."""
    resumable = unfinished(output).resumable_runs(now())
    journal = unfinished(output).resume(now()).journal
    assert bool(resumable) is (journal is not None)
    if journal is not None:
        journal.close()
    return journal is not None


@pytest.mark.parametrize(("hours", "expected"), [(0.5, True), (19, True), (21, False), (24 * 400, False)])
def test_resume_counts_a_run_from_the_future_as_old_as_it_is_ahead(tmp_path, hours, expected):
    left_by_a_kill(tmp_path, started_at=at(hours))
    assert is_resumed(tmp_path) is expected
    assert run_ids(tmp_path) == [RUN_ID]


def test_resume_says_that_a_run_began_in_the_future(tmp_path):
    left_by_a_kill(tmp_path, started_at=at(72))
    (note,) = unfinished(tmp_path).resume(now()).notes
    assert f"run {RUN_ID} was begun 3 days in the future and is not resumed: resume.within is 20 h" in note


def test_resume_is_not_kept_from_a_run_by_a_snapshot_from_the_future(tmp_path):
    """One night with the clock a year ahead must not end resuming for a year."""
    published(tmp_path, "20271123T020000Z-0009", at(24 * 365))
    left_by_a_kill(tmp_path, started_at=at(-1))
    assert is_resumed(tmp_path)


def test_resume_leaves_a_run_that_a_snapshot_follows_though_one_from_the_future_is_there(tmp_path):
    published(tmp_path, "20271123T020000Z-0009", at(24 * 365))
    published(tmp_path, "20261123T070000Z-0008", at(-1))
    left_by_a_kill(tmp_path, started_at=at(-2))
    assert not is_resumed(tmp_path)


def test_resume_leaves_a_run_from_the_future_that_a_snapshot_follows(tmp_path):
    left_by_a_kill(tmp_path, started_at=at(1))
    published(tmp_path, "20261123T100000Z-0009", at(2))
    assert not is_resumed(tmp_path)


def test_clean_up_keeps_runs_from_the_future_and_those_in_work(tmp_path):
    for run_id, hours in {"past 1": -50, "past 2": -40, "ahead 1": 1, "ahead 2": 50, "ahead 3": 60}.items():
        left_by_a_kill(tmp_path, run_id=run_id, started_at=at(hours))
    in_work = journaled(tmp_path, run_id="in work", started_at=at(-60))
    unfinished(tmp_path).clean_up(TARGET, NOW)
    assert run_ids(tmp_path) == ["ahead 1", "ahead 2", "ahead 3", "in work", "past 2"]
    in_work.close()


def test_last_complete_is_the_newest_from_before_or_else_the_newest_there_is(tmp_path):
    published(tmp_path, "20261123T100000Z-0001", at(2))
    published(tmp_path, "20261123T110000Z-0001", at(3))
    assert last_complete(tmp_path, TARGET, timestamp(NOW)).run_id == "20261123T110000Z-0001"
    published(tmp_path, "20261123T070000Z-0001", at(-1))
    assert last_complete(tmp_path, TARGET, timestamp(NOW)).run_id == "20261123T070000Z-0001"


async def test_resume_of_a_run_from_the_future_ends_no_earlier_than_it_began(tmp_path):
    """What a clock that was put back during the run looks like at its end."""
    async with serve(plain_registry()) as server:
        config = crawler.Config(registry=[{"target": server.host}], output={"path": tmp_path})
        run = crawler.Crawl(config, config.registry[0])
        await run.unfinished_runs()
        begun = datetime.now(UTC) + WITHIN / 2
        changes = {"kind": run.parameters.kind, "identity": run.parameters.identity, "target": server.host}
        changes |= {"images_from": run.parameters.images_from}
        left_by_a_kill(tmp_path, started_at=timestamp(begun), **changes)
        notices = []
        manifest = await crawler.Crawl(
            config, config.registry[0], notice=lambda line, *_: notices.append(line)
        ).resume()
    assert manifest is not None
    assert f"resuming run {RUN_ID}, begun 10 h in the future at {timestamp(begun)}" in notices[0]
    snapshot = read_snapshot(tmp_path)
    assert (snapshot.manifest["run_id"], snapshot.manifest["verdict"]) == (RUN_ID, "complete")
    assert snapshot.manifest["finished_at"] == snapshot.manifest["started_at"] == timestamp(begun)
    assert run_ids(tmp_path) == []
