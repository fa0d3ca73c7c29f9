"""From the journal to the snapshot, on file systems and disks that refuse something."""

import errno
import logging
import os
import resource
import shutil
import stat
import tempfile
from pathlib import Path

import orjson
import pytest
from support.run_folders import (
    RUN_ID,
    journal_content,
    journaled,
    parameters,
    record,
    run_ids,
    run_manifest,
    unfinished,
)
from support.scripted import plain_registry, serve
from support.snapshots import folders, read_snapshot

import crawler
from crawler.errors import SnapshotError
from crawler.sinks.jsonl import encode
from crawler.snapshot.locks import NoLocks
from crawler.snapshot.publish import Draft, publish_folder

COMPRESSIONS = ["none", "gzip", "zstd"]
LINES = (encode([record("team/a")]), encode([record("team/b", tags=("1" * 300,))]))


def listed(folder: Path | str) -> list[str]:
    return sorted(entry.name for entry in Path(folder).iterdir())


def publish(output: Path) -> Path:
    journal = journaled(output, *LINES)
    draft = Draft(journal)
    place = draft.publish(output, run_manifest(draft.write("none", 2)))
    journal.close()
    return place


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("claimed", [1, 3])
def test_publish_refuses_a_journal_that_lost_or_gained_lines(tmp_path, compression, claimed):
    journal = journaled(tmp_path, *LINES)
    with pytest.raises(SnapshotError, match=rf"holds 2 lines, but {claimed} records .* rerun with --resume"):
        Draft(journal).write(compression, claimed)
    assert journal_content(journal) == b"".join(LINES)
    journal.close()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_publish_refuses_a_journal_that_ends_within_a_line(tmp_path, compression):
    journal = journaled(tmp_path, *LINES, b'{"half')
    with pytest.raises(SnapshotError, match="ends within a line, after 2 whole ones"):
        Draft(journal).write(compression, 2)
    journal.close()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_longest_line_is_measured_decompressed(tmp_path, compression):
    journal = journaled(tmp_path, *LINES, LINES[0])
    (file,) = Draft(journal).write(compression, 3)
    assert (file.rows, file.longest_line) == (3, len(LINES[1]) - 1)
    journal.close()


def test_longest_line_may_be_longer_than_a_chunk(tmp_path):
    long = encode([record("team/c", tags=("x" * 3_000_000,))])
    journal = journaled(tmp_path, LINES[0], long, LINES[1])
    (file,) = Draft(journal).write("none", 3)
    assert (file.rows, file.longest_line) == (3, len(long) - 1)
    journal.close()


def resumed(output):
    """The journal of the run, taken over by another process without locks."""
    journal = unfinished(output, NoLocks()).resume(parameters("2", started_at="2026-11-23T03:00:00.000Z")).journal
    assert journal is not None
    assert len(list(journal.entries())) == 2
    return journal


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_publish_is_final_for_a_process_that_lost_the_lock_and_appends_later(tmp_path, compression):
    journal = journaled(tmp_path, *LINES)
    with journal.appended() as still_open:
        draft = Draft(resumed(tmp_path))
        files = draft.write(compression, 2)
        with pytest.raises(SnapshotError, match="another process resumed"):
            still_open.write(LINES[0])
        draft.publish(tmp_path, run_manifest(files))
        with pytest.raises(SnapshotError, match="the file was removed"):
            still_open.write(LINES[0])
    journal.close()
    assert len(read_snapshot(tmp_path).records) == 2


def test_publish_is_final_also_where_a_kill_has_left_a_draft(tmp_path):
    journal = journaled(tmp_path, *LINES)
    Draft(journal).write("none", 2)
    with resumed(tmp_path).appended() as still_open:
        draft = Draft(resumed(tmp_path))
        files = draft.write("none", 2)
        with pytest.raises(SnapshotError, match="another process resumed"):
            still_open.write(LINES[0])
        draft.publish(tmp_path, run_manifest(files))
    journal.close()
    assert len(read_snapshot(tmp_path).records) == 2


def test_publish_is_final_for_a_process_that_resumes_the_run_meanwhile(tmp_path):
    """Without locks nothing keeps it out: it must not append to the file that is published."""
    journal = journaled(tmp_path, *LINES)
    draft = Draft(journal)
    files = draft.write("none", 2)
    with resumed(tmp_path).appended() as other:
        other.write(LINES[0])
        draft.publish(tmp_path, run_manifest(files))
    journal.close()
    assert len(read_snapshot(tmp_path).records) == 2


