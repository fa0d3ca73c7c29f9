"""The time limit of whole exchanges: who is cancelled, when, and by whom."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from crawler.transport.deadline import DeadlineTimer

pytestmark = pytest.mark.slow

LIMIT_S = 0.3


async def exchange(timer: DeadlineTimer, work: Callable[[], Awaitable[object]]) -> str:
    """One exchange, as the HTTP session runs it: "done", or "expired"."""
    task = asyncio.current_task()
    assert task is not None
    timer.start(task)
    try:
        await work()
    except asyncio.CancelledError:
        if timer.has_expired(task):
            return "expired"
        raise
    finally:
        timer.stop(task)
    return "done"


async def test_deadline_ends_an_exchange_that_takes_too_long():
    async with DeadlineTimer(LIMIT_S) as timer:
        assert await exchange(timer, anyio.sleep_forever) == "expired"


async def test_deadline_leaves_the_task_alone_after_its_exchange():
    async with DeadlineTimer(LIMIT_S) as timer:
        assert await exchange(timer, anyio.lowlevel.checkpoint) == "done"
        await anyio.sleep(2 * LIMIT_S)


async def test_deadline_is_of_each_exchange_of_a_task():
    async with DeadlineTimer(LIMIT_S) as timer:
        assert await exchange(timer, anyio.sleep_forever) == "expired"
        assert await exchange(timer, lambda: anyio.sleep(0.1 * LIMIT_S)) == "done"
        assert await exchange(timer, anyio.sleep_forever) == "expired"


async def test_deadline_is_not_what_ended_an_exchange_that_something_else_cancels():
    ended = []

    async def run() -> None:
        ended.append(await exchange(timer, anyio.sleep_forever))

    async with DeadlineTimer(LIMIT_S) as timer:
        task = asyncio.create_task(run())
        await anyio.lowlevel.checkpoint()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == []


async def test_deadline_does_not_hide_a_cancellation_that_comes_together_with_it():
    ended = []

    async def cancelled_twice() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            task.cancel()

    async def run() -> None:
        ended.append(await exchange(timer, cancelled_twice))

    async with DeadlineTimer(LIMIT_S) as timer:
        task = asyncio.create_task(run())
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == []


async def test_deadline_pause_uses_up_no_time():
    async def waits_for_memory() -> None:
        task = asyncio.current_task()
        assert task is not None
        with timer.paused(task):
            await anyio.sleep(2 * LIMIT_S)
        await anyio.sleep(0.1 * LIMIT_S)

    async with DeadlineTimer(LIMIT_S) as timer:
        assert await exchange(timer, waits_for_memory) == "done"


async def test_deadline_counts_the_time_before_and_after_a_pause():
    async def waits_twice() -> None:
        task = asyncio.current_task()
        assert task is not None
        with timer.paused(task):
            await anyio.sleep(0.1 * LIMIT_S)
        await anyio.sleep_forever()

    async with DeadlineTimer(LIMIT_S) as timer:
        assert await exchange(timer, waits_twice) == "expired"
