"""Which unfinished run is resumed, which of its records are kept, and what happens to other runs."""

import errno
import fcntl
import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.run_folders import (
    RUN_ID,
    TARGET,
    journal_content,
    journaled,
    left_by_a_kill,
    parameters,
    problem,
    published,
    record,
    run_ids,
    unfinished,
)
from support.scripted import plain_registry, serve
from support.snapshots import folders

import crawler
from crawler.errors import SnapshotError
from crawler.model.record import INVALID_CONTENT, Outcome, Problem, ProblemKind
from crawler.model.run_manifest import Verdict
from crawler.sinks.jsonl import encode
from crawler.snapshot.journal import Journal
from crawler.snapshot.locks import FileLocks, NoLocks
from crawler.snapshot.reader import last_complete
from crawler.stats import RunStats

fuzz = settings(deadline=None)

NEXT_DAY = {"run_id": "20261123T080000Z-0002", "started_at": "2026-11-23T08:00:00.000Z"}


def resumed(output: Path, **changes) -> Journal:
    journal = unfinished(output).resume(parameters(**{**NEXT_DAY, **changes})).journal
    assert journal is not None
    return journal


def notes(output: Path, **changes) -> str:
    resumption = unfinished(output).resume(parameters(**{**NEXT_DAY, **changes}))
    assert resumption.journal is None
    return "\n".join(resumption.notes)


# Which run


def test_resume_keeps_run_id_and_started_at_and_extends_resumed_at(tmp_path):
    left_by_a_kill(tmp_path, encode([record("team/a")]))
    resumed(tmp_path, started_at="2026-11-23T04:00:00.000Z").close()
    journal = resumed(tmp_path, started_at="2026-11-23T05:00:00.000Z")
    assert (journal.parameters.run_id, journal.parameters.started_at) == (RUN_ID, "2026-11-23T02:00:00.000Z")
    assert journal.parameters.resumed_at == ("2026-11-23T04:00:00.000Z", "2026-11-23T05:00:00.000Z")
    journal.close()


def test_resume_takes_the_newest_run_of_the_target(tmp_path):
    for run_id, target in [("1", TARGET), ("3", "localhost:5000/other"), ("2", TARGET)]:
        left_by_a_kill(tmp_path, run_id=run_id, started_at=f"2026-11-23T0{run_id}:00:00.000Z", target=target)
    journal = resumed(tmp_path)
    assert journal.parameters.run_id == "2"
    journal.close()


def test_resume_finds_nothing_where_there_is_nothing(tmp_path):
    assert notes(tmp_path) == ""
    assert notes(tmp_path / "never made") == ""


def test_resume_refuses_a_run_that_a_process_works_on(tmp_path):
    journal = journaled(tmp_path)
    with pytest.raises(SnapshotError, match="another process works on it"):
        resumed(tmp_path)
    assert unfinished(tmp_path).resumable_runs(parameters(**NEXT_DAY)) == []
    journal.close()
    assert [run.run_id for run in unfinished(tmp_path).resumable_runs(parameters(**NEXT_DAY))] == [RUN_ID]


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"identity": "anonymous"}, 'identity was "basic: reader" and is "anonymous"'),
        ({"kind": "harbor"}, 'kind was "distribution" and is "harbor"'),
        ({"images_from": "api"}, 'images_from was "listing" and is "api"'),
        ({"api_path": "/docker/v2/"}, 'api_path was "/v2/" and is "/docker/v2/"'),
        ({"include": ("a*",)}, 'include was [] and is ["a*"]'),
        ({"exclude": ("b",)}, 'exclude was [] and is ["b"]'),
        ({"discovery": "walk"}, 'discovery was "auto" and is "walk"'),
        ({"repositories_from": "names.txt"}, 'repositories_from was null and is "names.txt"'),
    ],
)
def test_resume_leaves_a_run_that_was_begun_with_other_options_and_says_which(tmp_path, changed, difference):
    left_by_a_kill(tmp_path)
    line = notes(tmp_path, **changed)
    assert difference in line
    assert f"registry-crawler runs discard {RUN_ID}" in line
    resumed(tmp_path).close()  # with its own options it can still be resumed


