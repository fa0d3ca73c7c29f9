"""The values that flow through a crawl: frozen, and checked where they are made."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

from crawler.grammar import MAX_NAME_LENGTH, NAME, read_target, split_port
from crawler.name_mistakes import name_mistake

VERSION: Final = "0.1.0"
"""The version of the tool, as _run.json names it."""

SCHEMA: Final = 2
"""The version of the record and of _run.json."""


class RepositoryName(str):
    """A repository's full name on its host, known to fit the specification's grammar.

    Raises ValueError for any other text, so that a stranger's string never enters a URL, a path or a header.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_NAME_LENGTH or NAME.fullmatch(text) is None:
            raise ValueError(f"not a repository name: it {name_mistake(text)}")
        return super().__new__(cls, text)


@dataclass(frozen=True, slots=True)
class Target:
    """What a snapshot is of: a registry's host, with its port if any, and maybe a prefix of repository names."""

    registry: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST[:PORT][/PREFIX]`. Raises ValueError, which says what is wrong and what to write instead.

        A Google project of a domain may be written as Google does: `gcr.io/example.com:my-project`.
        """
        return cls(*read_target(text))

    @property
    def host(self) -> str:
        """The host alone, an IPv6 address without its brackets."""
        return split_port(self.registry)[0].strip("[]")

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def covers(self, name: str) -> bool:
        """Whether a repository of that name lies under the prefix."""
        return not self.prefix or name == self.prefix or name.startswith(f"{self.prefix}/")

    def __str__(self) -> str:
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` exchanges may begin in any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit, the narrowest window first, and whose it is: registries of one `whose` share it."""

    whose: str
    windows: tuple[Rate, ...]

    @property
    def per_second(self) -> float:
        return self.windows[0].count / self.windows[0].seconds


class AuthMethod(StrEnum):
    """How we say who we are."""

    AUTO = "auto"
    TOKEN = "token"  # noqa: S105  (the name of a flow)
    ACCESS_TOKEN = "access-token"  # noqa: S105
    JSON_KEY = "json-key"
    BASIC = "basic"
    DOCKER_CONFIG = "docker-config"
    ANONYMOUS = "anonymous"


class Outcome(StrEnum):
    """What became of one repository."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    FAILED = "failed"
    INVALID = "invalid"


class Verdict(StrEnum):
    """Whether a snapshot may be taken for the whole registry."""

    COMPLETE = "complete"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a registry, or we in its place, say of a failed question: `message` is escaped and capped."""

    code: str
    http_status: int | None
    message: str


class Image(NamedTuple):
    """One manifest of a repository, as a listing tells it. Times are RFC 3339 UTC with milliseconds, or None.

    A tuple, as there are many of them: a frozen dataclass takes four times as long to make.
    """

    digest: str
    tags: tuple[str, ...]
    media_type: str | None
    size_bytes: int | None
    created_at: str | None
    uploaded_at: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What tags/list answered: `images` and `children` are None where this registry does not tell them."""

    tags: tuple[str, ...]
    images: tuple[Image, ...] | None = None
    children: tuple[str, ...] | None = None
    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something broken in a repository; `problem` is the kind of it, None stands where a field does not apply."""

    problem: str
    tag: str | None
    digest: str | None
    code: str | None
    http_status: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One repository of the snapshot, field by field one JSON line."""

    schema: int
    run_id: str
    target: str
    registry: str
    repository: str
    outcome: Outcome
    tags: tuple[str, ...]
    images: tuple[Image, ...] | None
    children: tuple[str, ...] | None
    problems: tuple[Problem, ...]
    suspect: str | None
    error: Fault | None
    observed_at: str


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


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-23T02:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
