"""Which snapshot of a target is the newest, and which came before it."""

from crawler.snapshot.reader import last_complete, published_runs

TARGET = "registry.example.com"
NEWER, OLDER = "2026-11-20T02:00:00.900Z", "2026-11-20T02:00:00.100Z"


def test_published_runs_of_one_second_are_in_the_order_in_which_they_began(publish):
    """Their folders' names say no more than the second: what follows in them is random."""
    publish(started_at=NEWER)
    publish(started_at=OLDER)
    publish("2026-11-19")
    found = list(published_runs(publish.output, TARGET))
    assert [run.started_at for run in found] == [NEWER, OLDER, "2026-11-19T02:00:00.000Z"]


def test_last_complete_before_a_run_of_the_same_second_is_the_one_that_began_before_it(publish):
    publish(started_at=NEWER)
    publish(started_at=OLDER)
    before = last_complete(publish.output, TARGET, NEWER)
    assert before is not None
    assert before.started_at == OLDER
    after_both = last_complete(publish.output, TARGET, "2026-11-20T02:00:00.950Z")
    assert after_both is not None
    assert after_both.started_at == NEWER
