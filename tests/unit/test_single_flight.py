"""One flight for all who need the same thing."""

import anyio
import pytest

from crawler.auth.single_flight import SingleFlight


class Source:
    """Something slow to fetch, that counts how often it was fetched."""

    def __init__(self, failures: int = 0) -> None:
        self.fetched = 0
        self.landing = anyio.Event()
        self._failures = failures

    async def fetch(self) -> str:
        self.fetched += 1
        await self.landing.wait()
        if self.fetched <= self._failures:
            raise ConnectionError("not this time")
        return f"value {self.fetched}"


async def test_concurrent_needs_share_one_flight():
    source, flights, values = Source(), SingleFlight[str, str](), []

    async def need() -> None:
        values.append(await flights.do("key", source.fetch))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(need)
        await anyio.wait_all_tasks_blocked()
        source.landing.set()
    assert values == ["value 1"] * 20
    assert source.fetched == 1


async def test_different_keys_fly_apart():
    source, flights = Source(), SingleFlight[str, str]()
    source.landing.set()
    assert await flights.do("one", source.fetch) == "value 1"
    assert await flights.do("other", source.fetch) == "value 2"


async def test_a_failure_reaches_all_who_wait_and_is_forgotten():
    source, flights, failed = Source(failures=1), SingleFlight[str, str](), []

    async def need() -> None:
        try:
            await flights.do("key", source.fetch)
        except ConnectionError:
            failed.append(True)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(need)
        await anyio.wait_all_tasks_blocked()
        source.landing.set()
    assert failed == [True] * 5
    assert source.fetched == 1
    assert await flights.do("key", source.fetch) == "value 2"


async def test_who_fetches_may_be_cancelled_and_the_others_are_served_all_the_same():
    source, flights, values = Source(), SingleFlight[str, str](), []
    first = anyio.CancelScope()

    async def lead() -> None:
        with first:
            await flights.do("key", source.fetch)

    async def need() -> None:
        values.append(await flights.do("key", source.fetch))

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(need)
        group.start_soon(need)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        source.landing.set()
    assert values == ["value 2"] * 2


async def test_a_waiter_that_is_cancelled_does_not_end_the_flight():
    source, flights, values = Source(), SingleFlight[str, str](), []
    waiting = anyio.CancelScope()

    async def lead() -> None:
        values.append(await flights.do("key", source.fetch))

    async def wait() -> None:
        with waiting:
            await flights.do("key", source.fetch)
        assert waiting.cancelled_caught

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        waiting.cancel()
        await anyio.wait_all_tasks_blocked()
        source.landing.set()
    assert values == ["value 1"]


async def test_a_flight_is_over_when_it_has_landed():
    source, flights = Source(), SingleFlight[str, str]()
    source.landing.set()
    assert [await flights.do("key", source.fetch) for _ in range(2)] == ["value 1", "value 2"]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_nothing_is_left_behind(cancelled):
    source, flights = Source(), SingleFlight[str, str]()
    with anyio.move_on_after(0.01 if cancelled else 5):
        if not cancelled:
            source.landing.set()
        await flights.do("key", source.fetch)
    assert not flights._under_way
