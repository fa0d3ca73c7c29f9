"""Leases of a rate: never more starts in any window than the quota, whoever dies, and nearly all of it."""

from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_clock import BusyTime
from support.leased_shards import LeasedGroup, random_delays
from support.limiters import most_in_any, quota_of

from crawler.model.limits import Quota, Rate
from crawler.scale.ray.leased_rate import ClockOffset
from crawler.scale.ray.timetable import HORIZON_S, LEASE, Lease, Timetable

QUOTAS = st.builds(
    lambda count, seconds, more, longer: Quota(
        ("test",), "the test's", (Rate(count, seconds), Rate(count * more, seconds * longer))
    ),
    count=st.integers(1, 60),
    seconds=st.sampled_from([0.5, 1, 3]),
    more=st.integers(1, 3),
    longer=st.integers(4, 8),
)

WISHES = st.tuples(st.floats(0, 1.5), st.integers(1, 40), st.floats(0, 1), st.sampled_from(["used", "dead", "restart"]))
"""After how long a worker asks, for how many, how late it uses them, and whether it or the timetable dies first."""


def granted(timetable, now, wanted):
    """The next lease, and when it was given."""
    while not (lease := timetable.lease(now, wanted, now)).starts:
        now += lease.retry_after_s
    return lease, now


@given(quota=QUOTAS, wishes=st.lists(WISHES, min_size=20, max_size=40))
def test_timetable_never_has_more_starts_in_a_window_than_the_quota(quota, wishes):
    timetable, now, starts = Timetable(quota, 100.0), 100.0, []
    for pause, wanted, late, fate in wishes:
        lease, now = granted(timetable, now + pause * quota.windows[0].seconds, wanted)
        if fate != "dead":
            starts += [start + late * lease.lateness for start in lease.starts]
        if fate == "restart":
            timetable = Timetable.after_restart(quota, now, 100.0)
    for window in quota.windows:
        assert not starts or most_in_any(sorted(starts), window.seconds - 1e-6) <= window.count


def test_timetable_gives_out_every_time_once_and_at_even_distances():
    timetable, now, starts = Timetable(quota_of(80, 1), 0.0), 0.0, []
    while len(starts) < 400:
        lease, now = granted(timetable, now, 50)
        assert len(lease.starts) == LEASE
        assert lease.starts[-1] <= now + HORIZON_S
        starts += lease.starts
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) == pytest.approx(1.03 / 80)
    assert max(gaps) == pytest.approx(1.03 / 80)


def test_timetable_of_a_slow_rate_gives_one_shard_no_more_than_a_second_of_it():
    lease, _ = granted(Timetable(quota_of(600, 60), 0.0), 0.0, 20)
    assert len(lease.starts) == pytest.approx(10, abs=1)
    lease, _ = granted(Timetable(quota_of(10, 60), 0.0), 0.0, 20)
    assert len(lease.starts) == 1


def test_timetable_counts_after_a_restart_what_may_have_been_given_out():
    """A day's quota is not had twice, though the new timetable has seen nothing of it."""
    quota = Quota(("test",), "the test's", (Rate(10, 1), Rate(100, 60)))
    restarted = Timetable.after_restart(quota, 30.0, 0.0)
    assert restarted.lease(30.0, 20, 30.0).retry_after_s > 20
    young = Timetable.after_restart(quota, 1.0, 0.0)
    assert young.lease(3.0, 20, 3.0).starts


async def crawl(group, *shards, restart_at=(), kill=None):
    """Let shards run; cancel the first one at a time, and lose the timetable at others."""

    async def restart_later(at):
        await group.time.sleep(at)
        group.restart()

    async def first(scope):
        with scope:
            await group.crawl(**shards[0])

    async def kill_later(scope, at):
        await group.time.sleep(at)
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(first, scope)
        for shard in shards[1:]:
            tasks.start_soon(lambda shard=shard: group.crawl(**shard))
        for at in restart_at:
            tasks.start_soon(restart_later, at)
        if kill is not None:
            tasks.start_soon(kill_later, scope, kill)
        await group.time.pass_by()
    return sorted(group.starts)


