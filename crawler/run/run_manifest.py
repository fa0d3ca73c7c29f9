"""What happened, as a run tells it: `_run.json`, with a verdict and the reasons for doubt."""

from datetime import UTC, datetime
from typing import Any, Final

from crawler.config import VerdictConfig
from crawler.discovery import Discovery
from crawler.discovery.name_filter import NameFilter
from crawler.model.record import SCHEMA
from crawler.model.run_manifest import (
    VERSION,
    Discovered,
    Evidence,
    PaceKept,
    Requests,
    RunManifest,
    SnapshotFile,
    Tool,
    Verdict,
)
from crawler.model.run_parameters import RunParameters
from crawler.model.timestamps import timestamp
from crawler.snapshot.reader import PublishedRun
from crawler.stats import RunStats
from crawler.transport.fetch import Transport
from crawler.verdict import Findings, reasons_for_doubt, repositories

TOOL: Final = Tool(name="registry-crawler", version=VERSION)


def build_run_manifest(
    *,
    parameters: RunParameters,
    registry: str,
    identity: str,
    expected: VerdictConfig,
    config: dict[str, Any],
    discovery: Discovery,
    name_filter: NameFilter,
    stats: RunStats,
    transport: Transport,
    pace: PaceKept,
    files: tuple[SnapshotFile, ...],
    previous: PublishedRun | None,
) -> RunManifest:
    """The manifest of a run that came to its end. `previous` is the target's last complete snapshot."""
    evidence = _with_notes(discovery.evidence, stats)
    reasons = reasons_for_doubt(
        Findings(
            evidence=evidence,
            counts=stats.counts,
            names=stats.discovered,
            nothing_matched=None if stats.recorded else name_filter.nothing_matched,
            expect=expected.expect,
            max_shrink=expected.max_shrink,
            previous_ok=None if previous is None else previous.ok,
        )
    )
    return RunManifest(
        schema=SCHEMA,
        run_id=parameters.run_id,
        target=parameters.target,
        registry=registry,
        kind=parameters.kind,
        tool=TOOL,
        started_at=parameters.started_at,
        # the clock may have been put back meanwhile, and nobody expects a run to end before it begins
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
            evidence=evidence.text,
        ),
        counts=stats.counts,
        requests=_requests(transport),
        pace=pace,
        files=files,
        config=config,
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


def _requests(transport: Transport) -> Requests:
    exchanges = transport.limits.requests
    return Requests(
        total=exchanges.total,
        token=exchanges.token,
        retries=exchanges.retries,
        throttled=exchanges.throttled,
        bytes=exchanges.bytes,
        wait_s=round(transport.limits.wait_s, 3),
        by_kind={purpose.value: count for purpose, count in sorted(exchanges.by_kind.items())},
    )