def test_resume_leaves_a_run_that_is_too_old_and_names_its_age(tmp_path):
    left_by_a_kill(tmp_path)
    line = notes(tmp_path, started_at="2026-12-14T02:00:00.000Z")
    assert f"run {RUN_ID} was begun 21 days ago and is not resumed: resume.within is 20 h" in line
    assert run_ids(tmp_path) == [RUN_ID]
    resumed(tmp_path, started_at="2026-11-23T22:00:00.000Z").close()  # 20 h to the second


def test_resume_leaves_a_run_that_a_newer_snapshot_of_the_target_follows(tmp_path):
    left_by_a_kill(tmp_path)
    published(tmp_path, "20261123T050000Z-0003", "2026-11-23T05:00:00.000Z", verdict=Verdict.PARTIAL)
    assert "snapshot 20261123T050000Z-0003 is newer" in notes(tmp_path)


def test_resume_takes_a_run_that_is_newer_than_the_last_snapshot_or_beside_one_of_another_target(tmp_path):
    published(tmp_path, "20261122T050000Z-0003", "2026-11-22T05:00:00.000Z")
    left_by_a_kill(tmp_path)
    published(tmp_path, "20261123T050000Z-0004", "2026-11-23T05:00:00.000Z", target="localhost:5000")
    resumed(tmp_path).close()


def test_resume_passes_over_snapshots_that_cannot_be_read(tmp_path):
    left_by_a_kill(tmp_path)
    broken = tmp_path / "source=localhost%3A5000%2Fteam" / "date=2026-11-23" / "run=20261123T070000Z-0009"
    broken.mkdir(parents=True)
    for content in (b"{", b"[]", b'{"run_id": 1, "started_at": 2, "counts": {"ok": 3}}'):
        (broken / "_run.json").write_bytes(content)
        resumed(tmp_path).close()


def test_last_complete_is_the_newest_complete_snapshot_before_this_run(tmp_path):
    assert last_complete(tmp_path, TARGET, "2026-11-23T02:00:00.000Z") is None
    for day, verdict in ((20, Verdict.COMPLETE), (21, Verdict.COMPLETE), (22, Verdict.PARTIAL), (24, Verdict.COMPLETE)):
        published(tmp_path, f"202611{day}T020000Z-0000", f"2026-11-{day}T02:00:00.000Z", verdict=verdict)
    found = last_complete(tmp_path, TARGET, "2026-11-23T02:00:00.000Z")
    assert found is not None
    assert (found.run_id, found.ok) == ("20261121T020000Z-0000", 2)


# What is kept

KEPT = [record("team/a"), record("team/b", outcome=Outcome.MISSING, tags=()), record("x y", outcome=Outcome.INVALID)]
UNREAD = Problem(ProblemKind.MANIFEST_UNREADABLE, "1", None, "HTTP_503", 503, "unavailable")
INVALID = Problem(ProblemKind.MANIFEST_UNREADABLE, "1", "sha256:aa", INVALID_CONTENT, None, "no manifest")
ASKED_AGAIN = [
    record("team/f", problems=(problem(), UNREAD)),
    record("team/c", outcome=Outcome.FAILED),
    record("team/d", outcome=Outcome.DENIED),
    record("team/e", suspect="the page is full and links to no other"),
]


def test_resume_drops_records_that_are_failed_denied_suspect_or_not_read_whole(tmp_path):
    journal = journaled(tmp_path, encode([*ASKED_AGAIN, *KEPT]))
    assert [entry.repository for entry in journal.entries()] == ["team/a", "team/b", "x y"]
    assert journal_content(journal) == encode(KEPT)
    assert journal.dropped.not_final == 4
    journal.close()


def test_resume_keeps_records_whose_problems_would_be_the_same_tomorrow(tmp_path):
    journal = journaled(tmp_path, encode([record("team/a", problems=(problem(), INVALID))]))
    (entry,) = journal.entries()
    assert (entry.problems, entry.unread) == ({"dangling-tag": 1, "manifest-unreadable": 1}, 0)
    journal.close()


