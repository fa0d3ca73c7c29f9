"""A shard: one of several processes, each of which takes its own part of the same snapshot."""

import re
from typing import Final, Self

from crawler.model.value import Value

MAX_SHARDS: Final = 10_000

_SHARD: Final = re.compile(r"(\d{1,5})/(\d{1,5})", re.ASCII)
_GROUP_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


class Shard(Value, frozen=True):
    """Shard `index` of `count`, counted from 0. Its text is `3/8`. Raises ValueError for an index out of range."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_SHARDS:
            raise ValueError(f"a group has from 1 to {MAX_SHARDS} shards, not {self.count}")
        if not 0 <= self.index < self.count:
            raise ValueError(f"shards are counted from 0: of {self.count} the last is {self.count - 1}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `3/8`. Raises ValueError."""
        match = _SHARD.fullmatch(text)
        if match is None:
            raise ValueError("a shard is INDEX/COUNT, counted from 0: 3/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder_name(self) -> str:
        return f"shard={self.index:05d}-of-{self.count:05d}"

    def share_of(self, total: int) -> int:
        """This shard's part of a number that all shards together may spend. The parts add up to the number."""
        return total // self.count + (self.index < total % self.count)


def is_group_id(text: str) -> bool:
    """Whether a text may be the id of a group of shards: it is the name of a folder."""
    return _GROUP_ID.fullmatch(text) is not None
