"""Limits on how many exchanges may begin, and who shares them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` exchanges may begin in any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit, the narrowest window first, and whose it is: registries of one `whose` share it."""

    label: str
    windows: tuple[Rate, ...]

    @property
    def per_second(self) -> float:
        return self.windows[0].count / self.windows[0].seconds
