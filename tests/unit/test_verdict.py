"""The verdict: which findings are reasons for doubt, and the text of each reason."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model.run_manifest import Counts, Evidence
from crawler.verdict import Findings, reasons_for_doubt

fuzz = settings(max_examples=200, deadline=None)

PROOF = Evidence(complete=True, text="the last page had no next link")


def found(ok: int = 0, **changes) -> Findings:
    """The findings of a complete run, with changes."""
    outcomes = {name: changes.pop(name, 0) for name in ("missing", "denied", "failed", "invalid")}
    names = ok + sum(outcomes.values())
    others = {name: changes.pop(name) for name in ("suspect", "images", "unread") if name in changes}
    counts = Counts(repositories=names, ok=ok, **others, **outcomes)
    return Findings(**{"evidence": PROOF, "counts": counts, "names": names, **changes})


SPENT = "the budget of 500 exchanges is spent (--budget)"

small = st.integers(0, 40)
findings = st.builds(
    found,
    small,
    missing=small,
    denied=small,
    failed=small,
    invalid=small,
    suspect=small,
    images=st.none() | small,
    unread=small,
    unresolved=small,
    allowance_spent=st.none() | st.just(SPENT),
    nothing_matched=st.none() | st.just("no name lies under the prefix"),
    expect=small,
    max_shrink=st.none() | st.floats(0, 1),
    previous_ok=st.none() | small,
    evidence=st.builds(Evidence, st.booleans(), st.just("as the catalog says")),
)


def test_verdict_complete_where_nothing_is_wrong():
    assert reasons_for_doubt(found(1)) == ()


@pytest.mark.parametrize(
    ("findings", "reason"),
    [
        (found(5, evidence=Evidence(False, "page 2 failed")), "discovery may be incomplete: page 2 failed"),
        (found(0), "0 repositories found, and at least 1 expected (--expect)"),
        (found(0, invalid=9), "0 repositories found, and at least 1 expected (--expect)"),
        (found(99, expect=100), "99 repositories found, and at least 100 expected (--expect)"),
        (found(5, denied=1), "1 repository denied"),
        (found(5, failed=2), "2 repositories failed"),
        (found(5, suspect=1), "1 repository with a possibly truncated listing"),
        (found(5, images=40_112, unread=17), "17 of 40,112 images were not read"),
        (found(5, images=40_112, unread=1), "1 of 40,112 images was not read"),
        (found(5, images=1, unread=1), "1 of 1 image was not read"),
        (found(5, images=40_000, unread=1_200, unresolved=112), "1,200 of 40,112 images were not read"),
        (found(5, images=None, unread=3, unresolved=3), "3 of 3 images were not read"),
        (found(5, images=9, unread=2, allowance_spent=SPENT), f"2 of 9 images were not read: {SPENT}"),
        (found(10, missing=11), "11 of 21 repositories missing: more than half"),
        (found(5, names=7), "2 names have no record"),
        (found(5, names=6), "1 name has no record"),
        (found(5, names=4), "1 more record than names"),
        (found(0, nothing_matched="no name lies under the prefix"), "no name lies under the prefix"),
        (found(3, expect=4, nothing_matched="no name lies under the prefix"), "no name lies under the prefix"),
        (
            found(79, max_shrink=0.2, previous_ok=100),
            "79 repositories listed, and 100 in the last complete snapshot: more than 20% fewer (--max-shrink)",
        ),
    ],
)
def test_verdict_reason_in_words(findings, reason):
    assert reasons_for_doubt(findings) == (reason,)


@pytest.mark.parametrize(
    "findings",
    [
        found(0, expect=0),
        found(0, expect=0, nothing_matched="no name lies under the prefix"),
        found(100, expect=100),
        found(0, missing=10),  # up to ten may be any share
        found(11, missing=11),  # half is not more than half
        found(5, invalid=50),
        found(5, images=9, allowance_spent=SPENT),  # it was enough
        found(80, max_shrink=0.2, previous_ok=100),
        found(70, max_shrink=0.3, previous_ok=100),
        found(56, max_shrink=0.44, previous_ok=100),  # 100 * (1 - 0.44) is a little more than 56
        found(1, previous_ok=100),
        found(1, max_shrink=0.2),
        found(1, max_shrink=1.0, previous_ok=100),
    ],
)
def test_verdict_complete_at_the_edge(findings):
    assert reasons_for_doubt(findings) == ()


@fuzz
@given(findings)
def test_verdict_complete_only_with_proof_and_nothing_denied_failed_suspect_or_unread(findings):
    counts = findings.counts
    is_sound = findings.evidence.complete and not (counts.denied or counts.failed or counts.suspect or counts.unread)
    has_enough = counts.repositories - counts.invalid >= findings.expect
    mostly_missing = counts.missing > 10 and counts.missing > counts.repositories - counts.missing
    shrank = (
        findings.max_shrink is not None
        and findings.previous_ok is not None
        and counts.ok < findings.previous_ok - findings.previous_ok * findings.max_shrink - 1e-5
    )
    if not is_sound or not has_enough or mostly_missing or shrank:
        assert reasons_for_doubt(findings)
    elif findings.max_shrink is None:
        assert not reasons_for_doubt(findings)


@fuzz
@given(findings, st.sampled_from(["denied", "failed", "suspect", "unread"]))
def test_verdict_one_more_trouble_never_makes_a_snapshot_complete(findings, trouble):
    is_outcome = trouble in {"denied", "failed"}
    worse = replace(
        findings,
        counts=replace(
            findings.counts,
            repositories=findings.counts.repositories + is_outcome,
            **{trouble: getattr(findings.counts, trouble) + 1},
        ),
        names=findings.names + is_outcome,
    )
    assert reasons_for_doubt(worse)


@fuzz
@given(findings)
def test_verdict_reasons_are_single_lines_that_differ(findings):
    reasons = reasons_for_doubt(findings)
    assert len(set(reasons)) == len(reasons)
    assert all(reason and reason.isprintable() for reason in reasons)
