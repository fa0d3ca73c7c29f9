"""Which shards are meant, in a phrase that stays short however many they are."""

from collections.abc import Iterable, Sequence
from typing import Final

from crawler.model.shard import Shard

_RANGES_NAMED: Final = 3


def shards_text(shards: Sequence[Shard]) -> str:
    """One or more shards of a group, for people: `shard 5/8`, `shards 1-7, 9, 11-12 and 12 more of 64`."""
    if len(shards) == 1:
        return f"shard {shards[0]}"
    ranges = _ranges(sorted(shard.index for shard in shards))
    named = [f"{first}-{last}" if first < last else f"{first}" for first, last in ranges[:_RANGES_NAMED]]
    more = sum(last - first + 1 for first, last in ranges[_RANGES_NAMED:])
    *before, end = [*named, f"{more:,} more"] if more else named
    numbers = " and ".join(filter(None, (", ".join(before), end)))
    return f"shards {numbers} of {shards[0].count}"


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last of numbers that follow each other; `numbers` are in order."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
