"""Exchanges and bytes by kind: of one step that was measured, or of a whole crawl that is expected."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import anyio

from crawler.transport.messages import Purpose, RequestStats


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs. Expected costs are no whole numbers.

    Attributes:
        exchanges: by kind; kinds that cost nothing may be left out.
        bytes: of response bodies, decompressed, by kind.
    """

    exchanges: Mapping[Purpose, float] = field(default_factory=dict)
    bytes: Mapping[Purpose, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All exchanges."""
        return sum(self.exchanges.values())

    @property
    def total_bytes(self) -> float:
        return sum(self.bytes.values())

    def of(self, kind: Purpose) -> float:
        """The exchanges of one kind."""
        return self.exchanges.get(kind, 0)

    def __add__(self, other: Self) -> Self:
        return self._combined(other, 1)

    def __sub__(self, other: Self) -> Self:
        return self._combined(other, -1)

    def times(self, factor: float) -> Self:
        return self.scaled(lambda _: factor)

    def scaled(self, factor_of: Callable[[Purpose], float]) -> Self:
        """Each kind by a factor of its own."""
        return type(self)(
            {kind: count * factor_of(kind) for kind, count in self.exchanges.items()},
            {kind: size * factor_of(kind) for kind, size in self.bytes.items()},
        )

    def _combined(self, other: Self, sign: int) -> Self:
        return type(self)(
            _combined(self.exchanges, other.exchanges, sign),
            _combined(self.bytes, other.bytes, sign),
        )


def _combined(one: Mapping[Purpose, float], other: Mapping[Purpose, float], sign: int) -> dict[Purpose, float]:
    return {kind: one.get(kind, 0) + sign * other.get(kind, 0) for kind in {**one, **other}}


NOTHING = Cost()


@dataclass(slots=True)
class Spending(RequestStats):
    """The exchanges that a forecast itself makes, and the bounds that it keeps to.

    Attributes:
        bytes_by_kind: bytes of bodies by purpose.
    """

    bytes_by_kind: Counter[Purpose] = field(default_factory=Counter)
    _bounds: list[tuple[int, anyio.CancelScope]] = field(default_factory=list)

    def add_exchange(self, purpose: Purpose, body_bytes: int) -> None:
        # not super(): a dataclass with slots is a new class, which the compiler's cell does not know
        RequestStats.add_exchange(self, purpose, body_bytes)
        self.bytes_by_kind[purpose] += body_bytes
        for most, scope in self._bounds:
            if self.total >= most:
                scope.cancel()

    @contextmanager
    def bounded(self, exchanges: int) -> Iterator[None]:
        """A block that is cancelled once so many exchanges ended in it, and is left quietly. Blocks may be nested.

        Exchanges that are under way then are cancelled, too.
        """
        with anyio.CancelScope() as scope:
            self._bounds.append((self.total + exchanges, scope))
            try:
                yield
            finally:
                self._bounds.pop()

    @property
    def so_far(self) -> Cost:
        return Cost(dict(self.by_kind), dict(self.bytes_by_kind))
