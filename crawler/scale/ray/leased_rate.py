"""A shard's part of the group's rate: the times that are leased to it, and when it asks for more."""

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio

from crawler.config import Config
from crawler.model.limits import Quota
from crawler.scale.ray.timetable import LEASE, Lease

AskForLease = Callable[[Quota, int], Awaitable[Lease]]
"""Gives a lease of up to so many starts. It may take as long as others are served first."""

_LOW: Final = LEASE // 2
"""With so many starts left the next lease is asked for: it is there before they are used up."""

_SHORTEST_POLL_S: Final = 0.002
_LONGEST_POLL_S: Final = 0.02
"""How often an exchange without a start looks for a lease: often at first, while the answer is on its way."""

_DRIFT: Final = 1e-4
"""By how many seconds a second two clocks may move apart. Quartz keeps to half of it."""


class ClockOffset:
    """Between which bounds the timetable's clock is ahead of this one, as every answer narrows them down.

    All that is unknown is how long question and answer were on their way. What quick ones have shown holds until the
    clocks may have moved apart.
    """

    def __init__(self) -> None:
        self._least, self._most = float("-inf"), float("inf")
        self._at = 0.0

    def narrow(self, sent_at: float, lease: Lease, arrived_at: float) -> None:
        drift = _DRIFT * (arrived_at - self._at)
        least, most = lease.given_at - arrived_at, lease.asked_at - sent_at
        self._least, self._most = max(self._least - drift, least), min(self._most + drift, most)
        if self._least > self._most:  # the clock is another one
            self._least, self._most = least, most
        self._at = arrived_at

    def earliest(self, theirs: float) -> float:
        """A time here at which it is `theirs` there, or later."""
        return theirs - self._least

    def latest(self, theirs: float) -> float:
        """A time here at which it is `theirs` there, or earlier."""
        return theirs - self._most


class LeasedRate:
    """The rate of one shard under a quota that all shards of the group share. See `StartRate`.

    It asks for as many starts as exchanges wait, so a shard that needs little leaves the quota to the others. Where
    its exchanges come one by one, it asks for those of the next moment, too, instead of once for each.
    """

    def __init__(
        self, quota: Quota, ask: AskForLease, *, label: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.label = label
        self._quota = quota
        self._ask = ask
        self._clock = clock
        self._offset = ClockOffset()
        self._starts: deque[tuple[float, float]] = deque()
        """From when to when each start may be used, on the clock of this process."""
        self._lateness = 0.0
        self._waiting = 0
        self._promised = 0
        """How many of the starts an exchange comes back for."""
        self._used = 0
        self._asked_at = clock()
        self._is_wanted = anyio.Event()

    def reserve(self, now: float) -> float:
        self._waiting += 1
        return now + self._delay(now)

    def try_acquire(self, now: float) -> float:
        self._drop_missed(now)
        if self._starts and self._starts[0][0] <= now:
            self._starts.popleft()
            self._promised = max(0, self._promised - 1)
            self._used += 1
            return 0.0
        return self._delay(now)

    def leave(self) -> None:
        self._waiting -= 1

    def _delay(self, now: float) -> float:
        """When an exchange comes back: for the next start that no other one comes back for, or to look for a lease."""
        self._drop_missed(now)
        if self._is_short:
            self._is_wanted.set()
        if self._promised < len(self._starts):
            self._promised += 1
            return max(self._starts[self._promised - 1][0] - now, 0.0)
        return min(max((now - self._asked_at) / 2, _SHORTEST_POLL_S), _LONGEST_POLL_S)

    @property
    def _is_short(self) -> bool:
        return len(self._starts) < min(_LOW, self._waiting)

    def _drop_missed(self, now: float) -> None:
        while self._starts and self._starts[0][1] < now:
            self._starts.popleft()
            self._promised = max(0, self._promised - 1)

    async def keep_leased(self) -> None:
        """Ask for leases for as long as the shard runs."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted = anyio.Event()
            self._drop_missed(self._clock())
            if self._is_short:
                self._take(await self._ask(self._quota, self._missing()))

    def _missing(self) -> int:
        """How many starts to ask for, now."""
        now = self._clock()
        pace = self._used / max(now - self._asked_at, self._lateness, _SHORTEST_POLL_S)
        self._asked_at, self._used = now, 0
        of_next_moment = int(pace * self._lateness / 2)
        return min(max(self._waiting - len(self._starts), of_next_moment), LEASE)

    def _take(self, lease: Lease) -> None:
        now = self._clock()
        self._offset.narrow(self._asked_at, lease, now)
        self._lateness = lease.lateness
        for start in lease.starts:
            usable_from, until = self._offset.earliest(start), self._offset.latest(start + lease.lateness)
            if until >= max(usable_from, now):
                self._starts.append((usable_from, until))


class LeasedRates:
    """The rates of one shard: one for each quota, all of which are leased. See `RateLimits`."""

    def __init__(self, ask: AskForLease) -> None:
        self._ask = ask
        self._rates: dict[Quota, LeasedRate] = {}

    def for_quota(self, quota: Quota | None) -> LeasedRate | None:
        if quota is None:
            return None
        if quota not in self._rates:
            self._rates[quota] = LeasedRate(quota, self._ask, label=quota.label)
        return self._rates[quota]

    def part_of(self, quota: Quota | None, config: Config) -> Quota | None:  # noqa: ARG002  (other rates need it)
        """The whole quota: the leases divide it."""
        return None if quota is None else replace(quota, label=f"{quota.label}, leased to the shards in turn")

    @asynccontextmanager
    async def kept_leased(self) -> AsyncIterator[None]:
        """Keep all rates leased while the block runs. Make them before."""
        async with anyio.create_task_group() as group:
            for rate in self._rates.values():
                group.start_soon(rate.keep_leased)
            yield
            group.cancel_scope.cancel()
