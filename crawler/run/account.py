"""What happened, as a run tells it: `_run.json`, with a verdict and the reasons for doubt."""

from datetime import UTC, datetime
from typing import Any, Final

from crawler.discovery import Discovery
from crawler.discovery.selection import Selection
from crawler.model import (
    SCHEMA,
    VERSION,
    Counts,
    Discovered,
    Evidence,
    Requests,
    RunManifest,
    SnapshotFile,
    Tool,
    Verdict,
    timestamp,
)
from crawler.snapshot.journal import Terms
from crawler.tally import Tally

TOOL: Final = Tool(name="registry-crawler", version=VERSION)


def account(
    *,
    terms: Terms,
    registry: str,
    config: dict[str, Any],
    discovery: Discovery,
    selection: Selection,
    tally: Tally,
    requests: Requests,
    files: tuple[SnapshotFile, ...],
) -> RunManifest:
    """The manifest of a run that came to its end."""
    assert tally.done == tally.known  # every name has its record
    evidence = _with_remarks(discovery.evidence, tally, selection)
    reasons = reasons_for_doubt(evidence, tally.counts)
    return RunManifest(
        schema=SCHEMA,
        run_id=terms.run_id,
        target=terms.target,
        registry=registry,
        tool=TOOL,
        started_at=terms.started_at,
        finished_at=timestamp(datetime.now(UTC)),
        verdict=Verdict.PARTIAL if reasons else Verdict.COMPLETE,
        reasons=reasons,
        discovery=Discovered(
            method=discovery.method,
            pages=discovery.pages_read,
            repositories=tally.known,
            complete=evidence.complete,
            evidence=evidence.text,
        ),
        counts=tally.counts,
        requests=requests,
        files=files,
        config=config,
        slowest=tally.slowest,
    )


def _with_remarks(evidence: Evidence, tally: Tally, selection: Selection) -> Evidence:
    text = evidence.text
    if tally.passed_over:
        text += f"; {tally.passed_over:,} of them left out by the target's prefix or the filters"
    if tally.gone:
        text += f"; {_repositories(tally.gone)} recorded before the interruption, and told of no more"
    nothing_matched = None if tally.done else selection.nothing_matched
    if nothing_matched is not None:
        text += f"; {nothing_matched}"
    return Evidence(evidence.complete and nothing_matched is None, text)


def reasons_for_doubt(evidence: Evidence, counts: Counts) -> tuple[str, ...]:
    """Why a snapshot may not be taken for the whole registry, in plain words; none for a complete one."""
    reasons = []
    if not evidence.complete:
        reasons.append(f"there may be repositories that nobody told of: {evidence.text}")
    if counts.denied:
        reasons.append(f"{_repositories(counts.denied)} denied")
    if counts.failed:
        reasons.append(f"{_repositories(counts.failed)} failed")
    if counts.suspect:
        reasons.append(f"{_repositories(counts.suspect)} with a listing that may not be whole")
    return tuple(reasons)


def _repositories(count: int) -> str:
    return f"{count:,} {'repository' if count == 1 else 'repositories'}"
