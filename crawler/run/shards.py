"""One shard of a group: what it agrees on with the others, what it owns, and what it reports for the merge."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson

from crawler.config import Config, RegistryConfig
from crawler.discovery.group_names import GroupNames
from crawler.discovery.name_filter import NameFilter
from crawler.discovery.ownership import Cut, NameHash, Ownership, balance, cut_by_costs
from crawler.errors import SnapshotError
from crawler.model.depth import Depth
from crawler.model.run_manifest import RunManifest, group_folder, source_folder
from crawler.model.run_parameters import RunParameters
from crawler.model.shard import Shard
from crawler.model.shard_report import SeenNames, ShardReport
from crawler.profiles import DiscoveryMethod
from crawler.run.parameters import build_run_parameters
from crawler.run.plan import Plan
from crawler.run.shares import SharedGroup, Shares
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.group_names import NAMES, GroupNamesFile
from crawler.snapshot.locks import FileLocks
from crawler.snapshot.parts import read_lines
from crawler.snapshot.reader import last_complete
from crawler.snapshot.shards import SHARD_REPORT, differences, join_group, merged_runs
from crawler.snapshot.unfinished import age_text, duration_text
from crawler.stats import RunStats
from crawler.untrusted_text import printable, quoted_path

_WALKS = frozenset({DiscoveryMethod.WALK, DiscoveryMethod.ARTIFACT_REGISTRY})


def join(
    config: Config, registry: RegistryConfig, parameters: RunParameters, part: Shard, shared: SharedGroup | None = None
) -> tuple[RunParameters, Ownership]:
    """Join the group that the parameters name: the parameters as the group has agreed on them, and what is owned.

    With `shared`, shards of several disks agree there, and each disk has what was agreed. Blocks. Raises SnapshotError
    where the group is another night's, or was begun with other options, and the errors of `shared`.
    """
    output = config.output.path
    group = f"group {parameters.group} of {parameters.target}"
    for merged in merged_runs(output, str(parameters.group), source_folder(parameters.target)):
        raise SnapshotError(f"{group} is merged already, as run {merged.run_id}: use another --group for each night")
    previous = last_complete(output, parameters.target, parameters.started_at)
    balanced_by = None if previous is None else previous.run_id
    proposed = replace(parameters, balanced_by=balanced_by, agreed_at=parameters.started_at)
    agreed = None if shared is None else shared.agree(proposed, partial(_shares, config, registry, proposed, part))
    if agreed is not None:
        proposed = _with_terms(proposed, agreed.terms)
        _check_terms(group, proposed, agreed.terms, config.resume.within)
    terms = join_group(output, proposed)
    joined = _with_terms(proposed, terms) if agreed is None else proposed
    _check_terms(group, joined, terms, config.resume.within)
    if shared is not None:
        shared.fetch_shard(part, output / joined.folder)
    shares = None if agreed is None else agreed.shares
    shares = _shares(config, registry, joined, part) if shares is None else shares
    name_hash, group_names = NameHash(parameters.target), _group_names(config, joined)
    return joined, Ownership(part, name_hash, shares.cut, shares.owners, group_names=group_names)


def new_ownership(config: Config, registry: RegistryConfig, part: Shard) -> Ownership:
    """What a shard would own of a group that begins now, and has this output folder. Blocks. Raises SnapshotError."""
    now = datetime.now(UTC)
    parameters = build_run_parameters(registry, config.images, now, config.scale)
    previous = last_complete(config.output.path, parameters.target, parameters.started_at)
    balanced = replace(parameters, balanced_by=None if previous is None else previous.run_id)
    shares = _shares(config, registry, balanced, part)
    return Ownership(part, NameHash(parameters.target), shares.cut, shares.owners)


def _with_terms(proposed: RunParameters, terms: RunParameters) -> RunParameters:
    """What a shard proposed, with what its group has decided."""
    return replace(proposed, balanced_by=terms.balanced_by, agreed_at=terms.started_at)


def _check_terms(group: str, ours: RunParameters, terms: RunParameters, within: timedelta) -> None:
    age = terms.age(datetime.fromisoformat(ours.started_at))
    if abs(age) > within:
        raise SnapshotError(
            f"{group} was begun {age_text(age)}, and resume.within is {duration_text(within)}: use another --group for "
            "each night"
        )
    if different := differences(ours, terms):
        raise SnapshotError(f"{group} was begun with other options: {different}: give all shards the same options")


def _group_names(config: Config, parameters: RunParameters) -> GroupNames | None:
    """The list of names of the group that this shard has joined; None where it is to read the names itself."""
    if config.scale.names_from == "registry":
        return None
    folder = config.output.path / group_folder(str(parameters.group), parameters.target) / NAMES
    return GroupNamesFile(folder, parameters, FileLocks() if config.output.lock else None)


def _shares(config: Config, registry: RegistryConfig, parameters: RunParameters, part: Shard) -> Shares:
    name_hash = NameHash(parameters.target)
    cut = Cut.below(registry.target.prefix) if _reads_subtrees(registry) else Cut()
    if parameters.balanced_by is None:
        return Shares(cut)
    costs = _costs(_folder_of(config.output.path, parameters.target, parameters.balanced_by), config.images.depth)
    if not cut.depth:
        return Shares(cut, balance(((name_hash(name), cost) for name, cost in costs), part.count))
    by_name = dict(costs)
    cut = cut_by_costs(cut, by_name, part.count)
    by_unit: dict[str, int] = {}
    for name, cost in by_name.items():
        unit = cut.unit(name)
        by_unit[unit] = by_unit.get(unit, 0) + cost
    return Shares(cut, balance(((name_hash(unit), cost) for unit, cost in by_unit.items()), part.count))


def _reads_subtrees(registry: RegistryConfig) -> bool:
    """Whether names may come from Google's folders, where a whole subtree belongs to one shard."""
    if registry.repositories_from is not None:
        return False
    if registry.discovery is DiscoveryMethod.AUTO:
        return registry.profile.is_google
    return registry.discovery_method in _WALKS


