"""One fetch for all concurrent callers of a key."""

import anyio
import pytest

from crawler.single_flight import SingleFlight


class Source:
    """A slow source that counts its fetches."""

    def __init__(self, failures: int = 0) -> None:
        self.fetched = 0
        self.release = anyio.Event()
        self._failures = failures

    async def fetch(self) -> str:
        self.fetched += 1
        await self.release.wait()
        if self.fetched <= self._failures:
            raise ConnectionError("not this time")
        return f"value {self.fetched}"


async def test_single_flight_is_shared_by_concurrent_callers():
    source, flights, values = Source(), SingleFlight[str, str](), []

    async def call() -> None:
        values.append(await flights.do("key", source.fetch))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        source.release.set()
    assert values == ["value 1"] * 20
    assert source.fetched == 1


async def test_single_flight_is_separate_for_each_key():
    source, flights = Source(), SingleFlight[str, str]()
    source.release.set()
    assert await flights.do("one", source.fetch) == "value 1"
    assert await flights.do("other", source.fetch) == "value 2"


async def test_single_flight_failure_reaches_all_callers_and_is_forgotten():
    source, flights, failed = Source(failures=1), SingleFlight[str, str](), []

    async def call() -> None:
        try:
            await flights.do("key", source.fetch)
        except ConnectionError:
            failed.append(True)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        source.release.set()
    assert failed == [True] * 5
    assert source.fetched == 1
    assert await flights.do("key", source.fetch) == "value 2"


async def test_single_flight_goes_on_when_the_fetching_caller_is_cancelled():
    source, flights, values = Source(), SingleFlight[str, str](), []
    first = anyio.CancelScope()

    async def lead() -> None:
        with first:
            await flights.do("key", source.fetch)

    async def call() -> None:
        values.append(await flights.do("key", source.fetch))

    async with anyio.create_task_group() as group:
        group.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(call)
        group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        source.release.set()
    assert values == ["value 2"] * 2


async def test_single_flight_goes_on_when_a_waiting_caller_is_cancelled():
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
        source.release.set()
    assert values == ["value 1"]


async def test_single_flight_value_is_not_cached():
    source, flights = Source(), SingleFlight[str, str]()
    source.release.set()
    assert [await flights.do("key", source.fetch) for _ in range(2)] == ["value 1", "value 2"]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_single_flight_leaves_nothing_behind(cancelled):
    source, flights = Source(), SingleFlight[str, str]()
    with anyio.move_on_after(0.01 if cancelled else 5):
        if not cancelled:
            source.release.set()
        await flights.do("key", source.fetch)
    assert not flights._flights
