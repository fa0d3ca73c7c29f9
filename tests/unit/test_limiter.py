"""Permits: how many at once, cool-downs, cancelled waits, and the account of who waited for what."""

import asyncio
from itertools import pairwise

import anyio
import pytest
from support.fake_clock import SharedTime, Time
from support.limiters import (
    limiter_with_learned_rate,
    make_limiter,
    permit,
    quota_of,
    starts_at_once,
    starts_in_turn,
)

from crawler.limiter import MAX_COOL_DOWN_S

# ------------------------------------------------------------------------------------------------------ concurrency


async def test_limiter_halves_the_limit_once_for_exchanges_that_ran_together():
    limiter = make_limiter(Time(), concurrency=16)
    async with permit(limiter) as one, permit(limiter) as another, permit(limiter) as third:
        limiter.on_throttled(one, None)
        limiter.on_throttled(another, None)
        limiter.on_timeout(third)
    assert limiter.limit == 8


async def test_limiter_never_falls_below_one_permit_and_adds_them_one_by_one():
    time = Time()
    limiter = make_limiter(time, concurrency=4)
    for _ in range(5):
        time.now += 1
        async with permit(limiter) as started_at:
            limiter.on_throttled(started_at, None)
    assert limiter.limit == 1
    raised = []
    for _ in range(20):
        async with permit(limiter):
            limiter.on_success()
        raised.append(limiter.limit)
    assert raised[0] == 2
    assert all(later - earlier in {0, 1} for earlier, later in pairwise(raised))
    assert raised[-1] == 4


async def test_limiter_has_permits_at_hand_below_its_limit():
    time = Time()
    limiter = make_limiter(time, concurrency=2)
    assert [limiter.try_acquire() for _ in range(3)] == [time.now, time.now, None]
    assert limiter.in_flight == 2
    limiter.release()
    assert limiter.try_acquire() == time.now


async def test_limiter_has_no_permit_at_hand_while_it_is_paused():
    time = Time()
    limiter = make_limiter(time)
    limiter.pause(2)
    assert (limiter.try_acquire(), limiter.in_flight) == (None, 0)
    time.now += 2
    assert limiter.try_acquire() == time.now


async def test_limiter_has_no_permit_at_hand_where_a_rate_spaces_the_starts():
    with_quota = make_limiter(Time(), quota=quota_of(5, 1))
    with_learned_rate = await limiter_with_learned_rate(SharedTime())
    for limiter in (with_quota, with_learned_rate):
        assert (limiter.try_acquire(), limiter.in_flight) == (None, 0)


async def test_limiter_gives_out_no_more_permits_than_allowed():
    limiter = make_limiter(Time(), concurrency=3)
    in_use, most = 0, 0

    async def exchange() -> None:
        nonlocal in_use, most
        async with permit(limiter):
            in_use += 1
            most = max(most, in_use)
            await anyio.lowlevel.checkpoint()
            in_use -= 1

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(exchange)
    assert most == 3


async def test_limiter_halves_the_limit_after_a_timeout():
    limiter = make_limiter(Time(), concurrency=64)
    limiter.on_timeout(await limiter.acquire())
    assert limiter.limit == limiter.lowest_limit == 32


async def test_limiter_remembers_the_lowest_limit_when_it_has_recovered():
    limiter = make_limiter(Time(), concurrency=4)
    limiter.on_timeout(await limiter.acquire())
    for _ in range(20):
        limiter.on_success()
    assert (limiter.limit, limiter.lowest_limit) == (4, 2)


# ------------------------------------------------------------------------------------------------------- cool-downs


async def test_limiter_cools_down_for_all_exchanges_after_retry_after_and_resumes_without_a_burst():
    time = SharedTime()
    limiter = make_limiter(time)
    async with permit(limiter) as started_at:
        limiter.on_throttled(started_at, 30.0)
    throttled_at = time.now
    starts = await starts_at_once(limiter, time, 4, each_s=5)
    assert min(starts) >= throttled_at + 30
    assert len(set(starts)) == len(starts) == 4


async def test_limiter_caps_a_cool_down():
    time = Time()
    limiter = make_limiter(time)
    async with permit(limiter) as started_at:
        limiter.on_throttled(started_at, 1e9)
    throttled_at = time.now
    async with permit(limiter):
        assert time.now <= throttled_at + MAX_COOL_DOWN_S + 1