def test_resume_drops_a_line_whose_problem_lacks_a_field(tmp_path):
    line = encode([record("team/a", problems=(problem(),))]).replace(b'"tag":', b'"label":')
    journal = journaled(tmp_path, line)
    assert list(journal.entries()) == []
    journal.close()


def test_resume_counts_the_kept_records_as_they_were_counted(tmp_path):
    images = encode([record("team/a", images=(), problems=(problem(),), children=("b",))])
    journal = journaled(tmp_path, images, encode(KEPT[1:]), encode(ASKED_AGAIN))
    stats = RunStats()
    stats.restore(journal.entries())
    counts = stats.counts
    assert (counts.repositories, counts.ok, counts.missing, counts.invalid) == (3, 1, 1, 1)
    assert (counts.tags, counts.images, counts.problems, counts.suspect) == (2, 0, 1, 0)
    assert stats.resumed == {"team/a": ("b",), "team/b": (), "x y": ()}
    journal.close()


def test_counts_of_images_are_null_until_a_record_lists_images():
    stats = RunStats()
    stats.add([record("team/a")])
    assert stats.counts.images is None
    stats.add([record("team/b", images=())])
    assert stats.counts.images == 0


@pytest.mark.parametrize("bad", [b"\x00" * 40 + b"\n", b"\n", b'{"repository": "team/z"}\n', b"[]\n", b"7\n"])
def test_resume_drops_a_bad_line_and_no_other(tmp_path, bad):
    journal = journaled(tmp_path, encode(KEPT[:1]), bad, encode(KEPT[1:]))
    assert len(list(journal.entries())) == 3
    assert (journal.dropped.unreadable, journal_content(journal)) == (1, encode(KEPT))
    journal.close()


def test_resume_drops_the_second_record_of_a_repository(tmp_path):
    journal = journaled(tmp_path, encode(KEPT), encode(KEPT[:2]))
    assert len(list(journal.entries())) == 3
    assert (journal.dropped.duplicates, journal_content(journal)) == (2, encode(KEPT))
    journal.close()


def test_resume_has_a_journal_file_of_its_own_also_with_nothing_to_drop(tmp_path):
    """The old one may be a snapshot's by now, or open in the process that had the run before."""
    journal = journaled(tmp_path, encode(KEPT))
    (part,) = journal.parts
    (tmp_path / "old").hardlink_to(part)
    list(journal.entries())
    assert journal_content(journal) == encode(KEPT)
    assert not part.samefile(tmp_path / "old")
    journal.close()


lines = st.sampled_from([*map(encode, ([r] for r in [*KEPT, *ASKED_AGAIN]))]) | st.binary(max_size=20).map(
    lambda garbage: garbage.replace(b"\n", b"") + b"\n"
)


@fuzz
@given(st.lists(lines, max_size=12), st.binary(max_size=10))
def test_resume_compacts_any_journal_to_one_final_record_of_each_repository(tmp_path_factory, written, torn):
    journal = journaled(tmp_path_factory.mktemp("any"), *written, torn.replace(b"\n", b""))
    kept = list(dict.fromkeys(line for line in written if line in {encode([r]) for r in KEPT}))
    assert len(list(journal.entries())) == len(kept)
    assert journal_content(journal) == b"".join(kept)
    assert len(list(journal.entries())) == len(kept)
    journal.close()


# Parameters of other versions, torn or odd

KEYS = [*json.loads(parameters().dump()), "colour"]

ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", TARGET, "../../x", "2026-13-01", "\x1b"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@fuzz
@given(st.dictionaries(st.sampled_from(KEYS), ODD, min_size=1, max_size=3))
def test_resume_names_a_run_with_unusable_parameters_and_begins_another(tmp_path_factory, odd):
    output = tmp_path_factory.mktemp("odd")
    begun = left_by_a_kill(output) / "begun.json"
    document = {**json.loads(begun.read_bytes()), **odd}
    begun.write_bytes(orjson.dumps(document))
    lines = unfinished(output).unreadable_runs(TARGET)
    resumption = unfinished(output).resume(parameters(**NEXT_DAY))
    if resumption.journal is not None:
        resumption.journal.close()
    is_named = bool(lines) or bool(resumption.notes) or resumption.journal is not None
    assert is_named or document["target"] != TARGET
    unfinished(output).begin(parameters("another")).close()
    unfinished(output).clean_up(TARGET, datetime(2027, 1, 1, tzinfo=UTC))
    assert RUN_ID in run_ids(output) or not lines


