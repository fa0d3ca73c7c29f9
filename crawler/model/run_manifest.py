"""A run's account of itself: `_run.json`, and where its snapshot lies."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

VERSION: Final = "0.1.0"
"""The version of the tool, as _run.json names it."""


class Verdict(StrEnum):
    """Whether a snapshot may be taken for the whole registry."""

    COMPLETE = "complete"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How discovery ended: `complete` is True only with proof, and `text` says in words what the proof is or lacks."""

    complete: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """`_run.json`'s account of where the names came from."""

    method: str
    pages: int
    repositories: int
    complete: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of everything a run recorded. `repositories` is the sum of the five outcomes.

    `images` is None where no record had any listed: not asked, or not this registry's to say.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What a run cost. `bytes` are bodies as decompressed; `wait_s` sums the seconds spent waiting for the pace.

    `by_kind` counts exchanges by what they were for: ping, catalog, listing, token, api.
    """

    total: int = 0
    token: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
    wait_s: float = 0.0
    by_kind: dict[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """One data file of a snapshot; `bytes` and `sha256` are of the file as it lies there, compressed or not.

    `longest_line` is in bytes, decompressed and without its newline: some loaders have a limit.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    longest_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceKept:
    """How fast a run was allowed to be, in words, and how fast it was.

    `median_per_s` is of the exchanges of each second, for a run of a few seconds their mean; `lowest_concurrency` is
    how few exchanges at once the registry's throttling and time-outs brought it down to. `set_by` says what exchanges
    waited for longest.
    """

    configured: str
    median_per_s: float
    lowest_concurrency: int
    set_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """How long one repository took, waiting included."""

    repository: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Who wrote the snapshot."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunManifest:
    """A run's account of itself: `_run.json`, field by field. `reasons` is empty when the verdict is complete.

    `identity` is the authentication method and the account's name, or `anonymous`. `requests` are those since the run
    was begun, or resumed for the last time. `previous_run_id` is the target's last complete snapshot before this one.
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
    counts: Counts
    requests: Requests
    pace: PaceKept
    files: tuple[SnapshotFile, ...]
    config: dict[str, Any] = field(hash=False)
    slowest: tuple[Slow, ...]
    previous_run_id: str | None

    @property
    def folder(self) -> str:
        """Where the snapshot lies, relative to the output folder."""
        return snapshot_folder(self.target, self.started_at, self.run_id)


def snapshot_folder(target: str, started_at: str, run_id: str) -> str:
    """`source=…/date=…/run=…`, by which loaders partition; `/` and `:` of a target are written `%2F` and `%3A`."""
    return f"{source_folder(target)}/date={started_at[:10]}/run={run_id}"


def source_folder(target: str) -> str:
    """The folder of a target's snapshots, relative to the output folder."""
    return f"source={quote(target, safe='[]')}"
