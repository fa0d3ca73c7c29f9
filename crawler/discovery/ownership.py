"""Which shard owns a repository. Every shard computes the same answer, and none asks another.

Names are shared out in units: a name is a unit of its own, or a whole subtree of Google's folders is one, because only
who opens a folder learns the names in it. A unit belongs to the shard that the balance by the last snapshot gives it
to, else to the shard that its hash chooses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heapify, heappushpop, heapreplace
from typing import Final, Self

from crawler.discovery.group_names import GroupNames
from crawler.model.record import NamePage
from crawler.model.shard import Shard
from crawler.model.shard_report import SeenNames
from crawler.untrusted_text import printable

MAX_BALANCED: Final = 65_536
"""Of so many units, those with the largest costs, each is given to a shard by its cost: the table takes 10 MB. The
others go by their hash, which spreads many small units evenly."""

_HASHES: Final = 1 << 64


class NameHash:
    """64-bit hashes of names, the same in every process: Python's own differ from one to the next.

    They are keyed by the target, so that no name is the first shard's in every registry.
    """

    def __init__(self, target: str) -> None:
        self._keyed = blake2b(digest_size=8, key=blake2b(target.encode(), digest_size=32).digest())

    def __call__(self, name: str) -> int:
        keyed = self._keyed.copy()
        keyed.update(name.encode("utf-8", "surrogatepass"))
        return int.from_bytes(keyed.digest(), "big")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where names are cut into units.

    Attributes:
        depth: how many components of a name are its unit; 0 for the whole name.
        opened_by_all: subtrees that are too large for one unit. Their children are units.
    """

    depth: int = 0
    opened_by_all: frozenset[str] = frozenset()

    @classmethod
    def below(cls, prefix: str) -> Self:
        """Each subtree directly below a target's prefix is a unit; without a prefix, one below each project."""
        return cls(prefix.count("/") + 2 if prefix else 2)

    def unit(self, name: str) -> str:
        """The unit that a name belongs to. A name above the cut is a unit of its own."""
        if not self.depth:
            return name
        components = name.split("/")
        for end in range(self.depth, len(components)):
            unit = "/".join(components[:end])
            if unit not in self.opened_by_all:
                return unit
        return name

    def is_opened_by_all(self, folder: str) -> bool:
        """Whether the units are below a folder, so that every shard has to open it."""
        return folder in self.opened_by_all or folder.count("/") + 1 < self.depth


@dataclass(slots=True)
class _Sums:
    """What a shard saw of the names of each owner; see `SeenNames`."""

    names: list[int]
    digests: list[int]

    def add(self, owner: int, name_hash: int) -> None:
        self.names[owner] += 1
        self.digests[owner] = (self.digests[owner] + name_hash) % _HASHES