def _folder_of(output: Path, target: str, run_id: str) -> Path:
    folder = next((output / source_folder(target)).glob(f"date=*/run={run_id}"), None)
    if folder is None:
        raise SnapshotError(
            f"the group shares repositories out by the costs of run {printable(run_id)}, and that is not in the output "
            "folder: let all shards have the same output folder, or use another --group"
        )
    return folder


def _costs(snapshot: Path, depth: Depth) -> Iterator[tuple[str, int]]:
    """What each repository of a snapshot costs, in thousandths of an exchange: one for its listing, and one for each
    tag where depth reads what is behind the tags, else one for each thousand tags. One record at a time is in memory.
    Raises SnapshotError.
    """
    per_tag = 1000 if depth.reads_tags else 1
    with wrap_os_errors(snapshot):
        for part in sorted(snapshot.glob("part-*")):
            for line in read_lines(part):
                name, entries = _entries(line, part)
                yield name, 1000 + per_tag * entries


def _entries(line: bytes, part: Path) -> tuple[str, int]:
    """The name of a record, and how many tags or images it has."""
    try:
        record = orjson.loads(line)
        return record["repository"], max(len(record["tags"]), len(record["images"] or ()))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise SnapshotError(
            f"{quoted_path(part)}: a line is no record, and shards share repositories out by the costs of this snapshot"
        ) from None


def published_shard(output: Path, parameters: RunParameters) -> RunManifest | None:
    """The manifest of the shard that a run would be, where another run has published it. Raises SnapshotError."""
    folder = output / parameters.folder
    return read_run_manifest(folder) if parameters.group is not None and folder.exists() else None


def shard_report_file(
    parameters: RunParameters, plan: Plan, stats: RunStats, name_filter: NameFilter, seen: tuple[SeenNames, ...]
) -> dict[str, bytes]:
    """The name and the content of the file that a shard reports in."""
    report = ShardReport(
        parameters=parameters,
        names=stats.discovered,
        unresolved=stats.unresolved,
        nothing_matched=name_filter.nothing_matched,
        allowance_spent=plan.allowance.reason,
        seen=seen,
    )
    return {SHARD_REPORT: orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)}
