"""What a person reads when a run has ended: whether its snapshot can be trusted, and a few of its records."""

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

_SHORT: Final = 700
_LONGEST_PATH: Final = 4096


def summary(crawl: Crawl, manifest: RunManifest, config: Config) -> str:
    """The run at a glance: the verdict and why, the counts, the price, and where the snapshot lies."""
    counts, requests = manifest.counts, manifest.requests
    seconds = max(crawl.progress.seconds, 1e-3)
    outcomes = ", ".join(f"{getattr(counts, outcome):,} {outcome}" for outcome in Outcome)
    verdict = "COMPLETE" if manifest.verdict is Verdict.COMPLETE else "PARTIAL"
    lines = [f"{verdict}: {manifest.target}, {_duration(seconds)}"]
    lines += [f"  because      {reason}" for reason in manifest.reasons]
    lines.append(f"  identity     {manifest.identity}")
    if manifest.resumed_at:
        lines.append(f"  resumed      at {', '.join(manifest.resumed_at)}; begun at {manifest.started_at}")
    lines += [
        f"  repositories {counts.repositories:,}: {outcomes}",
        f"  contents     {_counts_line(counts)}",
        f"  discovery    {manifest.discovery.evidence}",
        f"  exchanges    {_cost(requests)}, {requests.total / seconds:,.0f}/s",
        f"  pace         {_pace(manifest, manifest.pace.set_by)}",
    ]
    if crawl.cheaper_auth_exists and requests.token:
        lines.append(f"  cheaper      --auth access-token finds the same without the {requests.token:,} for tokens")
    lines += [f"  for example  {_failure_line(record)}" for record in crawl.sample_failures]
    if crawl.writes_snapshot:
        lines.append(f"  snapshot     {printable(str(config.output.path / manifest.folder), _LONGEST_PATH)}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _cost(requests: Requests) -> str:
    parts = f"{requests.token:,} for tokens, {requests.retries:,} retries, {requests.throttled:,} throttled"
    return f"{requests.total:,} ({parts})"


def _counts_line(counts: Counts) -> str:
    images = "no images listed" if counts.images is None else f"{counts.images:,} images"
    problems = f", {counts.problems:,} problems" if counts.problems else ""
    return f"{counts.tags:,} tags, {images}{problems}"


def _pace(manifest: RunManifest, set_by: str) -> str:
    """The pace that was allowed, the one that was kept, and what set it."""
    kept = manifest.pace
    return f"{kept.configured}; kept {kept.median_per_s:,.4g}/s, set by {set_by}"


def _failure_line(record: Record) -> str:
    said = f": {record.error.code}: {record.error.message}" if record.error else f": {record.suspect}"
    return f"{record.outcome} {record.repository}{said}"


def examples(snapshot: Path, manifest: RunManifest, count: int) -> list[bytes]:
    """Up to `count` records as their lines: one of each outcome first, and those first that are short enough to read.

    Raises OSError.
    """
    return nsmallest(count, _lines(snapshot, manifest), key=_ranking())


def _lines(snapshot: Path, manifest: RunManifest) -> Iterator[bytes]:
    for file in manifest.files:
        with open_part(snapshot / file.name) as lines:
            yield from lines


def _ranking() -> Callable[[bytes], tuple[bool, bool]]:
    """A key by which records are shown, the lowest first; it remembers the outcomes that it has met."""
    met: set[str] = set()

    def rank(line: bytes) -> tuple[bool, bool]:
        record = orjson.loads(line)
        is_readable = len(line) < _SHORT and bool(record["tags"] or record["error"])
        is_first = is_readable and record["outcome"] not in met
        if is_first:
            met.add(record["outcome"])
        return not is_first, not is_readable

    return rank
