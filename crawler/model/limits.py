"""Limits on the rate of exchanges, and which registries share one."""

from dataclasses import dataclass, field, replace
from typing import Self

from crawler.model.value import Value


class Rate(Value, frozen=True):
    """At most `count` exchanges may begin in any `seconds`."""

    count: int
    seconds: float

    def share(self, shards: int) -> "Rate":
        """What each of several processes may use, so that all of them together keep to the rate.

        A count that the shards do not divide is rounded down. Where there are more shards than starts, each has one
        start in a longer time.
        """
        if self.count >= shards:
            return Rate(self.count // shards, self.seconds)
        return Rate(1, self.seconds * shards / self.count)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit on the rate of exchanges, as its owner counts them.

    Two quotas are equal, and registries that have them share one limit, where `key` and `windows` are equal.

    Attributes:
        key: whose exchanges count together, such as ("gcr", "client address") for all gcr.io hosts, or
            ("artifact-registry", HOST, PROJECT).
        label: the same for people. It is not part of the identity.
        windows: all the rates that hold at once, the shortest window first.
        is_per_address: whether the owner counts each client address apart.
    """

    key: tuple[str, ...]
    label: str = field(compare=False)
    windows: tuple[Rate, ...]
    is_per_address: bool = field(default=False, compare=False)

    @property
    def per_second(self) -> float:
        """The rate of the shortest window."""
        return self.windows[0].count / self.windows[0].seconds

    def share(self, shards: int) -> Self:
        """The part of the quota that each of several processes may use."""
        windows = tuple(window.share(shards) for window in self.windows)
        return replace(self, label=f"{self.label}, shared by {shards} shards", windows=windows)
