"""A record of the snapshot, and what a record is made of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from crawler.model.image import Image

SCHEMA: Final = 2
"""The version of the record and of `_run.json`."""


class Outcome(StrEnum):
    """The result of listing one repository."""

    OK = "ok"
    MISSING = "missing"
    """404, in the registry's own words."""
    DENIED = "denied"
    """401 or 403, even after refreshing the token."""
    FAILED = "failed"
    """Any other error, after the retries."""
    INVALID = "invalid"
    """A name that no registry may have. It is never requested."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """Why a request failed, from the registry's error body, or from the crawler where there is none.

    Attributes:
        code: the registry's error code, such as `NAME_UNKNOWN`; else `HTTP_503` or a code of the crawler.
        http_status: None where no response came.
        message: escaped and shortened.
    """

    code: str
    http_status: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a repository, from all pages of `tags/list`.

    Attributes:
        tags: as the registry orders them, without duplicates.
        images: ordered by digest; None where the registry does not list images.
        children: Google's folders and repositories below this one; None where the registry does not list them.
        suspect: why the listing may not be whole; None where nothing suggests so.
    """

    tags: tuple[str, ...]
    images: tuple[Image, ...] | None = None
    children: tuple[str, ...] | None = None
    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is broken in a repository. A field that does not apply is None.

    Attributes:
        problem: the kind of problem, such as `dangling-tag`; `record_fields` lists all kinds.
        message: escaped and shortened.
    """

    problem: str
    tag: str | None
    digest: str | None
    code: str | None
    http_status: int | None
    message: str


class Record(NamedTuple):
    """One repository of the snapshot: one JSON line, with the fields in this order.

    `record_fields.RECORD` has the meaning of each field. A tuple, because every exchange makes one: a frozen dataclass
    of thirteen fields takes 1.7 µs and twelve function calls more.
    """

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
"""Outcomes that a resumed run keeps. Repositories with another outcome are listed again: it may have changed."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A record of the journal, reduced to what a resumed run needs: a whole journal of records may not fit in memory.

    Attributes:
        tags: how many.
        images: how many; None where images were not listed.
        children: see `Listing.children`; empty where they were not listed.
        problems: how many.
        suspect: whether the listing may not be whole.
    """

    repository: str
    outcome: Outcome
    tags: int
    images: int | None
    children: tuple[str, ...]
    problems: int
    suspect: bool

    @property
    def is_final(self) -> bool:
        """Whether a resumed run keeps the record. Otherwise it lists the repository again."""
        return self.outcome in _FINAL and not self.suspect