@pytest.mark.parametrize("started_at", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-23T02:00:00"])
def test_resume_names_a_run_whose_started_at_is_no_time(tmp_path, started_at):
    begun = left_by_a_kill(tmp_path) / "begun.json"
    begun.write_bytes(orjson.dumps({**orjson.loads(begun.read_bytes()), "started_at": started_at}))
    assert notes(tmp_path) == ""
    assert "its begun.json has no usable started_at" in unfinished(tmp_path).unreadable_runs(TARGET)[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"run_id": "ha', "its begun.json is not JSON"),
        (b"[]", "its begun.json has version none, not 2"),
        (b'{"version": 1}', "its begun.json has version 1, not 2"),
        (b'{"version": 2, "target": "localhost:5000/team"}', "its begun.json has no usable run_id, started_at, kind"),
    ],
)
def test_resume_names_a_run_of_another_version_or_with_a_torn_file(tmp_path, content, why):
    (left_by_a_kill(tmp_path) / "begun.json").write_bytes(content)
    (line,) = unfinished(tmp_path).unreadable_runs(TARGET)
    assert line.startswith(f"run {RUN_ID} in ")
    assert why in line
    assert f"registry-crawler runs discard {RUN_ID}" in line


def test_resume_does_not_name_an_unreadable_run_of_another_target(tmp_path):
    (left_by_a_kill(tmp_path) / "begun.json").write_bytes(b'{"version": 2, "target": "quay.io"}')
    assert unfinished(tmp_path).unreadable_runs(TARGET) == []
    assert len(unfinished(tmp_path).unreadable_runs("quay.io")) == 1


# What happens to other runs

LATER = datetime(2026, 11, 30, tzinfo=UTC)


def test_clean_up_keeps_the_newest_of_the_runs_that_cannot_be_resumed(tmp_path):
    for hour in (1, 3, 2):
        left_by_a_kill(tmp_path, run_id=f"{hour}", started_at=f"2026-11-23T0{hour}:00:00.000Z")
    unfinished(tmp_path).clean_up(TARGET, LATER)
    assert run_ids(tmp_path) == ["3"]


def test_run_that_removes_itself_while_it_is_looked_at_cannot_be_resumed(tmp_path):
    """A run without a record removes its folder and then lets go of the lock; another process may look in between."""
    folder = left_by_a_kill(tmp_path, encode([record("a")]))

    class RemovedMeanwhile(NoLocks):
        def is_held(self, looked_at):
            shutil.rmtree(looked_at)
            return False

    assert unfinished(tmp_path, RemovedMeanwhile()).resumable_runs(parameters(**NEXT_DAY)) == []
    assert not folder.exists()


def test_clean_up_keeps_resumable_runs_held_runs_and_runs_of_other_targets(tmp_path):
    young = {"started_at": "2026-11-29T23:00:00.000Z"}
    for run_id, changes in {
        "1": {},
        "2": {},
        "young 1": young,
        "young 2": young,
        "other": {"target": "quay.io"},
    }.items():
        left_by_a_kill(tmp_path, run_id=run_id, **changes)
    (left_by_a_kill(tmp_path, run_id="0 of another version") / "begun.json").write_bytes(b'{"version": 2}')
    in_work = journaled(tmp_path, run_id="3 in work")
    unfinished(tmp_path).clean_up(TARGET, LATER)
    assert run_ids(tmp_path) == ["0 of another version", "2", "3 in work", "other", "young 1", "young 2"]
    in_work.close()


