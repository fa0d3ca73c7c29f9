"""What the shards of a group prove together: every name was found, and is in the part of a shard."""

import re
from collections.abc import Callable
from typing import Final

from crawler.model.run_manifest import Evidence
from crawler.model.shard import Shard
from crawler.model.shard_report import SeenNames
from crawler.profiles import DiscoveryMethod
from crawler.scale.group import Group
from crawler.scale.shard_numbers import shards_text
from crawler.snapshot.shards import StoredShard
from crawler.untrusted_text import printable

_QUOTED: Final = 3
_READER: Final = re.compile(r" \(read by shard \d+/\d+ for the group\)", re.ASCII)
"""See `discovery.group_names.GroupNamesDiscovery.evidence`."""

_NOTHING: Final = SeenNames(0, 0)


def joint_evidence(group: Group) -> Evidence:
    """Complete where every shard reported, each has its proof, all looked in the same way and as the same account, and
    none saw a name that its owner did not see.
    """
    doubts = [f"{shards_text(group.missing)} did not report"] if group.missing else []
    doubts += _quoted(_without_proof(group), "doubts")
    doubts += _different(group, "found names by different methods", _method)
    doubts += _different(group, "were different accounts, which may see different names", _identity)
    doubts += _quoted(_disagreements(group), "disagreements between shards")
    if doubts:
        return Evidence(complete=False, text="; ".join(doubts))
    first = group.shards[0]
    return Evidence(
        complete=True,
        text=f"each of {first.shard.count} shards has its proof; that of shard {first.shard}: {_evidence(first)}",
    )


def _without_proof(group: Group) -> list[str]:
    """What is missing for a proof, each doubt once: shards that take the names from one list have one evidence.

    The shard that read the list does not say in its evidence that it did; the others name it.
    """
    shards: dict[str, list[Shard]] = {}
    texts: dict[str, str] = {}
    for each in group.shards:
        if not _is_proved(each):
            text = _evidence(each)
            bare = _READER.sub("", text)
            shards.setdefault(bare, []).append(each.shard)
            texts[bare] = max(texts.get(bare, ""), text, key=len)
    return [f"{shards_text(shards[bare])}: {text}" for bare, text in texts.items()]


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


def _disagreements(group: Group) -> list[str]:
    """A phrase for each shard of which others saw a name that it did not see itself: one for all who saw as many.

    A shard that saw fewer is no doubt about the owner, which saw them. Where such a shard missed names of its own, the
    others saw more of it than it did itself. A list that somebody wrote does not change meanwhile: every difference is
    a doubt. Shards that found their names by different methods cannot be compared.
    """
    witnesses: dict[str, list[Shard]] = {}
    for owner in group.shards:
        for witness in group.shards:
            if _method(owner) != _method(witness):
                continue
            own, other = (_seen(each, owner.shard) for each in (owner, witness))
            if other != own and (other.names >= own.names or _method(owner) == DiscoveryMethod.LIST):
                seen = (
                    f"listed {other.names:,} {'name' if other.names == 1 else 'names'} of shard {owner.shard}, which "
                    f"listed {own.names:,}{' others' if other.names == own.names else ''} itself: "
                    f"{_why_different(owner)}"
                )
                witnesses.setdefault(seen, []).append(witness.shard)
    return [f"{shards_text(shards)} {seen}" for seen, shards in witnesses.items()]


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


def _quoted(phrases: list[str], of_what: str) -> list[str]:
    more = [f"and {len(phrases) - _QUOTED:,} more {of_what}"] if len(phrases) > _QUOTED else []
    return phrases[:_QUOTED] + more