def share(starts, quota, begin, end):
    used = sum(begin <= start < end for start in starts)
    return used / (end - begin) / quota.per_second


@pytest.mark.parametrize("per_second", [30, 200])
async def test_leased_rate_is_used_nearly_whole_by_shards_of_uneven_load(per_second):
    """A static part of a third each would leave the quota of the first two unused."""
    quota, time = quota_of(per_second, 1), BusyTime()
    group = LeasedGroup(quota, time, random_delays(7, 0.003))
    load = {"each_s": 0.05, "until": 6.0}
    starts = await crawl(group, {"workers": 1, **load}, {"workers": 1, **load}, {"workers": 64, **load})
    assert share(starts, quota, 1, 6) >= 0.95
    assert most_in_any(starts, 1 - 1e-9) <= per_second


async def test_leased_rate_of_a_dead_shard_goes_to_the_others():
    quota, time = quota_of(80, 1), BusyTime()
    group = LeasedGroup(quota, time, random_delays(7, 0.003))
    load = {"workers": 32, "each_s": 0.05, "until": 9.0}
    starts = await crawl(group, load, load, kill=4.0)
    assert share(starts, quota, 4 + HORIZON_S, 9) >= 0.95
    assert most_in_any(starts, 1 - 1e-9) <= 80


async def test_leased_rate_survives_the_loss_of_its_timetable():
    quota, time = quota_of(80, 1), BusyTime()
    group = LeasedGroup(quota, time, random_delays(7, 0.003))
    load = {"workers": 32, "each_s": 0.05, "until": 10.0}
    starts = await crawl(group, load, load, restart_at=[2.0, 2.5, 4.0])
    assert share(starts, quota, 4 + HORIZON_S, 10) >= 0.95
    assert most_in_any(starts, 1 - 1e-9) <= 80


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    longest_delay=st.sampled_from([0.0, 0.005, 0.05, 0.4]),
    clocks=st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)),
    workers=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    losses=st.fixed_dictionaries(
        {"restart_at": st.lists(st.floats(0, 4), max_size=2), "kill": st.none() | st.floats(0, 4)}
    ),
)
async def test_leased_rate_is_never_exceeded(seed, longest_delay, clocks, workers, losses):
    quota, time = quota_of(40, 1), BusyTime()
    group = LeasedGroup(quota, time, random_delays(seed, longest_delay))
    shards = [
        {"workers": count, "each_s": 0.02, "until": 4.0, "clock_ahead_s": ahead}
        for count, ahead in zip(workers, clocks, strict=True)
    ]
    starts = await crawl(group, *shards, **losses)
    assert not starts or most_in_any(starts, 1 - 1e-6) <= 40


async def test_leased_rate_leaves_to_others_what_it_does_not_need():
    """A shard of few exchanges asks for few starts, and all that it gets it uses."""
    quota, time = quota_of(200, 1), BusyTime()
    group = LeasedGroup(quota, time, random_delays(7, 0.002))
    leased = []
    timetable = group.timetable

    class Counting:
        def lease(self, *asked):
            lease = timetable.lease(*asked)
            leased.extend(lease.starts)
            return lease

    group.timetable = Counting()
    starts = await crawl(group, {"workers": 3, "each_s": 0.1, "until": 5.0})
    assert len(leased) <= 1.2 * len(starts)


def test_clock_offset_is_bounded_by_the_quickest_answer():
    offset = ClockOffset()
    offset.narrow(10.0, Lease(asked_at=1010.5, given_at=1010.6, lateness=0.03), 11.0)
    assert offset.earliest(2000.0) == pytest.approx(1000.4)
    assert offset.latest(2000.0) == pytest.approx(999.5)
    offset.narrow(20.0, Lease(asked_at=1020.001, given_at=1020.001, lateness=0.03), 20.002)
    assert offset.earliest(2000.0) - offset.latest(2000.0) == pytest.approx(0.002)
    offset.narrow(30.0, Lease(asked_at=1030.5, given_at=1030.5, lateness=0.03), 31.0)
    assert offset.earliest(2000.0) - offset.latest(2000.0) < 0.01
