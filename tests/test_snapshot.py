"""A run on the disk: begun, journaled, torn, resumed, published."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import read_snapshot

from crawler.errors import SnapshotError
from crawler.model import (
    Counts,
    Discovered,
    Outcome,
    Record,
    Requests,
    RunManifest,
    Tool,
    Verdict,
)
from crawler.sinks.jsonl import encode
from crawler.snapshot.journal import Terms, abandoned_runs, begin, resume, unfinished_runs
from crawler.snapshot.publish import Draft


def terms(run_id: str = "20261123T020000Z-0001", **changes) -> Terms:
    told = {
        "run_id": run_id,
        "started_at": "2026-11-23T02:00:00.000Z",
        "target": "localhost:5000/team",
        "discovery": "auto",
        "repositories_from": None,
        "include": (),
        "exclude": (),
    }
    return Terms(**{**told, **changes})


def record(name: str, *, tags: tuple[str, ...] = ("1.0",), outcome: Outcome = Outcome.OK) -> Record:
    return Record(
        schema=1,
        run_id="20261123T020000Z-0001",
        registry="localhost:5000",
        repository=name,
        outcome=outcome,
        tags=tags,
        images=None,
        children=None,
        suspect=None,
        error=None,
        observed_at="2026-11-23T02:00:01.000Z",
    )


def manifest(files, *, verdict: Verdict = Verdict.COMPLETE) -> RunManifest:
    return RunManifest(
        schema=1,
        run_id="20261123T020000Z-0001",
        target="localhost:5000/team",
        registry="localhost:5000",
        tool=Tool(name="registry-crawler", version="0"),
        started_at="2026-11-23T02:00:00.000Z",
        finished_at="2026-11-23T02:10:00.000Z",
        verdict=verdict,
        reasons=(),
        discovery=Discovered(method="catalog", pages=1, repositories=2, complete=True, evidence="no next link"),
        counts=Counts(repositories=2, ok=2),
        requests=Requests(),
        files=files,
        config={},
        slowest=(),
    )


def journaled(output: Path, *lines: bytes):
    journal = begin(output, terms())
    with journal.appended() as file:
        file.write(b"".join(lines))
    return journal


TWO = (encode([record("team/a")]), encode([record("team/b", tags=("1", "2"))]))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_published_snapshot_is_whole_and_stands_where_loaders_look(tmp_path, compression):
    journal = journaled(tmp_path, *TWO)
    draft = Draft(journal)
    place = draft.publish(tmp_path, manifest(draft.write(compression, 2)))
    journal.close()
    assert place == tmp_path / "source=localhost%3A5000" / "date=2026-11-23" / "run=20261123T020000Z-0001"
    snapshot = read_snapshot(tmp_path)
    assert [r["repository"] for r in snapshot.records] == ["team/a", "team/b"]
    assert snapshot.has_success
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_success_stands_only_beside_a_complete_snapshot(tmp_path):
    journal = journaled(tmp_path, *TWO)
    draft = Draft(journal)
    draft.publish(tmp_path, manifest(draft.write("none", 2), verdict=Verdict.PARTIAL))
    journal.close()
    assert not read_snapshot(tmp_path).has_success


def test_nothing_stands_in_its_place_before_it_is_whole(tmp_path):
    journal = journaled(tmp_path, *TWO)
    Draft(journal).write("gzip", 2)
    assert not list(tmp_path.glob("source=*"))
    journal.close()


def test_a_draft_that_a_kill_left_is_made_anew(tmp_path):
    journal = journaled(tmp_path, *TWO)
    Draft(journal).write("zstd", 2)
    journal.close()
    again = resume(tmp_path, terms("20261124T020000Z-0002"))
    assert again is not None
    draft = Draft(again)
    draft.publish(tmp_path, manifest(draft.write("none", 2)))
    again.close()
    assert len(read_snapshot(tmp_path).records) == 2


def test_a_snapshot_that_a_kill_left_with_its_journal_is_not_resumed(tmp_path):
    journal = journaled(tmp_path, *TWO)
    saved = {path.name: path.read_bytes() for path in journal.folder.iterdir()}
    draft = Draft(journal)
    draft.publish(tmp_path, manifest(draft.write("none", 2)))
    journal.close()
    journal.folder.mkdir()
    for name, content in saved.items():
        (journal.folder / name).write_bytes(content)
    assert unfinished_runs(tmp_path, "localhost:5000/team") == []
    assert resume(tmp_path, terms("20261124T020000Z-0002")) is None
    assert not journal.folder.exists()


@given(cut=st.integers(0, sum(map(len, TWO))))
def test_a_kill_at_any_moment_leaves_whole_records_and_tears_at_most_one(tmp_path_factory, cut):
    output = tmp_path_factory.mktemp("torn")
    journal = journaled(output, b"".join(TWO)[:cut])
    whole = [name for name, end in (("team/a", len(TWO[0])), ("team/b", len(TWO[0]) + len(TWO[1]))) if end <= cut]
    assert [entry.repository for entry in journal.entries()] == whole
    with journal.appended() as file:
        file.write(encode([record("team/c")]))
    assert [entry.repository for entry in journal.entries()] == [*whole, "team/c"]
    journal.close()


@given(garbage=st.binary(max_size=300))
def test_what_a_power_cut_left_behind_the_last_record_is_cut_off(tmp_path_factory, garbage):
    output = tmp_path_factory.mktemp("garbage")
    journal = journaled(output, *TWO, b"\x00" * 64 + garbage)
    assert [entry.repository for entry in journal.entries()] == ["team/a", "team/b"]
    assert journal.path.read_bytes() == b"".join(TWO)
    journal.close()


def test_a_resumed_run_keeps_its_id_and_its_beginning(tmp_path):
    journaled(tmp_path, *TWO).close()
    again = resume(tmp_path, terms("20261124T020000Z-0002", started_at="2026-11-24T02:00:00.000Z"))
    assert again is not None
    assert (again.terms.run_id, again.terms.started_at) == ("20261123T020000Z-0001", "2026-11-23T02:00:00.000Z")
    assert [(e.repository, e.tags, e.outcome) for e in again.entries()] == [("team/a", 1, "ok"), ("team/b", 2, "ok")]
    again.close()


def test_the_newest_unfinished_run_of_the_target_is_resumed(tmp_path):
    for run_id, target in [("1", "localhost:5000/team"), ("3", "localhost:5000/other"), ("2", "localhost:5000/team")]:
        begin(tmp_path, terms(run_id, started_at=f"2026-11-2{run_id}T02:00:00.000Z", target=target)).close()
    again = resume(tmp_path, terms("9"))
    assert again is not None
    assert again.terms.run_id == "2"
    again.close()


def test_without_an_unfinished_run_there_is_nothing_to_resume(tmp_path):
    assert resume(tmp_path, terms()) is None


def test_a_run_that_a_process_works_on_is_refused_to_another(tmp_path):
    journal = begin(tmp_path, terms())
    with pytest.raises(SnapshotError, match="another process works on it"):
        resume(tmp_path, terms("2"))
    assert abandoned_runs(tmp_path, "localhost:5000/team") == []
    journal.close()
    assert [run.run_id for run in abandoned_runs(tmp_path, "localhost:5000/team")] == ["20261123T020000Z-0001"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"include": ("a*",)}, r'include was \[\] and is \["a\*"\]'),
        ({"exclude": ("b",)}, r'exclude was \[\] and is \["b"\]'),
        ({"discovery": "list", "repositories_from": "names.txt"}, 'repositories_from was null and is "names.txt"'),
    ],
)
def test_a_run_that_was_begun_with_other_filters_is_refused_with_the_reason(tmp_path, changed, said):
    begin(tmp_path, terms()).close()
    with pytest.raises(SnapshotError, match=said):
        resume(tmp_path, terms("2", **changed))
    again = resume(tmp_path, terms("3"))
    assert again is not None  # and the refusal let go of it
    again.close()


def test_a_folder_without_terms_is_no_run(tmp_path):
    (tmp_path / ".unfinished" / "stray").mkdir(parents=True)
    (tmp_path / ".unfinished" / "half").mkdir()
    (tmp_path / ".unfinished" / "half" / "begun.json").write_bytes(b'{"run_id": "ha')
    (tmp_path / ".unfinished" / "file").write_bytes(b"")
    assert unfinished_runs(tmp_path, "localhost:5000/team") == []


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "snapshots").write_text("a file")
    with pytest.raises(SnapshotError, match="snapshots"):
        begin(tmp_path / "snapshots", terms())


def test_an_output_folder_that_vanished_is_named(tmp_path):
    journal = journaled(tmp_path, *TWO)
    draft = Draft(journal)
    files = draft.write("none", 2)
    (tmp_path / ".unfinished").rename(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match=r"run\.json"):
        draft.publish(tmp_path, manifest(files))
    journal.close()


def test_run_json_reads_as_the_contract_has_it(tmp_path):
    journal = journaled(tmp_path, *TWO)
    draft = Draft(journal)
    place = draft.publish(tmp_path, manifest(draft.write("none", 2)))
    journal.close()
    assert list(orjson.loads((place / "_run.json").read_bytes())) == [
        *("schema", "run_id", "target", "registry", "tool", "started_at", "finished_at", "verdict", "reasons"),
        *("discovery", "counts", "requests", "files", "config", "slowest"),
    ]