@dataclass(slots=True)
class Ownership:
    """What one shard owns of a target.

    Attributes:
        shard: this shard.
        owners: the shard of each unit that is balanced, by the unit's hash.
        group_names: the list of names that the group shares; None where each shard reads the names itself.
    """

    shard: Shard
    name_hash: NameHash
    cut: Cut = field(default_factory=Cut)
    owners: Mapping[int, int] = field(default_factory=dict)
    group_names: GroupNames | None = None
    _seen: dict[str, _Sums] = field(default_factory=dict)
    _opening: set[str] = field(default_factory=set)

    def owner_of(self, name: str) -> int:
        """The index of the shard that records a name. Names that print alike have one record, and one owner."""
        return self._owner(self.name_hash(self.cut.unit(printable(name))))

    def owns(self, name: str) -> bool:
        return self.owner_of(name) == self.shard.index

    def select_owned(self, method: str, page: NamePage) -> NamePage:
        """The names of a page that this shard records.

        What the others own is counted for `seen`, where every shard reads the same pages. Where it opens folders, it
        reads the names in its own alone.
        """
        if method in self._opening:
            return {name: listing for name, listing in page.items() if self.owns(name)}
        seen, owned = self._seen_by(method), {}
        for name, listing in page.items():
            printed = printable(name)
            name_hash = self.name_hash(printed)
            owner = self._owner(self.name_hash(self.cut.unit(printed)) if self.cut.depth else name_hash)
            seen.add(owner, name_hash)
            if owner == self.shard.index:
                owned[name] = listing
        return owned

    def select_opened(self, method: str, folders: Iterable[str]) -> list[str]:
        """The folders that this shard opens: those of its own units, and those above the cut.

        Every shard sees the units, and what is above them; they are counted for `seen`.
        """
        self._opening.add(method)
        seen, opened = self._seen_by(method), []
        for folder in folders:
            printed = printable(folder)
            unit = self.cut.unit(printed)
            unit_hash = self.name_hash(unit)
            owner = self._owner(unit_hash)
            if unit == printed:
                seen.add(owner, unit_hash)
            if owner == self.shard.index or self.cut.is_opened_by_all(printed):
                opened.append(folder)
        return opened

    def seen(self, method: str) -> tuple[SeenNames, ...]:
        """For each shard, what this one saw of its names by a discovery method; () where it saw nothing at all."""
        seen = self._seen.get(method)
        return () if seen is None else tuple(map(SeenNames, seen.names, seen.digests))

    def _owner(self, unit_hash: int) -> int:
        owner = self.owners.get(unit_hash)
        return unit_hash % self.shard.count if owner is None else owner

    def _seen_by(self, method: str) -> _Sums:
        zeros = [0] * self.shard.count
        return self._seen.setdefault(method, _Sums(zeros, [*zeros]))


def balance(costs: Iterable[tuple[int, int]], shards: int) -> dict[int, int]:
    """Give units to shards by their costs, given as (hash, cost): the longest first, to the least loaded.

    One pass, in the memory of MAX_BALANCED units. The order of the costs does not matter.
    """
    heaviest = [(0, 0)] * MAX_BALANCED  # (cost, hash), the lightest first
    loads = [0] * shards
    for unit_hash, cost in costs:
        lighter_cost, lighter_hash = heappushpop(heaviest, (cost, unit_hash))
        loads[lighter_hash % shards] += lighter_cost
    queue = [(load, index) for index, load in enumerate(loads)]
    heapify(queue)
    owners = {}
    for cost, unit_hash in sorted(heaviest, reverse=True):
        if not cost:
            break
        load, index = queue[0]
        owners[unit_hash] = index
        heapreplace(queue, (load + cost, index))
    return owners


def cut_by_costs(cut: Cut, costs: Mapping[str, int], shards: int) -> Cut:
    """Cut every subtree that is heavier than the mean of the shards one level deeper, and so on.

    `costs` are those of repositories.
    """
    below = _costs_of_subtrees(cut, costs)
    mean = sum(costs.values()) / shards
    opened: set[str] = set()
    heavy = [unit for unit, cost in below.items() if unit.count("/") + 1 == cut.depth and cost > mean]
    children = _children(below) if heavy else {}
    while heavy:
        unit = heavy.pop()
        if unit in children:  # a single repository cannot be cut
            opened.add(unit)
            heavy += [child for child in children[unit] if below[child] > mean]
    return Cut(cut.depth, frozenset(opened))


def _costs_of_subtrees(cut: Cut, costs: Mapping[str, int]) -> dict[str, int]:
    """The cost of each name with everything below it, from the cut down."""
    below: dict[str, int] = {}
    for name, cost in costs.items():
        components = name.split("/")
        for end in range(cut.depth, len(components) + 1):
            subtree = "/".join(components[:end])
            below[subtree] = below.get(subtree, 0) + cost
    return below


def _children(subtrees: Iterable[str]) -> Mapping[str, Sequence[str]]:
    children: dict[str, list[str]] = {}
    for subtree in subtrees:
        children.setdefault(subtree.rpartition("/")[0], []).append(subtree)
    return children
