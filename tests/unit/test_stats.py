"""What a run counts, and that the counts of several parts of a snapshot add up."""

from dataclasses import replace

import pytest
from support.run_folders import record

from crawler.model.image import Image
from crawler.model.record import INVALID_CONTENT, ErrorDetail, JournalEntry, Outcome, Problem, ProblemKind
from crawler.stats import FAILURES_KEPT, SLOWEST_KEPT, RunStats

REFUSED = ErrorDetail(code="DENIED", http_status=403, message="no")


def denied(name: str):
    return record(name, outcome=Outcome.DENIED, tags=(), error=REFUSED)


def entry(name: str, **changes):
    usual = JournalEntry(
        repository=name,
        outcome=Outcome.OK,
        tags=2,
        images=None,
        children=("child",),
        problems={"dangling-tag": 1},
        unread=0,
        unresolved=0,
        suspect=False,
    )
    return replace(usual, **changes)


def problem(kind: ProblemKind, *, digest: str | None = None, code: str | None = None) -> Problem:
    return Problem(problem=kind, tag="1", digest=digest, code=code, http_status=None, message="no")


DANGLING = problem(ProblemKind.DANGLING_TAG, code="MANIFEST_UNKNOWN")
UNRESOLVED = problem(ProblemKind.MANIFEST_UNREADABLE, code="DENIED")
UNREAD = problem(ProblemKind.MANIFEST_UNREADABLE, digest="sha256:aa", code="HTTP_503")
OTHER_DIGEST = problem(ProblemKind.DIGEST_MISMATCH, digest="sha256:bb")
SENSELESS = problem(ProblemKind.MANIFEST_UNREADABLE, digest="sha256:cc", code=INVALID_CONTENT)


def test_stats_count_each_outcome_and_what_is_in_the_records():
    stats = RunStats()
    stats.add([record("a", tags=("1", "2")), record("b", suspect="cut"), denied("c")])
    counts = stats.counts
    assert (counts.repositories, counts.ok, counts.denied, counts.suspect) == (3, 2, 1, 1)
    assert (counts.tags, counts.images, counts.problems) == (3, None, 0)
    assert [failed.repository for failed in stats.sample_failures] == ["b", "c"]


def test_stats_keep_a_record_with_an_unread_image_as_an_example():
    stats = RunStats()
    stats.add([record("a", problems=(DANGLING, SENSELESS)), record("b", problems=(UNRESOLVED,))])
    assert [failed.repository for failed in stats.sample_failures] == ["b"]


def test_stats_count_problems_of_each_kind():
    stats = RunStats()
    stats.add([record("a", problems=(DANGLING, UNREAD)), record("b", problems=(DANGLING,)), record("c")])
    assert stats.problems == {"dangling-tag": 2, "manifest-unreadable": 1}
    assert stats.counts.problems == 3


@pytest.mark.parametrize(
    ("problems", "unread", "unresolved"),
    [
        ((DANGLING,), 0, 0),
        ((UNREAD,), 1, 0),
        ((UNRESOLVED,), 1, 1),
        ((OTHER_DIGEST,), 1, 0),
        ((SENSELESS,), 0, 0),  # it was read, and makes no sense
        ((DANGLING, UNREAD, UNRESOLVED, OTHER_DIGEST, SENSELESS), 3, 1),
    ],
    ids=["dangling", "unread", "unresolved", "mismatch", "senseless", "all"],
)
def test_stats_count_images_that_were_not_read(problems, unread, unresolved):
    stats = RunStats()
    stats.add([record("a", problems=problems), record("b")])
    assert (stats.unread, stats.counts.unread, stats.unresolved) == (unread, unread, unresolved)


def test_stats_restored_from_a_journal_count_problems_and_images_that_were_not_read():
    stats = RunStats()
    stats.restore([entry("a", problems={"schema1": 2, "dangling-tag": 1}, unread=3, unresolved=2), entry("b")])
    stats.add([record("c", problems=(UNRESOLVED,))])
    assert stats.problems == {"schema1": 2, "dangling-tag": 2, "manifest-unreadable": 1}
    assert (stats.counts.problems, stats.unread, stats.unresolved) == (5, 4, 3)


def test_stats_of_names_follow_discovery():
    stats = RunStats()
    stats.add_names(5, filtered_out=2)
    stats.remove_name()
    assert (stats.discovered, stats.filtered_out, stats.discovery_done) == (4, 2, False)
    stats.end_discovery()
    assert (stats.discovered, stats.no_longer_listed, stats.discovery_done) == (4, 0, True)


def test_stats_restored_from_a_journal_count_names_that_are_no_longer_listed():
    stats = RunStats()
    stats.restore([entry("a"), entry("b", images=3)])
    assert (stats.recorded, stats.tags, stats.images, stats.problems) == (2, 4, 3, {"dangling-tag": 2})
    stats.add_names(1)
    assert stats.take_resumed("a") == ("child",)
    assert stats.take_resumed("a") is None
    stats.end_discovery()
    assert (stats.discovered, stats.no_longer_listed) == (2, 1)


def test_stats_keep_the_slowest_and_raise_their_threshold():
    stats = RunStats()
    for seconds in range(2 * SLOWEST_KEPT):
        stats.add_duration(f"r{seconds}", float(seconds))
    assert [slow.seconds for slow in stats.slowest] == [float(s) for s in range(19, 9, -1)]
    assert stats.slowest_threshold_s == SLOWEST_KEPT


@pytest.mark.parametrize("split", [0, 1, 4, 7, 8])
def test_stats_of_parts_add_up_to_those_of_the_whole(split):
    records = [
        *(record(f"r{number}", images=None) for number in range(2)),
        record("r2", images=(Image("sha256:aa"), Image("sha256:bb")), problems=(DANGLING, UNREAD)),
        record("r3", images=(), problems=(DANGLING, UNRESOLVED)),
        *(denied(f"d{number}") for number in range(4)),
    ]
    whole, first, second = RunStats(), RunStats(), RunStats()
    for stats, part in ((whole, records), (first, records[:split]), (second, records[split:])):
        stats.add(part)
        stats.add_names(len(part) + 1, filtered_out=len(part))
        stats.remove_name()
        for position, one in enumerate(records):
            if one in part:
                stats.add_duration(one.repository, position + 0.5)
        stats.end_discovery()
    first.merge(second)
    assert first.counts == whole.counts
    assert (whole.counts.images, whole.counts.problems, whole.counts.unread) == (2, 4, 2)
    assert (first.problems, first.unresolved) == (whole.problems, whole.unresolved)
    assert whole.unresolved == 1
    assert first.slowest == whole.slowest
    assert (first.discovered, first.filtered_out, first.discovery_done) == (8, 8, True)
    assert first.sample_failures == whole.sample_failures
    assert len(first.sample_failures) == FAILURES_KEPT


def test_stats_of_parts_are_not_done_before_each_is():
    done, begun = RunStats(), RunStats()
    done.end_discovery()
    done.merge(begun)
    assert not done.discovery_done
