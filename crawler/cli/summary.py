"""The summary of a run that has ended: whether its snapshot can be trusted, and a few of its records."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from heapq import nsmallest
from pathlib import Path
from typing import Final

import orjson

from crawler.config import Config
from crawler.model.record import Outcome, Record
from crawler.model.run_manifest import Counts, Requests, RunManifest, Verdict
from crawler.run.crawl import Crawl
from crawler.snapshot.parts import open_part
from crawler.untrusted_text import printable

_READABLE_LENGTH: Final = 800
_MAX_PATH_LENGTH: Final = 4096


def summary(crawl: Crawl, run_manifest: RunManifest, config: Config) -> str:
    """Return the summary: the verdict and its reasons, the counts, the cost, and the path of the snapshot."""
    counts, requests = run_manifest.counts, run_manifest.requests
    seconds = max(crawl.progress.seconds, 1e-3)
    outcomes = ", ".join(f"{getattr(counts, outcome):,} {outcome}" for outcome in Outcome)
    verdict = "COMPLETE" if run_manifest.verdict is Verdict.COMPLETE else "PARTIAL"
    lines = [f"{verdict}: {run_manifest.target}, {_duration_text(seconds)}"]
    lines += [f"  because      {reason}" for reason in run_manifest.reasons]
    lines.append(f"  identity     {run_manifest.identity}")
    if run_manifest.resumed_at:
        lines.append(f"  resumed      at {', '.join(run_manifest.resumed_at)}; begun at {run_manifest.started_at}")
    lines += [
        f"  repositories {counts.repositories:,}: {outcomes}",
        f"  contents     {_counts_text(counts)}",
        f"  discovery    {run_manifest.discovery.evidence}",
        f"  exchanges    {_requests_text(requests)}, {requests.total / seconds:,.0f}/s",
        f"  pace         {_pace_text(run_manifest, run_manifest.pace.set_by)}",
    ]
    if crawl.cheaper_auth_exists and requests.token:
        lines.append(f"  cheaper      --auth access-token needs none of the {requests.token:,} exchanges for tokens")
    lines += [f"  for example  {_failure_text(record)}" for record in crawl.sample_failures]
    if crawl.writes_snapshot:
        lines.append(f"  snapshot     {printable(str(config.output.path / run_manifest.folder), _MAX_PATH_LENGTH)}")
    return "\n".join(lines)


def _duration_text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _requests_text(requests: Requests) -> str:
    parts = f"{requests.token:,} for tokens, {requests.retries:,} retries, {requests.throttled:,} throttled"
    return f"{requests.total:,} ({parts})"


def _counts_text(counts: Counts) -> str:
    images = "no images listed" if counts.images is None else f"{counts.images:,} images"
    problems = f", {counts.problems:,} problems" if counts.problems else ""
    return f"{counts.tags:,} tags, {images}{problems}"


def _pace_text(run_manifest: RunManifest, set_by: str) -> str:
    """The configured pace, the median pace that was reached, and what limited it."""
    pace = run_manifest.pace
    return f"{pace.configured}; kept {pace.median_per_s:,.4g}/s, set by {set_by}"


def _failure_text(record: Record) -> str:
    reason = f"{record.error.code}: {record.error.message}" if record.error else record.suspect
    return f"{record.outcome} {record.repository}: {reason}"


def example_records(snapshot: Path, run_manifest: RunManifest, count: int) -> list[bytes]:
    """Return the lines of up to `count` records: one of each outcome first, and short records before long ones.

    Raises OSError.
    """
    return nsmallest(count, _record_lines(snapshot, run_manifest), key=_example_order())


def _record_lines(snapshot: Path, run_manifest: RunManifest) -> Iterator[bytes]:
    for file in run_manifest.files:
        with open_part(snapshot / file.name) as lines:
            yield from lines


def _example_order() -> Callable[[bytes], tuple[bool, bool]]:
    """Return a sort key for records, the best example lowest. It remembers which outcomes it has seen."""
    seen: set[str] = set()

    def rank(line: bytes) -> tuple[bool, bool]:
        record = orjson.loads(line)
        is_readable = len(line) < _READABLE_LENGTH and bool(record["tags"] or record["error"])
        is_first = is_readable and record["outcome"] not in seen
        if is_first:
            seen.add(record["outcome"])
        return not is_first, not is_readable

    return rank
