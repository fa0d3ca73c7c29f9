"""A quota's rate and a learned rate: never more than allowed in any window, evenly spaced, and nearly all of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import Time
from support.limiters import make_limiter, most_in_any, quota_of, starts_in_turn

from crawler.model.limits import Quota, Rate
from crawler.rate_limiter import LearnedRate, RateLimiter


def gaps(starts: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(starts)]


# ---------------------------------------------------------------------------------------------------------- a quota


@pytest.mark.parametrize("lateness", [0.0, 0.004, 0.2])
async def test_rate_never_has_more_starts_in_a_window_than_the_quota(lateness):
    time = Time(lateness)
    starts = await starts_in_turn(make_limiter(time, quota=quota_of(80, 1)), time, 1000)
    assert most_in_any(starts, 1.0) <= 80


async def test_rate_uses_the_quota_nearly_whole_and_evenly():
    time = Time()
    starts = await starts_in_turn(make_limiter(time, quota=quota_of(50, 1)), time, 1001)
    assert 1000 / (starts[-1] - starts[0]) >= 0.97 * 50
    assert max(gaps(starts)) == pytest.approx(min(gaps(starts)), rel=1e-3)


async def test_rate_makes_up_for_small_lateness():
    time = Time(lateness=0.004)
    starts = await starts_in_turn(make_limiter(time, quota=quota_of(50, 1)), time, 1001)
    assert 1000 / (starts[-1] - starts[0]) >= 0.97 * 50


async def test_rate_makes_up_for_a_stall_without_a_burst():
    time = Time()
    limiter = make_limiter(time, quota=quota_of(100, 1))
    await starts_in_turn(limiter, time, 50)
    time.now += 5
    starts = await starts_in_turn(limiter, time, 50)
    assert most_in_any(starts, 0.1) <= 13


async def test_rate_keeps_every_window_of_the_quota():
    time = Time()
    both = Quota(("test",), "the test's", (Rate(10, 1), Rate(30, 60)))
    starts = await starts_in_turn(make_limiter(time, quota=both), time, 90)
    assert most_in_any(starts, 1) <= 10
    assert most_in_any(starts, 60) <= 30


@given(
    count=st.integers(1, 50), seconds=st.floats(0.1, 1000), jumps=st.lists(st.floats(0, 3), min_size=60, max_size=120)
)
def test_rate_never_exceeds_the_quota_whenever_it_is_asked(count, seconds, jumps):
    limiter = RateLimiter(quota_of(count, seconds))
    now, starts = 0.0, []
    for jump in jumps:
        now += jump * seconds / count
        while (delay := limiter.try_acquire(now)) > 0:
            now += delay
        starts.append(now)
    assert most_in_any(starts, seconds) <= count


@given(jumps=st.lists(st.floats(0, 0.05), min_size=40, max_size=80))
def test_rate_keeps_most_of_the_spacing_between_starts_that_come_late(jumps):
    limiter = RateLimiter(quota_of(50, 1))
    spacing = 1 / 50 / 0.98
    now, starts = 0.0, []
    for jump in jumps:
        limiter.reserve(now)
        now += jump
        while (delay := limiter.try_acquire(now)) > 0:
            now += delay
        starts.append(now)
    assert min(gaps(starts)) >= 0.79 * spacing


# --------------------------------------------------------------------------------------------------- a learned rate


def test_learned_rate_spaces_the_starts_evenly():
    rate = LearnedRate(10, 0.0)
    rate.start(0.0)
    starts = [0.0]
    for _ in range(10):
        starts.append(starts[-1] + rate.delay(starts[-1]))
        rate.start(starts[-1])
    assert gaps(starts) == pytest.approx([0.1] * 10, rel=0.01)


def test_learned_rate_makes_up_for_little_lateness_and_never_in_a_burst():
    rate = LearnedRate(10, 0.0)
    rate.start(0.0)
    rate.start(0.15)  # 0.05 s late
    assert rate.delay(0.15) == pytest.approx(0.08, rel=0.01)
    rate.start(1.0)  # very late
    assert rate.delay(1.0) == pytest.approx(0.1, rel=0.02)


def test_learned_rate_grows_slowly_at_first_and_then_faster():
    rate = LearnedRate(50, 0.0)
    assert rate.per_second(3) < 55
    assert rate.per_second(30) > 1000
    assert rate.per_second(1e9) < float("inf")
    assert not rate.has_expired(60)
    assert rate.has_expired(65)


def test_learned_rate_starts_growing_again_after_throttling():
    rate = LearnedRate(50, 0.0)
    rate.hold(3)
    assert rate.per_second(6) < 60
    rate.lower(1e6, 6)
    assert rate.per_second(6) < 60, "it never grows by being lowered"


def test_learned_rate_is_futile_where_the_registry_serves_less_the_less_it_is_asked():
    rate = LearnedRate(64, 0.0)
    for now, per_s in enumerate((40, 25, 16), start=1):
        assert not rate.is_futile
        rate.lower(per_s, now)
    assert rate.is_futile


def test_learned_rate_is_not_futile_where_the_registry_serves_what_it_is_asked():
    rate = LearnedRate(64, 0.0)
    for now in range(1, 10):
        rate.lower(0.95 * rate.per_second(now), now)
    assert not rate.is_futile
