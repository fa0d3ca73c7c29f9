"""Many who need the same thing at the same time: one fetches it, the others wait for what comes of it."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Flight(Generic[V]):
    """`over` is there once somebody waits, which for most nobody does."""

    def __init__(self) -> None:
        self.over: anyio.Event | None = None
        self.landed: list[V] = []
        self.failure: Exception | None = None


class SingleFlight(Generic[K, V]):
    """One flight per key at a time.

    A failure reaches everyone who waits, and is forgotten with them. Where the one who fetches is cancelled, the next
    who waits fetches in its place.
    """

    def __init__(self) -> None:
        self._under_way: dict[K, _Flight[V]] = {}

    async def do(self, key: K, fetch: Callable[[], Awaitable[V]]) -> V:
        while (flight := self._under_way.get(key)) is not None:
            flight.over = flight.over or anyio.Event()
            await flight.over.wait()
            if flight.landed:
                return flight.landed[0]
            if flight.failure is not None:
                raise flight.failure
        flight = self._under_way[key] = _Flight[V]()
        try:
            value = await fetch()
        except Exception as failure:
            flight.failure = failure
            raise
        else:
            flight.landed.append(value)
            return value
        finally:
            del self._under_way[key]
            if flight.over is not None:
                flight.over.set()