async def test_limiter_does_not_shorten_a_cool_down_for_a_shorter_one():
    time = Time()
    limiter = make_limiter(time)
    async with permit(limiter) as started_at:
        limiter.on_throttled(started_at, 60.0)
        limiter.on_throttled(started_at, 1.0)
    throttled_at = time.now
    async with permit(limiter):
        assert time.now >= throttled_at + 60


@pytest.mark.parametrize("waits_for", ["quota", "learned rate"])
async def test_limiter_cools_down_for_exchanges_that_already_wait(waits_for):
    time = SharedTime()
    if waits_for == "quota":
        limiter = make_limiter(time, quota=quota_of(1, 1))
    else:
        limiter = await limiter_with_learned_rate(time)
    started_at = await limiter.acquire()
    starts: list[float] = []

    async def exchange() -> None:
        async with permit(limiter):
            starts.append(time.now)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(exchange)
        await anyio.wait_all_tasks_blocked()
        limiter.on_throttled(started_at, 60.0)
        await time.pass_by()
    assert len(starts) == 3
    assert min(starts) >= started_at + 60


@pytest.mark.parametrize(
    ("quota", "least_gap_s"), [(quota_of(10, 1), 0.5), (quota_of(1, 5), 5)], ids=["learned-rate", "quota"]
)
async def test_limiter_keeps_the_slower_of_quota_and_learned_rate(quota, least_gap_s):
    """The learned rate is one start a second."""
    time = SharedTime()
    limiter = await limiter_with_learned_rate(time, quota=quota)
    starts = await starts_at_once(limiter, time, 3)
    assert min(later - earlier for earlier, later in pairwise(starts)) >= least_gap_s


# -------------------------------------------------------------------------------------------------- cancelled waits


async def test_limiter_takes_a_cancelled_wait_out_of_the_line():
    limiter = make_limiter(Time(), concurrency=1)
    async with permit(limiter):
        with anyio.move_on_after(0.01) as scope:
            async with permit(limiter):
                raise AssertionError("there is one permit")
    assert scope.cancelled_caught
    async with permit(limiter):
        pass


async def test_limiter_takes_back_the_permit_of_a_cancelled_wait_for_the_rate():
    time = SharedTime()
    limiter = make_limiter(time, concurrency=1, quota=quota_of(1, 1000))
    await limiter.acquire()
    limiter.release()
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire)
        await anyio.wait_all_tasks_blocked()
        assert limiter.in_flight == 1
        group.cancel_scope.cancel()
    assert limiter.in_flight == 0


async def test_limiter_takes_back_a_permit_that_is_granted_just_when_the_wait_is_cancelled():
    limiter = make_limiter(Time(), concurrency=1)
    await limiter.acquire()
    waiter = asyncio.ensure_future(limiter.acquire())
    await anyio.wait_all_tasks_blocked()
    limiter.release()
    assert limiter.in_flight == 1, "the waiter has the permit, and has not run yet"
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert limiter.in_flight == 0


async def test_limiter_grants_no_permit_to_a_wait_that_was_cancelled_before():
    limiter = make_limiter(Time(), concurrency=1)
    await limiter.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    limiter.release()
    assert limiter.in_flight == 0


# ------------------------------------------------------------------------------------------- the account of waiting


async def test_limiter_adds_up_the_waits_for_the_quota_and_names_the_quota():
    time = Time()
    limiter = make_limiter(time, quota=quota_of(10, 1))
    await starts_in_turn(limiter, time, 11)
    assert limiter.wait_s == pytest.approx(10 * 0.1 / 0.98)
    assert limiter.held_by == "the quota: the test's"


async def test_limiter_names_timeouts_where_they_set_the_pace():
    time = SharedTime()
    limiter = make_limiter(time, concurrency=2)
    limiter.on_timeout(await limiter.acquire())
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire)
        await anyio.wait_all_tasks_blocked()
        time.now += 5
        limiter.release()
    assert limiter.held_by == "time-outs"
    assert limiter.wait_s == 5


async def test_limiter_adds_up_the_waits_for_permits_cool_downs_and_rates():
    time = SharedTime()
    limiter = await limiter_with_learned_rate(time)
    before, asked_at = limiter.wait_s, time.now
    limiter.on_throttled(asked_at, 60.0)
    starts = await starts_at_once(limiter, time, 12)
    assert limiter.wait_s - before == pytest.approx(sum(starts) - 12 * asked_at)
