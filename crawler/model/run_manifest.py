"""The run manifest, `_run.json`: what a run did, its verdict, and the folder of its snapshot."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from crawler.model.shard import Shard

VERSION: Final = "0.1.0"
"""The version of the tool, as `_run.json` has it."""


class Verdict(StrEnum):
    """Whether a snapshot is known to hold the whole target."""

    COMPLETE = "complete"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How discovery ended.

    Attributes:
        complete: True only with proof that every name was found.
        text: the proof, or what is missing for a proof.
    """

    complete: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """Where the names came from.

    Attributes:
        method: the source that was used, such as `catalog`.
        pages: pages of names that were read. A shard that takes the names from its group's list has read none; a merged
            snapshot has the pages of all its shards.
        repositories: names that were found, after the target's prefix and the filters.
        complete: see `Evidence`.
        evidence: see `Evidence.text`.
    """

    method: str
    pages: int
    repositories: int
    complete: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of everything a run recorded.

    Attributes:
        repositories: the sum of the five outcomes.
        suspect: repositories whose listing may not be whole; they have an outcome as well.
        images: None where no record has a list of images.
        unread: images that were not read as deep as asked.
    """

    repositories: int = 0
    ok: int = 0
    missing: int = 0
    denied: int = 0
    failed: int = 0
    invalid: int = 0
    suspect: int = 0
    tags: int = 0
    images: int | None = None
    problems: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What a run cost.

    Attributes:
        total: all exchanges, those for tokens and the retries included.
        throttled: responses that asked the crawler to slow down, such as 429.
        bytes: of response bodies, decompressed.
        wait_s: seconds that exchanges waited for the limits, summed over all exchanges.
        by_kind: exchanges by their purpose: ping, catalog, listing, manifest, blob, referrers, token, api.
    """

    total: int = 0
    token: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
    wait_s: float = 0.0
    by_kind: dict[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """How often a manifest or config was found in the digest cache, and how often it had to be requested."""

    hits: int = 0
    misses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """One data file of a snapshot.

    Attributes:
        rows: records, one on each line.
        bytes: size of the file on the disk, compressed or not.
        sha256: of the file on the disk, in hexadecimal.
        longest_line: bytes, decompressed and without the newline. Some loaders have a limit.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    longest_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceKept:
    """How fast a run was allowed to be, and how fast it was.

    Attributes:
        configured: the limits, as a phrase.
        median_per_s: the median of the exchanges of each second; in a run of a few seconds their mean. In a merged
            snapshot it is that of all shards together, while any of them ran: shards that ran at the same time add up.
        lowest_concurrency: the lowest number of exchanges in flight to which throttling and time-outs limited the run.
            In a merged snapshot it is the lowest of any shard.
        set_by: the limit that exchanges waited for longest. In a merged snapshot it is that of most shards.
    """

    configured: str
    median_per_s: float
    lowest_concurrency: int
    set_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """How many seconds the listing of one repository took, waiting included."""

    repository: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The program that wrote the snapshot."""

    name: str
    version: str


TOOL: Final = Tool(name="registry-crawler", version=VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunManifest:
    """What a run did: `_run.json`, with the fields in this order.

    Attributes:
        target: as configured, `HOST[:PORT][/PREFIX]`.
        registry: the host, with its port if any.
        kind: the registry product, such as `harbor`.
        started_at: RFC 3339 UTC with milliseconds, as all times here.
        resumed_at: when the run was resumed, each time.
        identity: the authentication method and the account's name, or `anonymous`.
        reasons: why the verdict is partial; empty where it is complete.
        depth: how deep images were read: tags, digests, manifests or configs.
        referrers: how referrers were looked for: none, listed or api.
        shard: which part of a snapshot this is, such as `3/8`; None for a whole snapshot.
        group: the id of the shards that this is one of, or was merged from; None where there are none.
        problems: how many problems of each kind; `counts.problems` is their sum.
        requests: since the run was begun, or resumed for the last time.
        config: the effective configuration, without secrets.
        slowest: the ten repositories that took longest, the slowest first.
        previous_run_id: the target's last complete snapshot before this one; None where there is none.
    """

    schema: int
    run_id: str
    target: str
    registry: str
    kind: str
    tool: Tool
    started_at: str
    finished_at: str
    resumed_at: tuple[str, ...]
    identity: str
    verdict: Verdict
    reasons: tuple[str, ...]
    discovery: Discovered
    depth: str
    referrers: str
    shard: str | None = None
    group: str | None = None
    counts: Counts
    problems: dict[str, int] = field(hash=False)
    requests: Requests
    cache: CacheUse
    pace: PaceKept
    files: tuple[SnapshotFile, ...]
    config: dict[str, Any] = field(hash=False)
    slowest: tuple[Slow, ...]
    previous_run_id: str | None

    @property
    def folder(self) -> str:
        """The snapshot's folder, relative to the output folder. A shard's is where no loader looks."""
        if self.shard is not None and self.group is not None:
            return shard_folder(self.group, self.target, Shard.parse(self.shard))
        return snapshot_folder(self.target, self.started_at, self.run_id)


def snapshot_folder(target: str, started_at: str, run_id: str) -> str:
    """A snapshot's folder, relative to the output folder: `source=…/date=…/run=…`, by which loaders partition."""
    return f"{source_folder(target)}/date={started_at[:10]}/run={run_id}"


def source_folder(target: str) -> str:
    """The folder of a target's snapshots, relative to the output folder. `/` and `:` become `%2F` and `%3A`."""
    return f"source={quote(target, safe='[]')}"


SHARDS: Final = ".shards"
"""The folder of shards that are not merged yet, in the output folder. Its name begins with a dot: no loader looks."""


def group_folder(group: str, target: str) -> str:
    """The folder of a target's shards, relative to the output folder."""
    return f"{SHARDS}/{group}/{source_folder(target)}"


def shard_folder(group: str, target: str, shard: Shard) -> str:
    """The folder of one shard, relative to the output folder."""
    return f"{group_folder(group, target)}/{shard.folder_name}"
