"""What the shards of a group did together: their run manifests become one, with the verdict of the whole."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from crawler.config import MergeConfig, VerdictConfig
from crawler.model.run_manifest import (
    TOOL,
    CacheUse,
    Counts,
    Discovered,
    Evidence,
    PaceKept,
    Requests,
    RunManifest,
    SnapshotFile,
    Verdict,
)
from crawler.scale.evidence import joint_evidence
from crawler.scale.group import Group
from crawler.snapshot.reader import PublishedRun
from crawler.stats import SLOWEST_KEPT
from crawler.verdict import Findings, reasons_for_doubt


def merged_run_id(group: Group) -> str:
    """The id of the snapshot that a group is merged into. The same shards give the same id, in whatever order.

    All merges of a group begin at the same time, and of runs that do, the one with the greater id is the newer one. So
    the id has how many shards have reported, and how many milliseconds after the beginning the last of them ended: a
    later merge has more shards, or one that was crawled again.
    """
    runs = sorted(each.run_manifest.run_id for each in group.shards)
    digest = sha256("\n".join([group.group, group.target, *runs]).encode()).hexdigest()
    began, ended = (datetime.fromisoformat(time) for time in (started_at(group), _finished_at(group)))
    lasted_ms = (ended - began) // timedelta(milliseconds=1)
    return f"{began:%Y%m%dT%H%M%SZ}-{len(group.shards):05d}-{lasted_ms:010d}-{digest[:8]}"


def started_at(group: Group) -> str:
    """When the group agreed on its terms, which is before any shard has listed a repository.

    It is the same whichever shards have reported. Shards from several disks without a lake have agreed on nothing:
    then it is when the first of them began.
    """
    return min(each.report.parameters.agreed_at or each.run_manifest.started_at for each in group.shards)


def _finished_at(group: Group) -> str:
    """When the last shard ended. Where clocks differ, no run ends before it begins: that makes no sense to a reader."""
    return max(started_at(group), *(each.run_manifest.finished_at for each in group.shards))


def merge_run_manifests(
    group: Group, files: tuple[SnapshotFile, ...], previous: PublishedRun | None, config: MergeConfig
) -> RunManifest:
    """The manifest of the merged snapshot, whose data files are `files`.

    `previous` is the last complete snapshot of the target.
    """
    parts = [each.run_manifest for each in group.shards]
    first, evidence, counts = parts[0], joint_evidence(group), _counts(each.counts for each in parts)
    reasons = _reasons(group, evidence, counts, previous, config.verdict)
    return replace(
        first,
        run_id=merged_run_id(group),
        tool=TOOL,
        started_at=started_at(group),
        finished_at=_finished_at(group),
        resumed_at=tuple(sorted({at for each in parts for at in each.resumed_at})),
        identity=", ".join(dict.fromkeys(each.identity for each in parts)),
        verdict=Verdict.PARTIAL if reasons else Verdict.COMPLETE,
        reasons=reasons,
        discovery=Discovered(
            method=", ".join(dict.fromkeys(each.discovery.method for each in parts)),
            pages=sum(each.discovery.pages for each in parts),
            repositories=sum(each.discovery.repositories for each in parts),
            complete=evidence.complete,
            evidence=evidence.text,
        ),
        shard=None,
        counts=counts,
        problems=dict(sorted(_sums(each.problems for each in parts).items())),
        requests=_requests([each.requests for each in parts]),
        cache=CacheUse(hits=sum(each.cache.hits for each in parts), misses=sum(each.cache.misses for each in parts)),
        pace=_pace(parts),
        files=files,
        config=_config(first.config, config),
        slowest=tuple(sorted((slow for each in parts for slow in each.slowest), key=_by_time)[:SLOWEST_KEPT]),
        previous_run_id=None if previous is None else previous.run_id,
    )


def _reasons(
    group: Group, evidence: Evidence, counts: Counts, previous: PublishedRun | None, expected: VerdictConfig
) -> tuple[str, ...]:
    reports = [each.report for each in group.shards]
    nothing = [each.nothing_matched for each in reports if each.nothing_matched is not None]
    spent = [each.allowance_spent for each in reports if each.allowance_spent is not None]
    # a name too many in one shard does not make up for one too few in another
    without = max((each.report.names - each.run_manifest.counts.repositories for each in group.shards), key=abs)
    return reasons_for_doubt(
        Findings(
            evidence=evidence,
            counts=counts,
            names=counts.repositories + without,
            nothing_matched=nothing[0] if nothing and not counts.repositories else None,
            expect=expected.expect,
            max_shrink=expected.max_shrink,
            previous_ok=None if previous is None else previous.ok,
            unresolved=sum(each.unresolved for each in reports),
            allowance_spent=spent[0] if spent else None,
        )
    )


def _counts(parts: Iterable[Counts]) -> Counts:
    values = [{field.name: getattr(part, field.name) for field in fields(Counts)} for part in parts]
    images = [value.pop("images") for value in values]
    told = [count for count in images if count is not None]
    return Counts(images=sum(told) if told else None, **_sums(values))


def _requests(parts: Sequence[Requests]) -> Requests:
    return Requests(
        total=sum(part.total for part in parts),
        token=sum(part.token for part in parts),
        retries=sum(part.retries for part in parts),
        throttled=sum(part.throttled for part in parts),
        bytes=sum(part.bytes for part in parts),
        wait_s=round(sum(part.wait_s for part in parts), 3),
        by_kind=dict(sorted(_sums(part.by_kind for part in parts).items())),
    )


def _pace(parts: Sequence[RunManifest]) -> PaceKept:
    """What all shards together kept; see `PaceKept`."""
    paces = [part.pace for part in parts]
    return PaceKept(
        configured=f"{len(parts)} shards, each {paces[0].configured}",
        median_per_s=round(_joint_pace(parts), 1),
        lowest_concurrency=min(pace.lowest_concurrency for pace in paces),
        set_by=Counter(pace.set_by for pace in paces).most_common(1)[0][0],
    )


def _joint_pace(parts: Sequence[RunManifest]) -> float:
    """Exchanges a second while any shard ran. A scheduler may let shards wait for each other: their sum is no pace."""
    spans = sorted(
        (datetime.fromisoformat(part.started_at), datetime.fromisoformat(part.finished_at)) for part in parts
    )
    busy, until = timedelta(0), spans[0][0]
    for began, ended in spans:
        busy += max(ended - max(began, until), timedelta(0))
        until = max(until, ended)
    if not busy:
        return sum(part.pace.median_per_s for part in parts)
    return sum(part.pace.median_per_s * (_lasted(part) / busy) for part in parts)


def _lasted(part: RunManifest) -> timedelta:
    return datetime.fromisoformat(part.finished_at) - datetime.fromisoformat(part.started_at)


def _config(of_shards: dict[str, Any], config: MergeConfig) -> dict[str, Any]:
    """The configuration of the shards, with what was decided at the merge."""
    own = config.model_dump(mode="json", include={"output", "cache", "verdict", "metrics", "lake"})
    return {**of_shards, **own, "scale": {**of_shards.get("scale", {}), "shard": None}}


def _sums(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _by_time(slow: Any) -> float:
    return -float(slow.seconds)
