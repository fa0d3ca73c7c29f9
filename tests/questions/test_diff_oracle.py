"""diff agrees with rules in plain Python on any pair of small snapshots: refused, suspect, partial, with problems."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from support.diff_oracle import Night, expected_changes
from support.diff_snapshots import digest, image, problem, record, refused, run_fields
from support.stored_snapshots import SnapshotWriter

from crawler.questions.diff.changes import compare
from crawler.tables.selection import select_snapshot

TAGS = ("1.0", "latest", "sha256-ff.sig")
PROBLEMS = (
    problem("dangling-tag", "latest"),
    problem("vanished-tag", "1.0"),
    problem("index-child-missing", None, digest(9)),
    problem("manifest-unreadable", "latest", digest(1)),
)
VIAS = st.sampled_from(["api", "cosign-tag"])
signatures = st.none() | st.lists(st.integers(20, 22), max_size=2, unique=True)
images = st.none() | st.lists(
    st.builds(
        lambda number, tags, signed, via: image(number, *tags, signatures=signed, via=via),
        st.integers(0, 3),
        st.lists(st.sampled_from(TAGS), max_size=2, unique=True),
        signatures,
        VIAS,
    ),
    max_size=3,
    unique_by=lambda one: one["digest"],
)
listed = st.fixed_dictionaries(
    {
        "images": images,
        "tags": st.lists(st.sampled_from(TAGS), max_size=2, unique=True),
        "problems": st.lists(st.sampled_from(PROBLEMS), max_size=2, unique_by=lambda one: one["problem"]),
        "suspect": st.sampled_from([None, None, "cut at 1,000"]),
    }
)
OUTCOMES = ("missing", "denied", "failed", "invalid")
stored = st.builds(lambda fields: ("ok", fields), listed) | st.sampled_from([(outcome, {}) for outcome in OUTCOMES])
records = st.dictionaries(st.sampled_from(["a", "b/c", "d"]), stored, max_size=3).map(
    lambda by_name: [
        record(name, **fields) if outcome == "ok" else refused(name, outcome)
        for name, (outcome, fields) in sorted(by_name.items())
    ]
)
runs = st.fixed_dictionaries(
    {
        "is_complete": st.sampled_from([True, True, False]),
        "identity": st.sampled_from(["anonymous", "anonymous", "token: reader"]),
        "depth": st.sampled_from(["digests", "digests", "tags", "configs"]),
        "referrers": st.sampled_from(["listed", "listed", "none", "api"]),
        "config": st.sampled_from([{}, {}, {"repositories_from": "names.txt"}]),
    }
)


@given(kind=st.sampled_from(["distribution", "gcr"]), nights=st.tuples(*[st.tuples(runs, records)] * 2))
@settings(max_examples=60)
def test_diff_finds_what_the_rules_say(kind, nights):
    old, new = (Night(run_fields(kind=kind, **run), found) for run, found in nights)
    with tempfile.TemporaryDirectory() as folder:
        publish = SnapshotWriter(Path(folder))
        pair = [
            select_snapshot(Path(folder), str(publish(day, records=night.records, **night.run)))
            for day, night in (("2026-11-20", old), ("2026-11-21", new))
        ]
        with compare(*pair) as comparison:
            changes = list(comparison.changes())
            counts = dict(comparison.counts)
    found = {
        (one.kind.value, one.repository, one.tag, one.subject_digest, one.old_digest, one.new_digest) for one in changes
    }
    assert found == expected_changes(old, new)
    assert sum(counts.values()) == len(changes)
    assert [(one.repository or "", one.tag or "") for one in changes] == sorted(
        (one.repository or "", one.tag or "") for one in changes
    )
