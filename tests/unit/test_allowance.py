"""What depth may still cost: the budget, and the limit on pulls with its reserve."""

import pytest

from crawler.inspect.allowance import Allowance, AllowanceSpent
from crawler.wire.pull_limit import PullsLeft


def test_allowance_without_a_budget_never_ends():
    allowance = Allowance(None)
    for _ in range(1000):
        allowance.take_exchange()
    assert allowance.reason is None


def test_allowance_ends_after_the_budget_and_says_so():
    allowance = Allowance(2)
    allowance.take_exchange()
    allowance.take_exchange()
    assert allowance.reason is None
    with pytest.raises(AllowanceSpent, match=r"the budget of 2 exchanges is spent \(--budget\)") as caught:
        allowance.take_exchange()
    assert caught.value.code == "BUDGET"
    assert allowance.reason == "the budget of 2 exchanges is spent (--budget)"


def test_allowance_of_nothing_is_spent_at_once():
    with pytest.raises(AllowanceSpent):
        Allowance(0).take_exchange()


@pytest.mark.parametrize(
    ("limit", "last_allowed"), [(100, 11), (200, 21), (1000, 101), (None, 11)], ids=["100", "200", "1000", "unknown"]
)
def test_pulls_leave_a_tenth_of_the_limit_and_at_least_ten(limit, last_allowed):
    allowance = Allowance(None)
    allowance.on_pulls_left(PullsLeft(last_allowed, limit))
    with allowance.pull():
        pass
    allowance.on_pulls_left(PullsLeft(last_allowed - 1, limit))
    with pytest.raises(AllowanceSpent, match="pulls left"), allowance.pull():
        pass


def test_pulls_in_flight_count_before_the_registry_counts_them():
    allowance = Allowance(None)
    allowance.on_pulls_left(PullsLeft(12, 100))
    with allowance.pull(), allowance.pull(), pytest.raises(AllowanceSpent) as caught, allowance.pull():
        pass
    assert caught.value.code == "PULL_LIMIT"
    assert allowance.reason == "the registry's limit has 10 of 100 pulls left, and 10 are kept for other users"


def test_pulls_left_are_the_least_that_a_response_named():
    allowance = Allowance(None)
    for left in (12, 10, 11):
        allowance.on_pulls_left(PullsLeft(left, 100))
    with pytest.raises(AllowanceSpent), allowance.pull():
        pass


def test_pulls_are_not_limited_where_the_registry_names_no_limit():
    allowance = Allowance(None)
    allowance.on_pulls_left(None)
    for _ in range(1000):
        with allowance.pull():
            pass
    assert allowance.reason is None
