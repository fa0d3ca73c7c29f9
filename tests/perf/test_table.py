"""What the benchmark's table says of figures that are none, and of targets that were not measured."""

import pytest

from perf.table import AtMost, Unmeasured, ratio, written


@pytest.mark.parametrize(("ones", "others"), [([1.0, 1.0], [2.0, -0.1]), ([1.0, -1.0], [2.0, 2.0]), ([1.0], [0.0])])
def test_ratio_of_less_than_nothing_meets_no_target(ones, others):
    row = ratio("a", "CPU", ones, others, AtMost(0.5))
    assert isinstance(row, Unmeasured)
    assert "the machine was too busy" in written([row])


def test_ratio_is_judged_by_the_median_of_the_rounds():
    table = written([ratio("a", "CPU", [1.0, 1.0, 9.0], [2.0, 2.0, 2.0], AtMost(0.5))])
    assert "0.50 ×" in table
    assert table.endswith("all measured targets met")


def test_table_ends_with_what_was_missed_and_what_was_not_measured():
    rows = [
        ratio("a", "CPU", [2.0], [1.0], AtMost(1.0)),
        ratio("a", "wall", [1.0], [1.0], AtMost(1.0)),
        Unmeasured(letter="l", what="beside Go", why="not here"),
    ]
    assert written(rows).endswith("not met: a (1 of 2)\nnot measured: l (1)")
