"""How a group shares repositories out, as its first shard worked it out: for shards that have no disk in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import orjson

from crawler.discovery.ownership import Cut
from crawler.model.run_parameters import RunParameters
from crawler.model.shard import Shard


@dataclass(frozen=True, slots=True)
class Shares:
    """See `Ownership`, which each shard makes of them."""

    cut: Cut = field(default_factory=Cut)
    owners: Mapping[int, int] = field(default_factory=dict)

    def dump(self) -> bytes:
        """As JSON: where names are cut, and for each owner the hashes of its units. 65,536 units take 1.4 MB."""
        by_owner: dict[str, list[int]] = {}
        for unit_hash, owner in self.owners.items():
            by_owner.setdefault(str(owner), []).append(unit_hash)
        cut = {"depth": self.cut.depth, "opened_by_all": sorted(self.cut.opened_by_all)}
        return orjson.dumps({"cut": cut, "owners": by_owner}, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def parse(cls, content: bytes, shards: int) -> Self:
        """What `dump` has written, for so many shards. Raises ValueError."""
        try:
            document = orjson.loads(content)
            cut = Cut(int(document["cut"]["depth"]), frozenset(map(str, document["cut"]["opened_by_all"])))
            owners = {int(unit): int(owner) for owner, units in document["owners"].items() for unit in units}
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"not a group's shares: {type(exc).__name__}") from None
        if not all(0 <= owner < shards for owner in owners.values()):
            raise ValueError(f"not the shares of {shards} shards")
        return cls(cut, owners)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a group has agreed on: the parameters of its first shard, and its shares, where costs decide."""

    terms: RunParameters
    shares: Shares | None


class SharedGroup(Protocol):
    """Where the shards of one target agree that have no disk in common. Every method blocks, and may raise LakeError
    and SnapshotError.
    """

    def agree(self, proposed: RunParameters, shares: Callable[[], Shares]) -> Agreed:
        """What the first shard has proposed, which may be this one. `shares` are those of the proposed balance."""
        ...

    def fetch_shard(self, shard: Shard, place: Path) -> None:
        """Where another process has reported this shard: have its folder in this place, unless there is one."""
        ...
