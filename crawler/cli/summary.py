"""The summary of a run that has ended: whether its snapshot can be trusted, and a few of its records."""

from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from pathlib import Path
from typing import Final

import orjson

from crawler.cli.shown_run import ShownRun
from crawler.config import Config
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.record import Outcome, Record, count_unread
from crawler.model.run_manifest import CacheUse, Counts, Requests, RunManifest, Verdict
from crawler.model.words import duration_text
from crawler.snapshot.parts import open_part
from crawler.untrusted_text import quoted_path

_READABLE_LENGTH: Final = 800
_READABLE_LENGTH_IN_DEPTH: Final = 4000
"""Bytes of a record that people can still read: an image with its config alone takes about two thousand."""

_DEPTH_PURPOSES: Final = ("manifest", "blob", "referrers")
"""Purposes of the exchanges that --depth and --referrers cost; see `Requests.by_kind`."""


def summary(crawl: ShownRun, run_manifest: RunManifest, config: Config, lake: str = "") -> str:
    """Return the summary: the verdict and its reasons, the counts, the cost, and the path of the snapshot.

    `lake` is what there is to say of the lake.
    """
    counts, requests = run_manifest.counts, run_manifest.requests
    seconds = max(crawl.progress.seconds, 1e-3)
    outcomes = ", ".join(f"{getattr(counts, outcome):,} {outcome}" for outcome in Outcome)
    verdict = "COMPLETE" if run_manifest.verdict is Verdict.COMPLETE else "PARTIAL"
    lines = [f"{verdict}: {run_manifest.target}, {duration_text(seconds)}"]
    lines += [f"  because      {reason}" for reason in run_manifest.reasons]
    lines.append(f"  identity     {run_manifest.identity}")
    if run_manifest.shard is not None:
        part, group = run_manifest.shard, run_manifest.group
        lines.append(f"  shard        {part} of group {group}: `merge --group {group}` makes the snapshot")
    if run_manifest.resumed_at:
        lines.append(f"  resumed      at {', '.join(run_manifest.resumed_at)}; begun at {run_manifest.started_at}")
    if (run_manifest.depth, run_manifest.referrers) != (Depth.TAGS, ReferrersLevel.NONE):
        lines.append(f"  depth        {_depth_text(run_manifest)}")
    lines += [
        f"  repositories {counts.repositories:,}: {outcomes}",
        f"  contents     {_contents_text(counts)}",
    ]
    if run_manifest.problems:
        lines.append(f"  problems     {_problems_text(run_manifest.problems)}")
    lines += [
        f"  discovery    {run_manifest.discovery.evidence}",
        f"  exchanges    {_requests_text(requests)}, {requests.total / seconds:,.0f}/s",
        f"  pace         {_pace_text(run_manifest, run_manifest.pace.set_by)}",
    ]
    if crawl.cheaper_auth_exists and requests.token:
        lines.append(f"  cheaper      --auth access-token needs none of the {requests.token:,} exchanges for tokens")
    lines += [f"  for example  {_failure_text(record)}" for record in crawl.sample_failures]
    if crawl.writes_snapshot:
        lines.append(f"  snapshot     {quoted_path(config.output.path / run_manifest.folder)}")
    if lake:
        lines.append(f"  lake         {lake}")
    return "\n".join(lines)


def _requests_text(requests: Requests) -> str:
    for_depth = sum(requests.by_kind.get(purpose, 0) for purpose in _DEPTH_PURPOSES)
    parts = [f"{for_depth:,} for images"] if for_depth else []
    retries = _counted(requests.retries, "retry", "retries")
    parts += [f"{requests.token:,} for tokens", retries, f"{requests.throttled:,} throttled"]
    return f"{requests.total:,} ({', '.join(parts)})"


def _contents_text(counts: Counts) -> str:
    images = "no images listed" if counts.images is None else _counted(counts.images, "image", "images")
    return f"{_counted(counts.tags, 'tag', 'tags')}, {images}"


def _problems_text(problems: Mapping[str, int]) -> str:
    """How many problems there are, and of which kinds, the most frequent first."""
    kinds = sorted(problems.items(), key=lambda item: (-item[1], item[0]))
    by_kind = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    return f"{sum(problems.values()):,}: {by_kind}"


def _depth_text(run_manifest: RunManifest) -> str:
    """How deep images were read, and what the cache saved."""
    referrers = run_manifest.referrers
    parts = [run_manifest.depth, f"referrers {referrers}" if referrers != ReferrersLevel.NONE else ""]
    return "; ".join(part for part in (*parts, _cache_text(run_manifest.cache)) if part)


def _cache_text(cache: CacheUse) -> str:
    looked_up = cache.hits + cache.misses
    return f"{cache.hits:,} of {looked_up:,} manifests and configs from the cache" if looked_up else ""


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _pace_text(run_manifest: RunManifest, set_by: str) -> str:
    """The configured pace, the median pace that was reached, and what limited it."""
    pace = run_manifest.pace
    return f"{pace.configured}; kept {pace.median_per_s:,.4g}/s, set by {set_by}"


def _failure_text(record: Record) -> str:
    if record.error is not None:
        return f"{record.outcome} {record.repository}: {record.error.code}: {record.error.message}"
    if record.suspect is not None:
        return f"{record.outcome} {record.repository}: {record.suspect}"
    problem = next(problem for problem in record.problems if count_unread([problem.key]).images)
    image = f":{problem.tag}" if problem.tag is not None else f"@{problem.digest}"
    return f"unread {record.repository}{image}: {problem.code}: {problem.message}"


def example_records(snapshot: Path, run_manifest: RunManifest, count: int) -> list[bytes]:
    """Return the lines of up to `count` records: one of each outcome first, and short records before long ones.

    Raises OSError.
    """
    longest = _READABLE_LENGTH if run_manifest.depth == Depth.TAGS else _READABLE_LENGTH_IN_DEPTH
    return nsmallest(count, _record_lines(snapshot, run_manifest), key=_example_order(longest))


def _record_lines(snapshot: Path, run_manifest: RunManifest) -> Iterator[bytes]:
    for file in run_manifest.files:
        with open_part(snapshot / file.name) as lines:
            yield from lines


def _example_order(longest: int) -> Callable[[bytes], tuple[bool, bool]]:
    """Return a sort key for records, the best example lowest: first those of fewer than `longest` bytes.

    The key remembers which outcomes it has seen.
    """
    seen: set[str] = set()

    def rank(line: bytes) -> tuple[bool, bool]:
        record = orjson.loads(line)
        is_readable = len(line) < longest and bool(record["tags"] or record["error"])
        is_first = is_readable and record["outcome"] not in seen
        if is_first:
            seen.add(record["outcome"])
        return not is_first, not is_readable

    return rank
