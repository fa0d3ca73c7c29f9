"""A run on the disk: begun, journaled, torn by a kill, published."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.run_folders import (
    RUN_ID,
    TARGET,
    journal_content,
    journaled,
    parameters,
    record,
    run_ids,
    run_manifest,
    unfinished,
)
from support.snapshots import read_snapshot

from crawler.errors import SnapshotError
from crawler.model.run_manifest import Verdict
from crawler.sinks.jsonl import JsonLinesFile, encode
from crawler.snapshot.publish import Draft

fuzz = settings(deadline=None)

TWO = (encode([record("team/a")]), encode([record("team/b", tags=("1", "2"))]))


def names(journal) -> list[str]:
    return [entry.repository for entry in journal.entries()]


def publish(journal, output: Path, compression: str = "none", rows: int = 2, **changes) -> Path:
    draft = Draft(journal)
    place = draft.publish(output, run_manifest(draft.write(compression, rows), **changes))
    journal.close()
    return place


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_snapshot_is_published_whole_where_loaders_look(tmp_path, compression):
    place = publish(journaled(tmp_path, *TWO), tmp_path, compression)
    assert place == tmp_path / "source=localhost%3A5000%2Fteam" / "date=2026-11-23" / f"run={RUN_ID}"
    snapshot = read_snapshot(tmp_path)
    assert [r["repository"] for r in snapshot.records] == ["team/a", "team/b"]
    assert snapshot.has_success
    assert run_ids(tmp_path) == []


def test_snapshot_has_success_file_only_when_complete(tmp_path):
    publish(journaled(tmp_path, *TWO), tmp_path, verdict=Verdict.PARTIAL)
    assert not read_snapshot(tmp_path).has_success


def test_snapshot_folder_is_absent_until_the_snapshot_is_whole(tmp_path):
    journal = journaled(tmp_path, *TWO)
    Draft(journal).write("gzip", 2)
    assert not list(tmp_path.glob("source=*"))
    journal.close()


def test_draft_that_a_kill_left_is_made_again(tmp_path):
    journal = journaled(tmp_path, *TWO)
    Draft(journal).write("zstd", 2)
    journal.close()
    again = unfinished(tmp_path).resume(parameters("2")).journal
    assert again is not None
    publish(again, tmp_path)
    assert len(read_snapshot(tmp_path).records) == 2


def test_resume_ignores_a_journal_whose_snapshot_is_published(tmp_path):
    journal = journaled(tmp_path, *TWO)
    saved = {path.name: path.read_bytes() for path in journal.folder.iterdir()}
    publish(journal, tmp_path)
    journal.folder.mkdir()
    for name, content in saved.items():
        (journal.folder / name).write_bytes(content)
    assert unfinished(tmp_path).resumable_runs(parameters("2")) == []
    assert unfinished(tmp_path).resume(parameters("2")).journal is None
    unfinished(tmp_path).begin(parameters("3")).close()
    assert run_ids(tmp_path) == ["3"]


@fuzz
@given(cut=st.integers(0, sum(map(len, TWO))))
def test_journal_keeps_whole_records_wherever_a_kill_tears_it(tmp_path_factory, cut):
    output = tmp_path_factory.mktemp("torn")
    journal = journaled(output, b"".join(TWO)[:cut])
    whole = [name for name, end in (("team/a", len(TWO[0])), ("team/b", len(TWO[0]) + len(TWO[1]))) if end <= cut]
    assert names(journal) == whole
    with journal.appended() as file:
        file.write(encode([record("team/c")]))
    assert names(journal) == [*whole, "team/c"]
    journal.close()


@fuzz
@given(garbage=st.binary(max_size=300))
def test_journal_drops_what_a_power_cut_left_after_the_last_record(tmp_path_factory, garbage):
    output = tmp_path_factory.mktemp("garbage")
    journal = journaled(output, *TWO, b"\x00" * 64 + garbage)
    assert names(journal) == ["team/a", "team/b"]
    assert journal_content(journal) == b"".join(TWO)
    journal.close()


def test_unfinished_folder_without_parameters_is_not_a_run(tmp_path):
    (tmp_path / ".unfinished" / "stray").mkdir(parents=True)
    (tmp_path / ".unfinished" / "file").write_bytes(b"")
    assert unfinished(tmp_path).resumable_runs(parameters()) == []
    assert unfinished(tmp_path).unreadable_runs(TARGET) == []
    unfinished(tmp_path).begin(parameters("2")).close()
    assert run_ids(tmp_path) == ["2", "file", "stray"]  # files of other programs are kept


def test_output_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "snapshots").write_text("a file")
    with pytest.raises(SnapshotError, match="snapshots"):
        unfinished(tmp_path / "snapshots").begin(parameters())


def test_output_folder_that_vanished_is_named(tmp_path):
    journal = journaled(tmp_path, *TWO)
    draft = Draft(journal)
    files = draft.write("none", 2)
    (tmp_path / ".unfinished").rename(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match=r"run\.json"):
        draft.publish(tmp_path, run_manifest(files))
    journal.close()


def test_run_manifest_has_every_key_of_the_contract(tmp_path):
    document = orjson.loads((publish(journaled(tmp_path, *TWO), tmp_path) / "_run.json").read_bytes())
    assert list(document) == [
        *("schema", "run_id", "target", "registry", "kind", "tool", "started_at", "finished_at", "resumed_at"),
        *("identity", "verdict", "reasons", "discovery", "depth", "referrers", "shard", "group", "counts", "problems"),
        "requests",
        *("cache", "pace", "files", "config", "slowest", "previous_run_id"),
    ]
    assert list(document["counts"]) == [
        *("repositories", "ok", "missing", "denied", "failed", "invalid", "suspect", "tags", "images", "problems"),
        "unread",
    ]
    assert list(document["cache"]) == ["hits", "misses"]
    assert list(document["pace"]) == ["configured", "median_per_s", "lowest_concurrency", "set_by"]
    assert list(document["files"][0]) == ["name", "rows", "bytes", "sha256", "longest_line"]


async def test_json_lines_file_writes_every_byte_to_a_file_that_takes_a_few_at_a_time(tmp_path):
    """write(2): an unbuffered file on a disk that is almost full, or a pipe, takes what fits."""
    written = bytearray()

    class Narrow:
        name = "narrow"

        def write(self, data: memoryview) -> int:
            taken = min(7, len(data))
            written.extend(data[:taken])
            return taken

        def flush(self) -> None:
            """There is no buffer."""

    records = [record("team/a"), record("team/b")]
    await JsonLinesFile(Narrow()).write(records)
    assert bytes(written) == encode(records)