def test_begin_removes_folders_that_a_kill_left_half_removed(tmp_path):
    in_the_making = tmp_path / ".unfinished" / ".young.new"
    removed = tmp_path / ".unfinished" / ".old.dropped"
    for folder in (in_the_making, removed):
        folder.mkdir(parents=True)
    unfinished(tmp_path).begin(parameters()).close()
    assert run_ids(tmp_path) == [".young.new", RUN_ID]


def test_discard_drops_one_run_and_lists_the_others(tmp_path):
    for run_id in ("1", "2"):
        left_by_a_kill(tmp_path, run_id=run_id)
    unfinished(tmp_path).discard("1")
    assert run_ids(tmp_path) == ["2"]
    for unknown in ("1", "..", "../2", ".", ""):
        with pytest.raises(LookupError, match=r"^2$"):
            unfinished(tmp_path).discard(unknown)


def test_discard_refuses_a_run_that_a_process_works_on(tmp_path):
    journal = journaled(tmp_path)
    with pytest.raises(SnapshotError, match="another process works on it"):
        unfinished(tmp_path).discard(RUN_ID)
    assert journal.parts
    journal.close()


# Runs at the same time


def in_threads(*works) -> None:
    """Run functions in threads, all at the same time. Raises the first failure."""
    failures = []

    def do(work):
        try:
            work()
        except BaseException as failure:  # noqa: BLE001  (to be raised where pytest sees it)
            failures.append(failure)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_concurrent_runs_in_one_output_folder_do_not_disturb_each_other(tmp_path):
    def nights(number: int):
        def work():
            for night in range(60):
                run_id = f"{number}-{night}"
                journal = unfinished(tmp_path).begin(parameters(run_id))
                with journal.appended() as file:
                    file.write(encode([record("team/a")]))
                unfinished(tmp_path).clean_up(TARGET, LATER)
                unfinished(tmp_path).resumable_runs(parameters("x"))
                assert unfinished(tmp_path).unreadable_runs(TARGET) == []
                assert [entry.repository for entry in journal.entries()] == ["team/a"]
                if night % 3:
                    journal.discard()
                journal.close()

        return work

    in_threads(*(nights(number) for number in range(3)))
    unfinished(tmp_path).clean_up(TARGET, LATER)
    assert len(run_ids(tmp_path)) == 1


def test_lock_that_is_held_for_a_moment_is_waited_for(tmp_path):
    folder = left_by_a_kill(tmp_path)
    looking = (folder / "lock").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        looking.close()

    journal = unfinished(tmp_path, FileLocks(wait)).resume(parameters(**NEXT_DAY)).journal
    assert journal is not None
    assert len(waits) == 1
    journal.close()


def test_lock_can_be_taken_while_other_processes_look_at_it(tmp_path):
    left_by_a_kill(tmp_path)
    over = threading.Event()

    def look():
        while not over.is_set():
            unfinished(tmp_path).resumable_runs(parameters(**NEXT_DAY))

    def take():
        try:
            for _ in range(50):
                resumed(tmp_path).close()
        finally:
            over.set()

    in_threads(look, look, take)


async def test_concurrent_crawls_each_publish_their_snapshot(tmp_path):
    async with serve(plain_registry()) as server:
        config = crawler.Config(registry=[{"target": server.host}], output={"path": tmp_path})
        for _ in range(5):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(crawler.crawl, config)
    assert len(folders(tmp_path)) == 15
    assert run_ids(tmp_path) == []


# File systems without locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_lock_missing_from_the_file_system_is_refused_before_the_crawl_with_the_flag_to_use(
    tmp_path, monkeypatch, number
):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SnapshotError, match=r"no locks \(no locks here\): use --no-lock \(output.lock = false\)"):
        unfinished(tmp_path).begin(parameters())
    assert run_ids(tmp_path) == []
    without = unfinished(tmp_path, NoLocks())
    without.begin(parameters()).close()
    journal = without.resume(parameters(**NEXT_DAY)).journal
    assert journal is not None
    without.clean_up(TARGET, LATER + timedelta(days=1))
    without.discard(RUN_ID)
    assert run_ids(tmp_path) == []
