"""What the shards of a group prove together: every name was found, and is in somebody's part."""

from collections.abc import Callable, Iterator
from typing import Final

from crawler.model.run_manifest import Evidence
from crawler.model.shard import Shard
from crawler.model.shard_report import SeenNames
from crawler.profiles import DiscoveryMethod
from crawler.scale.group import Group
from crawler.snapshot.shards import StoredShard
from crawler.untrusted_text import printable

_QUOTED: Final = 3
_NOTHING: Final = SeenNames(0, 0)


def joint_evidence(group: Group) -> Evidence:
    """Complete where every shard reported, each has its proof, all looked in the same way and as the same account, and
    none saw a name that its owner did not see.
    """
    doubts = [f"shard {shard} did not report" for shard in group.missing]
    doubts += [f"shard {each.shard}: {_evidence(each)}" for each in group.shards if not _is_proved(each)]
    doubts += _different(group, "found names by different methods", _method)
    doubts += _different(group, "were different accounts, which may see different names", _identity)
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


def _different(group: Group, what: str, value: Callable[[StoredShard], str]) -> list[str]:
    """A phrase where the shards differ in a value: what one of them sees, another may not be shown."""
    firsts: dict[str, Shard] = {}
    for each in group.shards:
        firsts.setdefault(value(each), each.shard)
    if len(firsts) == 1:
        return []
    quoted = [f"{printable(text)} (shard {shard})" for text, shard in firsts.items()]
    more = f" and {len(quoted) - _QUOTED:,} more" if len(quoted) > _QUOTED else ""
    return [f"the shards {what}: {', '.join(quoted[:_QUOTED])}{more}"]


def _disagreements(group: Group) -> Iterator[str]:
    """A phrase for each shard that saw a name of another one that this one itself did not see.

    A shard that saw fewer is no doubt about the owner, which saw them. Where such a shard missed names of its own, the
    others saw more of it than it did itself. A list that somebody wrote does not change meanwhile: every difference is
    a doubt. Shards that found their names by different methods cannot be compared.
    """
    for owner in group.shards:
        for witness in group.shards:
            if _method(owner) != _method(witness):
                continue
            own, other = (_seen(each, owner.shard) for each in (owner, witness))
            if other != own and (other.names >= own.names or _method(owner) == DiscoveryMethod.LIST):
                yield (
                    f"shard {witness.shard} listed {other.names:,} {'name' if other.names == 1 else 'names'} of shard "
                    f"{owner.shard}, which listed {own.names:,}{' others' if other.names == own.names else ''} itself: "
                    f"{_why_different(owner)}"
                )


def _seen(shard: StoredShard, owner: Shard) -> SeenNames:
    return shard.report.seen[owner.index] if shard.report.seen else _NOTHING


def _why_different(shard: StoredShard) -> str:
    if _method(shard) == DiscoveryMethod.LIST:
        return "their lists of names differ"
    return "the registry changed meanwhile, or its answers differ"


def _method(shard: StoredShard) -> str:
    return shard.run_manifest.discovery.method


def _identity(shard: StoredShard) -> str:
    return shard.run_manifest.identity


def _quoted(phrases: list[str]) -> list[str]:
    more = [f"and {len(phrases) - _QUOTED:,} more pairs of shards disagree"] if len(phrases) > _QUOTED else []
    return phrases[:_QUOTED] + more