def test_published_snapshot_that_is_moved_elsewhere_does_not_change_when_its_run_is_resumed(tmp_path):
    """A kill after the rename leaves the journal, and without its snapshot the run counts as unfinished."""
    journal = journaled(tmp_path, *LINES)
    draft = Draft(journal)
    files = draft.write("none", 2)
    place = publish_folder(journal.draft_folder, tmp_path, run_manifest(files))
    journal.close()
    moved = place.rename(tmp_path / "archive")
    with resumed(tmp_path).appended() as part:
        part.write(LINES[0])
    assert (moved / "part-00000.jsonl").read_bytes() == b"".join(LINES)


def test_journal_that_cannot_be_made_anew_is_as_it_was(tmp_path):
    """A resumed run needs the disk twice for a moment, and the disk may be full."""
    journal = journaled(tmp_path, *LINES)
    before = listed(journal.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINES[0]), hard))
    try:
        with pytest.raises(SnapshotError, match="File too large"):
            list(journal.entries())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listed(journal.folder) == before
    assert journal_content(journal) == b"".join(LINES)
    journal.close()


def test_journal_takes_records_while_a_backup_holds_it_by_a_hard_link(tmp_path):
    journal = journaled(tmp_path, LINES[0])
    with journal.appended() as part:
        (tmp_path / "backup").hardlink_to(part.name)
        part.write(LINES[1])
    draft = Draft(journal)
    draft.publish(tmp_path, run_manifest(draft.write("none", 2)))
    journal.close()
    assert len(read_snapshot(tmp_path).records) == 2


def test_journal_that_is_removed_during_the_run_takes_no_more_records(tmp_path):
    journal = journaled(tmp_path, *LINES)
    with journal.appended() as part:
        shutil.rmtree(journal.folder)
        with pytest.raises(SnapshotError, match="the file was removed"):
            part.write(LINES[0])
    journal.close()


def fsync_of_folders_fails(monkeypatch, number: int) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF, errno.ENOENT])
def test_publish_works_where_folders_cannot_be_fsynced(tmp_path, monkeypatch, number):
    fsync_of_folders_fails(monkeypatch, number)
    publish(tmp_path)
    assert read_snapshot(tmp_path).has_success


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_publish_fails_where_the_disk_fails_before_the_rename(tmp_path, monkeypatch, number):
    journal = journaled(tmp_path, *LINES)
    draft = Draft(journal)
    files = draft.write("none", 2)
    fsync_of_folders_fails(monkeypatch, number)
    with pytest.raises(SnapshotError, match=os.strerror(number)):
        draft.publish(tmp_path, run_manifest(files))
    assert not folders(tmp_path)
    assert journal.parts
    journal.close()


def test_publish_warns_where_the_disk_fails_after_the_rename(tmp_path, monkeypatch, caplog):
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) and folders(tmp_path):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with caplog.at_level(logging.WARNING):
        place = publish(tmp_path)
    assert f"{place} is published, but a power cut may undo it: Input/output error" in caplog.text
    assert run_ids(tmp_path) == []
    assert read_snapshot(tmp_path).has_success


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="a second file system is Linux's /dev/shm here")
def test_begin_refuses_a_rename_across_devices_before_the_crawl(tmp_path, tmp_path_factory):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is on the file system of the temporary folder")
        (tmp_path / ".unfinished").symlink_to(elsewhere)
        with pytest.raises(SnapshotError, match=r"cannot be renamed from .* \(Invalid cross-device link\)"):
            unfinished(tmp_path).begin(parameters())
        assert listed(elsewhere) == []
        assert listed(tmp_path) == [".unfinished"]


def test_begin_leaves_nothing_of_its_probe(tmp_path):
    publish(tmp_path)
    journal = unfinished(tmp_path).begin(parameters("20261123T030000Z-0002"))
    assert listed(journal.folder) == ["begun.json", "lock"]
    journal.close()
    beside = tmp_path / "source=localhost%3A5000%2Fteam" / "date=2026-11-23"
    assert listed(beside) == [f"run={RUN_ID}"]
    assert listed(tmp_path) == [".unfinished", "source=localhost%3A5000%2Fteam"]


async def test_output_path_that_is_not_utf8_works(tmp_path):
    output = Path(os.fsdecode(os.fsencode(tmp_path / "snap") + b"\xff"))
    async with serve(plain_registry()) as server:
        config = crawler.Config(registry=[{"target": server.host}], output={"path": str(output)})
        manifest = await crawler.crawl(config)
    document = orjson.loads((output / manifest.folder / "_run.json").read_bytes())
    assert document["config"]["output"]["path"] == str(tmp_path / "snap") + "\\udcff"
    assert read_snapshot(output).has_success
