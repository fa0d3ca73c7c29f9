"""A record of the snapshot, and what a record is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from crawler.model.image import Image
from crawler.model.value import Value

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


class Listing(Value, frozen=True, gc=False):
    """The content of a repository, from all pages of `tags/list`.

    Attributes:
        tags: as the registry orders them, without duplicates.
        images: ordered by digest; None where the registry does not list images.
        children: Google's folders and repositories below this one; None where the registry does not list them.
        suspect: why the listing may not be whole; None where nothing suggests so.
        problems: what is broken, as far as images were read.
        lists_untagged: whether `images` has every manifest, so that a digest which is not there does not exist. Some
            APIs list tags alone.
        not_readable: digests of listed images whose manifests the registry does not give out, such as archived ones.
            They are recorded as listed, and not requested.
    """

    tags: tuple[str, ...]
    images: tuple[Image, ...] | None = None
    children: tuple[str, ...] | None = None
    suspect: str | None = None
    problems: tuple["Problem", ...] = ()
    lists_untagged: bool = True
    not_readable: frozenset[str] = frozenset()


NamePage = Mapping[str, Listing | None]
"""Names of repositories, not validated, each with its listing. None for a name that the registry still has to list."""


class ProblemKind(StrEnum):
    """What is broken in a repository, or could not be read."""

    DANGLING_TAG = "dangling-tag"
    """The tag is listed, and its manifest is not there."""
    VANISHED_TAG = "vanished-tag"
    """The tag was listed, and was gone when its manifest was read."""
    INDEX_CHILD_MISSING = "index-child-missing"
    CONFIG_MISSING = "config-missing"
    DIGEST_MISMATCH = "digest-mismatch"
    """A body does not have the digest that it was requested by, or that came with it."""
    MANIFEST_UNREADABLE = "manifest-unreadable"
    """A manifest or config could not be read. With the code INVALID_CONTENT it was read, and is not valid."""
    SCHEMA1 = "schema1"
    """An image manifest of schema 1, which no current client reads."""
    ORPHAN_REFERRER = "orphan-referrer"
    """A referrer whose subject is not in the repository."""


INVALID_CONTENT: Final = "INVALID_CONTENT"
"""The code of a problem of content that was read whole, with the right digest, and cannot be understood.

Reading it again would not help, so it is no reason for doubt.
"""

_NOT_READ: Final = frozenset({ProblemKind.DIGEST_MISMATCH, ProblemKind.MANIFEST_UNREADABLE})


class Unread(NamedTuple):
    """How many images were not read as deep as asked, and how many of them have no known digest."""

    images: int
    unresolved: int


def count_unread(problems: Iterable[tuple[str, str | None, str | None]]) -> Unread:
    """Count the images that were not read, from the kind, code and digest of each problem of a repository."""
    digests = [digest for kind, code, digest in problems if kind in _NOT_READ and code != INVALID_CONTENT]
    unresolved = digests.count(None)
    return Unread(unresolved + len({*digests} - {None}), unresolved)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is broken in a repository. A field that does not apply is None.

    Attributes:
        message: escaped and shortened.
    """

    problem: ProblemKind
    tag: str | None
    digest: str | None
    code: str | None
    http_status: int | None
    message: str

    @property
    def key(self) -> tuple[ProblemKind, str | None, str | None]:
        """Kind, code and digest, for `count_unread`."""
        return self.problem, self.code, self.digest


class Record(Value, frozen=True, gc=False):
    """One repository of the snapshot: one JSON line, with the fields in this order.

    `record_fields.RECORD` has the meaning of each field.
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
        problems: how many of each kind.
        unread: images that were not read as deep as asked.
        unresolved: those of them whose digest is not known, so that they are not among `images`.
        suspect: whether the listing may not be whole.
    """

    repository: str
    outcome: Outcome
    tags: int
    images: int | None
    children: tuple[str, ...]
    problems: Mapping[str, int]
    unread: int
    unresolved: int
    suspect: bool

    @property
    def is_final(self) -> bool:
        """Whether a resumed run keeps the record. Otherwise it lists the repository again."""
        return self.outcome in _FINAL and not self.suspect and not self.unread
