"""The circuit breaker of a run: when a party is probed, how long requests wait, and when the run gives up."""

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.fake_clock import Time

import crawler
from crawler.transport.messages import Purpose, RequestStats
from crawler.transport.outage import FAILURES_TO_PROBE, FIRST_CONTACT_S, SILENCE_S, Canary, OutageDetector
from crawler.transport.retry import RetryBudget, RetryPolicy, TransientFailure, attempts

LISTINGS = (Purpose.LISTING, "https://registry.example.com")
CATALOG = (Purpose.CATALOG, "https://registry.example.com")
TOKENS = (Purpose.TOKEN, "https://auth.example.com")
GIVE_UP_S = 300.0


def detector(time: Time, **options: Any) -> OutageDetector:
    return OutageDetector(GIVE_UP_S, clock=time, sleep=time.sleep, **options)


def canary(answers: Callable[[], bool], *, is_own: bool = True, has_answered: bool = True) -> Canary:
    async def ask() -> bool:
        return answers()

    return Canary(answers=ask, is_own=is_own, has_answered=has_answered)


def fail(outage: OutageDetector, times: int = FAILURES_TO_PROBE, party: Any = LISTINGS) -> bool:
    """The last answer to whether it is time to probe the party."""
    return [outage.on_failed(party, has_answered=True) for _ in range(times)][-1]


def test_outage_is_suspected_after_a_few_failures_in_a_row_and_a_moment_without_an_answer():
    time = Time()
    outage = detector(time)
    assert not fail(outage, FAILURES_TO_PROBE + 3), "a burst of failures within a moment is no outage yet"
    time.now += SILENCE_S
    assert fail(outage, 1)


def test_outage_is_not_suspected_where_answers_come_between():
    time = Time()
    outage = detector(time)
    for _ in range(20):
        fail(outage, FAILURES_TO_PROBE - 1)
        time.now += SILENCE_S
        outage.on_answered(LISTINGS)
    assert not fail(outage, FAILURES_TO_PROBE - 1)


def test_outage_of_one_party_is_not_ended_by_answers_of_another():
    """With a token for each listing there is a success between any two failures."""
    time = Time()
    outage = detector(time)
    for _ in range(FAILURES_TO_PROBE):
        last = outage.on_failed(LISTINGS, has_answered=True)
        outage.on_answered(TOKENS)
        time.now += SILENCE_S
    assert last


def test_outage_is_suspected_after_two_failures_where_pages_come_one_by_one():
    time = Time()
    outage = detector(time)
    assert not outage.on_failed(CATALOG, has_answered=True)
    assert outage.on_failed(CATALOG, has_answered=True)


def test_outage_at_first_contact_is_not_suspected_after_two_failures():
    outage = detector(Time())
    assert not any(outage.on_failed(CATALOG, has_answered=False) for _ in range(FAILURES_TO_PROBE))


async def test_outage_holds_every_request_until_the_party_answers_again():
    time = Time()
    outage = detector(time)
    fail(outage)
    back_at = time.now + 30
    seen = []

    async def another() -> None:
        assert outage.is_on
        await outage.wait()
        seen.append(time.now)

    async def answers() -> bool:
        if not group_started.is_set():
            group.start_soon(another)
            group_started.set()
        return time.now >= back_at

    group_started = anyio.Event()
    async with anyio.create_task_group() as group:
        was_outage = await outage.probe(LISTINGS, "503", Canary(answers=answers, is_own=True, has_answered=True))
    assert (was_outage, outage.is_on) == (True, False)
    assert seen == [time.now]
    assert time.now <= back_at + 0.3 * 30, "a pause is a part of what the outage has lasted already"
    assert len(time.slept) < 30, "the pauses grow"
    assert not fail(outage, FAILURES_TO_PROBE - 1), "the failures in a row are over"


async def test_outage_that_is_none_costs_one_probe_and_no_pause():
    time = Time()
    outage = detector(time)
    fail(outage)
    assert not await outage.probe(LISTINGS, "500", canary(lambda: True))
    assert time.slept == []


async def test_outage_is_probed_by_one_task_and_the_others_wait_for_its_result():
    time = Time()
    outage = detector(time)
    asked = []

    def answers() -> bool:
        asked.append(time.now)
        return len(asked) > 3

    found = []

    async def probe() -> None:
        found.append(await outage.probe(LISTINGS, "reset", canary(answers)))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(probe)
    assert found == [True] * 5
    assert len(asked) == 4


async def test_outage_that_lasts_ends_the_run_and_names_the_party():
    time = Time()
    outage = detector(time)
    fail(outage)
    began = time.now
    with pytest.raises(crawler.GaveUp, match=r"https://registry.example.com \(listing\) has not answered for 300 s"):
        await outage.probe(LISTINGS, "503 UNAVAILABLE: no healthy upstream", canary(lambda: False))
    assert time.now - began == pytest.approx(GIVE_UP_S)
    assert not outage.is_on


async def test_outage_at_first_contact_is_waited_for_shortly_and_does_not_end_the_run():
    time = Time()
    outage = detector(time)
    fail(outage)
    began = time.now
    assert await outage.probe(LISTINGS, "no such name", canary(lambda: False, has_answered=False))
    assert time.now - began == pytest.approx(FIRST_CONTACT_S)


async def test_outage_of_listings_that_never_worked_ends_the_run_though_the_catalog_answers():
    time = Time()
    outage = detector(time)
    catalog = canary(lambda: True, is_own=False, has_answered=False)
    fail(outage)
    assert not await outage.probe(LISTINGS, "500", catalog)
    time.now += SILENCE_S
    assert not fail(outage, FAILURES_TO_PROBE - 1), "the next probe waits for twice as many failures"
    assert fail(outage, 1)
    time.now += GIVE_UP_S
    with pytest.raises(crawler.GaveUp):
        await outage.probe(LISTINGS, "500", catalog)


async def test_outage_is_probed_by_another_task_after_the_probing_task_is_cancelled():
    time = Time()
    outage = detector(time)
    probing = anyio.Event()

    async def hangs() -> bool:
        probing.set()
        await anyio.sleep_forever()
        return False

    async with anyio.create_task_group() as group:

        async def probe() -> None:
            await outage.probe(LISTINGS, "reset", Canary(answers=hangs, is_own=True, has_answered=True))

        group.start_soon(probe)
        await probing.wait()
        group.cancel_scope.cancel()
    assert not outage.is_on
    assert await outage.probe(LISTINGS, "reset", canary(iter([False, True]).__next__))


@pytest.mark.parametrize(("in_outage", "attempted"), [(True, 11), (False, 2)])
async def test_retry_does_not_count_attempts_during_an_outage(in_outage, attempted):
    policy = RetryPolicy(attempts=2, give_up_s=GIVE_UP_S)
    time = Time()
    count = 0
    try:
        async for attempt in attempts(policy, RetryBudget(RequestStats()), clock=time, sleep=time.sleep):
            with attempt:
                count += 1
                if count < 11:
                    error = crawler.Unreachable("GET", code="UNREACHABLE", message="reset")
                    failure = TransientFailure(error, in_outage=in_outage)
                    raise failure
    except TransientFailure:
        assert not in_outage
    assert count == attempted
