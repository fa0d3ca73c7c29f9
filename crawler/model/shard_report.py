"""What a shard reports for the merge of its group, beside its run manifest: `_shard.json`."""

from dataclasses import dataclass

from crawler.model.run_parameters import RunParameters


@dataclass(frozen=True, slots=True)
class SeenNames:
    """What a shard saw of the names of one owner: how many, and a sum of their hashes modulo 2⁶⁴.

    Shards that saw the same names, in whatever order, have equal values.
    """

    names: int
    digest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """See the module.

    Attributes:
        parameters: what the shard was begun with.
        names: how many names need a record in this shard.
        unresolved: see `verdict.Findings`; likewise the next two.
        nothing_matched: None where a name matched.
        allowance_spent: None where no limit was reached.
        seen: for each shard, what this one saw of its names; () where it saw nothing at all.
    """

    parameters: RunParameters
    names: int
    unresolved: int
    nothing_matched: str | None
    allowance_spent: str | None
    seen: tuple[SeenNames, ...]
