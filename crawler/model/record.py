"""A record of the snapshot, and the listing that it is made of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crawler.model.image import Image

SCHEMA: Final = 2
"""The version of the record and of _run.json."""


class Outcome(StrEnum):
    """What became of one repository."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    FAILED = "failed"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What a registry, or we in its place, say of a failed question: `message` is escaped and capped."""

    code: str
    http_status: int | None
    message: str


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
    error: ErrorDetail | None
    observed_at: str


_FINAL: Final = frozenset({Outcome.OK, Outcome.MISSING, Outcome.INVALID})
"""Outcomes that a resumed run keeps. The other outcomes may have changed, and are requested again."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What the counts of a run need of a journaled record. `images` is None where images were not listed."""

    repository: str
    outcome: Outcome
    tags: int
    images: int | None
    children: tuple[str, ...]
    problems: int
    suspect: bool

    @property
    def is_final(self) -> bool:
        """Whether a resumed run keeps the record, and does not list the repository again."""
        return self.outcome in _FINAL and not self.suspect
