"""The time limits of exchanges: which one ends, when, and by which limit."""

from math import ceil

import anyio
import pytest

from crawler.transport.deadline import DeadlineTimer

pytestmark = pytest.mark.slow

LIMIT_S = 0.3
LONG_S = 60.0


class Exchange:
    """`ended` is the limits that ended it."""

    def __init__(self, timer: DeadlineTimer) -> None:
        self.started = self.touched = timer.now
        self.ended: list[str] = []
        self.is_over = anyio.Event()

    def on_total_timeout(self) -> None:
        self.ended.append("total")
        self.is_over.set()

    def on_read_timeout(self) -> None:
        self.ended.append("read")
        self.is_over.set()


def timer_of(total_s: float = LONG_S, read_s: float = LONG_S) -> DeadlineTimer:
    return DeadlineTimer(total_s=total_s, read_s=read_s, precise_for_s=LONG_S)


async def lasts(timer: DeadlineTimer, duration_s: float, exchange: Exchange) -> None:
    """The exchange is watched for this long, and its server sends something all the time."""
    timer.watch(exchange)
    with anyio.move_on_after(duration_s):
        while True:
            exchange.touched = timer.now
            await anyio.sleep(0.01)
    timer.unwatch(exchange)


async def test_deadline_ends_an_exchange_that_takes_too_long_though_something_comes():
    async with timer_of(total_s=LIMIT_S) as timer:
        exchange = Exchange(timer)
        await lasts(timer, 2 * LIMIT_S, exchange)
    assert set(exchange.ended) == {"total"}


async def test_deadline_ends_an_exchange_whose_server_is_silent():
    async with timer_of(read_s=LIMIT_S) as timer:
        exchange = Exchange(timer)
        timer.watch(exchange)
        await exchange.is_over.wait()
    assert exchange.ended == ["read"]


async def test_deadline_leaves_an_exchange_alone_that_ends_in_time():
    async with timer_of(total_s=LIMIT_S, read_s=LIMIT_S) as timer:
        exchange = Exchange(timer)
        await lasts(timer, 0.5 * LIMIT_S, exchange)
        await anyio.sleep(2 * LIMIT_S)
    assert exchange.ended == []


async def test_deadline_is_of_each_exchange():
    async with timer_of(total_s=LIMIT_S) as timer:
        first, second = Exchange(timer), Exchange(timer)
        async with anyio.create_task_group() as group:
            group.start_soon(lasts, timer, 2 * LIMIT_S, first)
            group.start_soon(lasts, timer, 0.1 * LIMIT_S, second)
    assert (set(first.ended), second.ended) == ({"total"}, [])


async def test_deadline_pause_uses_up_no_time():
    async with timer_of(total_s=LIMIT_S, read_s=LIMIT_S) as timer:
        exchange = Exchange(timer)
        timer.watch(exchange)
        with timer.paused(exchange):
            await anyio.sleep(2 * LIMIT_S)
        await lasts(timer, 0.1 * LIMIT_S, exchange)
    assert exchange.ended == []


async def test_deadline_counts_the_time_before_and_after_a_pause():
    async with timer_of(total_s=LIMIT_S) as timer:
        exchange = Exchange(timer)
        await lasts(timer, 0.6 * LIMIT_S, exchange)
        with timer.paused(exchange):
            await anyio.sleep(0.1 * LIMIT_S)
        await lasts(timer, 0.8 * LIMIT_S, exchange)
    assert set(exchange.ended) == {"total"}


@pytest.mark.parametrize(("limit_s", "tick_s"), [(15, 0.47), (LIMIT_S, 0.01), (0.001, 0.01)])
def test_deadline_is_precise_to_a_32nd_of_the_shortest_limit_in_hundredths_of_a_second(limit_s, tick_s):
    timer = DeadlineTimer(total_s=LONG_S, read_s=limit_s, precise_for_s=15)
    assert timer.ticks(1000) == ceil(1000 / tick_s)


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_deadline_of_milliseconds_ends_no_exchange_too_early(use_uvloop):
    async def main() -> None:
        async with timer_of(read_s=0.01) as timer:
            exchange = Exchange(timer)
            began = anyio.current_time()
            timer.watch(exchange)
            await exchange.is_over.wait()
            assert anyio.current_time() - began >= 0.01

    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
