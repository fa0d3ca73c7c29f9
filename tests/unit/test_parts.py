"""A run with several data files: each is read, counted, resumed and published."""

from datetime import UTC, datetime
from pathlib import Path

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
    record,
    run_ids,
    run_manifest,
    unfinished,
)
from support.snapshots import folders, read_snapshot

from crawler.errors import SnapshotError
from crawler.model.record import Outcome
from crawler.model.run_manifest import Counts
from crawler.sinks.jsonl import encode
from crawler.snapshot.journal import Journal
from crawler.snapshot.parts import describe_part, draft_part, journal_parts
from crawler.snapshot.publish import Draft
from crawler.snapshot.reader import last_complete

FIRST = (encode([record("team/a")]), encode([record("team/b", tags=("1" * 300,))]))
SECOND = (encode([record("team/c", tags=("2" * 500,))]),)


def add_part(journal: Journal, number: int, *lines: bytes) -> None:
    (journal.folder / f"part-{number:05}.jsonl").write_bytes(b"".join(lines))


def names(journal: Journal) -> list[str]:
    return [entry.repository for entry in journal.entries()]


def publish(journal: Journal, output, compression: str, rows: int) -> None:
    draft = Draft(journal)
    draft.publish(output, run_manifest(draft.write(compression, rows), counts=Counts(repositories=rows, ok=rows)))
    journal.close()


@pytest.fixture
def two_parts(tmp_path) -> Journal:
    journal = journaled(tmp_path, *FIRST)
    add_part(journal, 1, *SECOND)
    return journal


