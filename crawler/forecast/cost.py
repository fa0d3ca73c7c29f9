"""Exchanges and bytes by kind: of one step that was measured, or of a whole crawl that is expected."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

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
    """The exchanges that a forecast itself makes.

    Attributes:
        most: how many it may make.
        on_spent: called when they are made, and after each further one.
        bytes_by_kind: bytes of bodies by purpose.
    """

    most: int = 0
    on_spent: Callable[[], None] = lambda: None
    bytes_by_kind: Counter[Purpose] = field(default_factory=Counter)

    def add_exchange(self, purpose: Purpose, body_bytes: int) -> None:
        # not super(): a dataclass with slots is a new class, which the compiler's cell does not know
        RequestStats.add_exchange(self, purpose, body_bytes)
        self.bytes_by_kind[purpose] += body_bytes
        if self.total >= self.most:
            self.on_spent()

    @property
    def so_far(self) -> Cost:
        return Cost(dict(self.by_kind), dict(self.bytes_by_kind))
