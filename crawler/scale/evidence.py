"""What the shards of a group prove together: every name was found, and is in somebody's part."""

from collections.abc import Iterator

from crawler.model.run_manifest import Evidence
from crawler.scale.group import Group
from crawler.snapshot.shards import StoredShard

_QUOTED = 3


def joint_evidence(group: Group) -> Evidence:
    """Complete where every shard reported, each has its proof, and none saw a name that its owner did not see."""
    doubts = [f"shard {shard} did not report" for shard in group.missing]
    doubts += [f"shard {each.shard}: {_evidence(each)}" for each in group.shards if not _is_proved(each)]
    doubts += _quoted(list(_disagreements(group)))
    if doubts:
        return Evidence(complete=False, text="; ".join(doubts))
    first = group.shards[0]
    return Evidence(
        complete=True,
        text=f"each of {first.shard.count} shards has its proof; that of shard {first.shard}: {_evidence(first)}",
    )


def _is_proved(shard: StoredShard) -> bool:
    return shard.run_manifest.discovery.complete


def _evidence(shard: StoredShard) -> str:
    return shard.run_manifest.discovery.evidence


def _disagreements(group: Group) -> Iterator[str]:
    """A phrase for each shard that saw a name of another one that this one itself did not see.

    A shard that saw fewer is no doubt about the owner, which saw them. Where such a shard missed names of its own, the
    others saw more of it than it did itself. Shards that found their names by different methods cannot be compared.
    """
    for owner in group.shards:
        for witness in group.shards:
            if not (_method(owner) == _method(witness) and owner.report.seen and witness.report.seen):
                continue
            own, other = (each.report.seen[owner.shard.index] for each in (owner, witness))
            if other != own and other.names >= own.names:
                yield (
                    f"shard {witness.shard} listed {other.names:,} names of shard {owner.shard}, which listed "
                    f"{own.names:,}{' others' if other.names == own.names else ''} itself: the registry changed "
                    "meanwhile, or its answers differ"
                )


def _method(shard: StoredShard) -> str:
    return shard.run_manifest.discovery.method


def _quoted(phrases: list[str]) -> list[str]:
    more = [f"and {len(phrases) - _QUOTED:,} more pairs of shards disagree"] if len(phrases) > _QUOTED else []
    return phrases[:_QUOTED] + more
