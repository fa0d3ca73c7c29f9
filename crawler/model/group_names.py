"""What is in the list of names that the shards of a group share: one shard reads the names, and all use the list."""

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.model.run_manifest import Evidence


@dataclass(frozen=True, slots=True)
class NamesBegun:
    """A shard begins to read the names. After another shard's beginning, it reads all of them once more.

    Attributes:
        sources: the discovery methods that it tries, in order.
        reader: which shard it is, `2/8`; "" before the list has it.
    """

    sources: tuple[str, ...]
    reader: str = ""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of names, none of which was on an earlier page.

    Attributes:
        method: the discovery method that found them.
    """

    method: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class NamesEnd:
    """The names were read to their end, whether or not that proves that they are complete.

    Attributes:
        method: see `Discovered`.
    """

    method: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NamesFailed:
    """The shard that read the names has ended with an error, before their end."""

    reason: str


ListedEntry = NamesBegun | ListedPage | NamesEnd | NamesFailed
