"""One fetch for all concurrent callers that need the same value (as Go's golang.org/x/sync/singleflight)."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Flight(Generic[V]):
    """One fetch in progress.

    Attributes:
        done: made by the first caller that waits; most flights have none.
        values: the value, once it is there. A list, because None may be a value.
        failure: the exception that `fetch` raised.
    """

    def __init__(self) -> None:
        self.done: anyio.Event | None = None
        self.values: list[V] = []
        self.failure: Exception | None = None


class SingleFlight(Generic[K, V]):
    """At most one fetch per key at a time.

    A failure reaches all callers that wait, and is then forgotten. Where the caller that fetches is cancelled, the next
    one that waits fetches in its place.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def do(self, key: K, fetch: Callable[[], Awaitable[V]]) -> V:
        """The value of `fetch`, or of the fetch for `key` that is in progress. Raises what `fetch` raises."""
        while (flight := self._flights.get(key)) is not None:
            flight.done = flight.done or anyio.Event()
            await flight.done.wait()
            if flight.values:
                return flight.values[0]
            if flight.failure is not None:
                try:
                    raise flight.failure
                finally:
                    del flight  # see below
        # neither a value nor a failure: the caller that fetched was cancelled, and this one fetches
        flight = self._flights[key] = _Flight()  # `_Flight[V]()` takes 1 µs more
        try:
            value = await fetch()
        except Exception as exc:
            flight.failure = exc
            raise
        else:
            flight.values.append(value)
            return value
        finally:
            del self._flights[key]
            if flight.done is not None:
                flight.done.set()
            # The failure has a traceback, which has this frame: a cycle, in which the caller's objects would stay until
            # the collector comes.
            del flight