@pytest.mark.parametrize(("compression", "suffix"), [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")])
def test_parts_are_published_as_one_file_each_with_rows_checksum_and_longest_line(
    tmp_path, two_parts, compression, suffix
):
    publish(two_parts, tmp_path, compression, 3)
    snapshot = read_snapshot(tmp_path)  # which compares bytes, checksum and rows of each file
    assert [(file["name"], file["rows"], file["longest_line"]) for file in snapshot.manifest["files"]] == [
        (f"part-00000.jsonl{suffix}", 2, len(FIRST[1]) - 1),
        (f"part-00001.jsonl{suffix}", 1, len(SECOND[0]) - 1),
    ]
    assert [each["repository"] for each in snapshot.records] == ["team/a", "team/b", "team/c"]
    assert run_ids(tmp_path) == []


def test_parts_are_published_without_being_written_again(tmp_path, two_parts):
    journaled_files = [part.stat().st_ino for part in two_parts.parts]
    publish(two_parts, tmp_path, "none", 3)
    published = [path.stat() for path in sorted(read_snapshot(tmp_path).folder.glob("part-*"))]
    assert [file.st_ino for file in published] == journaled_files
    assert {file.st_nlink for file in published} == {1}


def test_parts_are_copied_where_a_file_can_have_no_second_name(tmp_path):
    on_another_file_system = Path("/proc/version")
    part = draft_part(on_another_file_system, tmp_path, "none", None)
    assert part.read_bytes() == on_another_file_system.read_bytes()


def test_parts_that_are_there_already_are_not_overwritten(tmp_path):
    part = tmp_path / "version"
    part.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        draft_part(Path("/proc/version"), tmp_path, "none", None)
    assert part.read_bytes() == b"kept"


def test_parts_are_appended_to_after_a_draft_that_a_kill_left(tmp_path, two_parts):
    Draft(two_parts).write("none", 3)
    two_parts.close()
    journal = unfinished(tmp_path).resume(parameters("2")).journal
    assert journal is not None
    assert len(names(journal)) == 3
    with journal.appended() as file:
        file.write(encode([record("team/d")]))
    publish(journal, tmp_path, "none", 4)
    assert len(read_snapshot(tmp_path).records) == 4


fuzz = settings(deadline=None, max_examples=60)

NEAR_A_PIECE = st.integers(-2, 2).map(lambda more: 256 * 1024 + more)


@fuzz
@given(lengths=st.lists(st.one_of(st.integers(0, 3), NEAR_A_PIECE, st.just(600_000)), min_size=1, max_size=8))
def test_parts_are_counted_and_measured_whatever_the_lengths_of_their_lines(tmp_path_factory, lengths):
    part = tmp_path_factory.mktemp("parts") / "part-00000.jsonl"
    part.write_bytes(b"".join(b"x" * length + b"\n" for length in lengths))
    described = describe_part(part)
    assert (described.rows, described.longest_line) == (len(lengths), max(lengths))


def test_parts_are_resumed_appended_to_and_published(tmp_path, two_parts):
    two_parts.close()
    journal = unfinished(tmp_path).resume(parameters("2")).journal
    assert journal is not None
    assert names(journal) == ["team/a", "team/b", "team/c"]
    with journal.appended() as file:
        file.write(encode([record("team/d")]))
    assert [part.name for part in journal.parts] == ["part-00000.jsonl", "part-00001.jsonl"]
    assert journal.parts[0].read_bytes() == b"".join(FIRST)
    publish(journal, tmp_path, "none", 4)
    assert [file["rows"] for file in read_snapshot(tmp_path).manifest["files"]] == [2, 2]
    found = last_complete(tmp_path, TARGET, "2026-11-24T02:00:00.000Z")
    assert found is not None
    assert (found.run_id, found.ok) == (RUN_ID, 4)


def test_parts_are_each_rewritten_without_what_is_dropped(tmp_path):
    journal = journaled(tmp_path, FIRST[0], encode([record("team/x", outcome=Outcome.FAILED)]), b'{"torn')
    add_part(journal, 1, FIRST[0], SECOND[0], b"\x00\n")
    add_part(journal, 2, FIRST[1])
    assert names(journal) == ["team/a", "team/c", "team/b"]
    assert [part.read_bytes() for part in journal.parts] == [FIRST[0], SECOND[0], FIRST[1]]
    assert (journal.dropped.unreadable, journal.dropped.duplicates, journal.dropped.not_final) == (2, 1, 1)
    assert names(journal) == ["team/a", "team/c", "team/b"]
    assert journal.dropped.unreadable == 0
    journal.close()


@pytest.mark.parametrize("rows", [2, 4])
def test_parts_that_lost_or_gained_lines_are_not_published(tmp_path, two_parts, rows):
    with pytest.raises(SnapshotError, match=rf"holds 3 lines, but {rows} records .* rerun with --resume"):
        Draft(two_parts).write("none", rows)
    assert journal_content(two_parts) == b"".join(FIRST + SECOND)
    assert not folders(tmp_path)
    two_parts.close()


@pytest.mark.parametrize("number", [0, 1])
def test_parts_that_end_within_a_line_are_not_published(two_parts, number):
    part = two_parts.parts[number]
    part.write_bytes(part.read_bytes() + b'{"torn')
    with pytest.raises(SnapshotError, match=rf"part-0000{number}\.jsonl ends within a line"):
        Draft(two_parts).write("none", 3)
    two_parts.close()


def test_parts_are_discarded_with_their_run(tmp_path):
    for run_id in ("1", "2"):
        folder = left_by_a_kill(tmp_path, *FIRST, run_id=run_id)
        (folder / "part-00001.jsonl").write_bytes(SECOND[0])
    unfinished(tmp_path).discard("1")
    assert run_ids(tmp_path) == ["2"]
    journal = unfinished(tmp_path).resume(parameters("3")).journal
    assert journal is not None
    journal.discard()
    journal.close()
    assert run_ids(tmp_path) == []


def test_parts_are_removed_by_clean_up_and_by_begin_once_they_are_published(tmp_path, two_parts):
    journal_files = {path.name: path.read_bytes() for path in two_parts.folder.iterdir() if path.is_file()}
    publish(two_parts, tmp_path, "none", 3)
    for run_id in ("1", "2"):
        folder = left_by_a_kill(tmp_path, *FIRST, run_id=run_id, started_at="2026-11-22T02:00:00.000Z")
        (folder / "part-00001.jsonl").write_bytes(SECOND[0])
    unfinished(tmp_path).clean_up(TARGET, datetime(2026, 11, 24, tzinfo=UTC))
    assert run_ids(tmp_path) == ["2"]
    two_parts.folder.mkdir()
    for name, content in journal_files.items():
        (two_parts.folder / name).write_bytes(content)
    unfinished(tmp_path).begin(parameters("3")).close()
    assert run_ids(tmp_path) == ["2", "3"]


def test_parts_are_in_the_order_of_their_numbers_and_other_files_are_no_parts(tmp_path):
    for name in ("part-00010.jsonl", "part-00002.jsonl", "part-1.jsonl", "part-00003.jsonl.gz", "rewritten.jsonl"):
        (tmp_path / name).write_bytes(b"")
    assert [part.name for part in journal_parts(tmp_path)] == ["part-00002.jsonl", "part-00010.jsonl"]


def test_parts_of_a_run_without_records_are_one_empty_file(tmp_path):
    publish(journaled(tmp_path), tmp_path, "none", 0)
    assert [(file["name"], file["rows"]) for file in read_snapshot(tmp_path).manifest["files"]] == [
        ("part-00000.jsonl", 0)
    ]
