"""Limits on the rate of exchanges, and which registries share one."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` exchanges may begin in any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit on the rate of exchanges, as its owner counts them.

    Two quotas are equal, and registries that have them share one limit, where `key` and `windows` are equal.

    Attributes:
        key: whose exchanges count together, such as ("gcr", "client address") for all gcr.io hosts, or
            ("artifact-registry", HOST, PROJECT).
        label: the same for people. It is not part of the identity.
        windows: all the rates that hold at once, the shortest window first.
    """

    key: tuple[str, ...]
    label: str = field(compare=False)
    windows: tuple[Rate, ...]

    @property
    def per_second(self) -> float:
        """The rate of the shortest window."""
        return self.windows[0].count / self.windows[0].seconds
