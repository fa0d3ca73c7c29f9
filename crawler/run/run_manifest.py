"""What happened becomes the run manifest: `_run.json`, with a verdict and the reasons for doubt."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crawler.model.depth import ReferrersLevel
from crawler.model.record import SCHEMA
from crawler.model.run_manifest import (
    TOOL,
    CacheUse,
    Discovered,
    Evidence,
    PaceKept,
    Requests,
    RunManifest,
    SnapshotFile,
    Verdict,
)
from crawler.model.run_parameters import RunParameters
from crawler.model.timestamps import timestamp
from crawler.model.words import repositories
from crawler.run.assemble import OpenParts
from crawler.run.plan import Plan
from crawler.run.throughput import describe_pace
from crawler.snapshot.reader import PublishedRun
from crawler.stats import RunStats
from crawler.verdict import Findings, reasons_for_doubt

if TYPE_CHECKING:
    from crawler.run.inspection import Inspection


def build_run_manifest(
    plan: Plan,
    *,
    parameters: RunParameters,
    identity: str,
    parts: OpenParts,
    nothing_matched: str | None,
    stats: RunStats,
    median_per_s: float,
    files: tuple[SnapshotFile, ...],
    inspection: "Inspection | None",
    previous: PublishedRun | None,
) -> RunManifest:
    """The manifest of a run that came to its end.

    `nothing_matched` says why the prefix or the filters left out every name. `previous` is the last complete snapshot
    of the target.
    """
    discovery = parts.discovery
    evidence = _with_notes(discovery.evidence, stats)
    expected = plan.config.verdict
    reasons = reasons_for_doubt(
        Findings(
            evidence=evidence,
            counts=stats.counts,
            names=stats.discovered,
            nothing_matched=None if stats.recorded else nothing_matched,
            expect=expected.expect,
            max_shrink=expected.max_shrink,
            previous_ok=None if previous is None else previous.ok,
            unresolved=stats.unresolved,
            allowance_spent=plan.allowance.reason,
        )
    )
    return RunManifest(
        schema=SCHEMA,
        run_id=parameters.run_id,
        target=parameters.target,
        registry=plan.registry.target.registry,
        kind=parameters.kind,
        tool=TOOL,
        started_at=parameters.started_at,
        # the clock may have been put back since, and a run that ends before it begins makes no sense to any reader
        finished_at=max(timestamp(datetime.now(UTC)), parameters.started_at, *parameters.resumed_at),
        resumed_at=parameters.resumed_at,
        identity=identity,
        verdict=Verdict.PARTIAL if reasons else Verdict.COMPLETE,
        reasons=reasons,
        discovery=Discovered(
            method=discovery.method,
            pages=discovery.pages_read,
            repositories=stats.discovered,
            complete=evidence.complete,
            evidence="; ".join((evidence.text, *parts.notes, *_without_images(plan, stats, inspection))),
        ),
        depth=plan.config.images.depth,
        referrers=plan.config.images.referrers,
        shard=None if parameters.part is None else str(parameters.part),
        group=parameters.group,
        counts=stats.counts,
        problems=dict(sorted(stats.problems.items())),
        cache=CacheUse() if inspection is None else inspection.cache_use,
        requests=_requests(plan),
        pace=_pace(plan, median_per_s),
        files=files,
        config=plan.config.effective(plan.registry),
        slowest=stats.slowest,
        previous_run_id=None if previous is None else previous.run_id,
    )


def _with_notes(evidence: Evidence, stats: RunStats) -> Evidence:
    text = evidence.text
    if stats.filtered_out:
        text += f"; {stats.filtered_out:,} of them left out by the target's prefix or the filters"
    if stats.no_longer_listed:
        text += f"; {repositories(stats.no_longer_listed)} recorded before the interruption and no longer listed"
    return Evidence(evidence.complete, text)


def _without_images(plan: Plan, stats: RunStats, inspection: "Inspection | None") -> tuple[str, ...]:
    """A note for who asks for referrers of images that nothing tells of."""
    if inspection is None or plan.config.images.referrers is ReferrersLevel.NONE or stats.images is not None:
        return ()
    return ("no referrers were looked for, because no images are known: --depth digests finds them",)


def _requests(plan: Plan) -> Requests:
    requests = plan.limits.requests
    return Requests(
        total=requests.total,
        token=requests.token,
        retries=requests.retries,
        throttled=requests.throttled,
        bytes=requests.bytes,
        wait_s=round(plan.limits.wait_s, 3),
        by_kind={purpose.value: count for purpose, count in sorted(requests.by_kind.items())},
    )


def _pace(plan: Plan, median_per_s: float) -> PaceKept:
    return PaceKept(
        configured=describe_pace(plan.config.limits.concurrency, plan.quota),
        median_per_s=round(median_per_s, 1),
        lowest_concurrency=plan.limiter.lowest_limit,
        set_by=plan.limiter.held_by,
    )
