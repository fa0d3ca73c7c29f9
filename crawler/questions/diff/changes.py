"""What changed between two snapshots: counted by kind, and one by one. A removal is claimed only where it is proved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from crawler.errors import ConfigError, QueryError, SnapshotError
from crawler.questions.diff.limits import limits_between
from crawler.questions.diff.pairing import Pairing
from crawler.questions.diff.proof import ComparedRun
from crawler.questions.diff.statements import fill_changes, record_fields
from crawler.tables.database import Database, RecordsView, open_records
from crawler.tables.selection import SelectedSnapshot


class ChangeKind(StrEnum):
    """What a change is, in the order in which the kinds are printed."""

    REPOSITORY_ADDED = "repository-added"
    REPOSITORY_REMOVED = "repository-removed"
    REPOSITORY_EMPTIED = "repository-emptied"
    """It is there still, without a tag and without an image."""
    TAG_ADDED = "tag-added"
    TAG_REMOVED = "tag-removed"
    TAG_MOVED = "tag-moved"
    IMAGE_ADDED = "image-added"
    IMAGE_REMOVED = "image-removed"
    SIGNATURE_ADDED = "signature-added"
    SIGNATURE_REMOVED = "signature-removed"
    PROBLEM_NEW = "problem-new"
    PROBLEM_GONE = "problem-gone"
    UNKNOWN = "unknown"
    """What one snapshot has could not be compared: it may be unchanged, moved or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. A field that does not apply is None.

    A repository that is added, removed or emptied is one change, whatever was in it; so is one that is unknown.

    Attributes:
        repository: the full name; between a registry and its mirror the name below each target's prefix, or `.` for
            the prefix itself. None where the change concerns the whole snapshot.
        subject_digest: the image that a signature is for.
        old_digest: what the tag, image, signature or problem had in the old snapshot.
        new_digest: likewise in the new snapshot.
        detail: the problem, why something is unknown, or what else there is to say.
    """

    kind: ChangeKind
    repository: str | None
    tag: str | None = None
    subject_digest: str | None = None
    old_digest: str | None = None
    new_digest: str | None = None
    detail: str | None = None


_COLUMNS: Final = "kind, repository, tag, subject_digest, old_digest, new_digest, detail"
_IN_ORDER: Final = "ORDER BY repository NULLS FIRST, tag NULLS FIRST, kind, subject_digest, old_digest, new_digest"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots, compared. Made by `compare`.

    Attributes:
        pairing: how the repositories of both are paired.
        notes: what neither snapshot can tell, such as moves of tags where no digests are known.
        counts: how many changes of each kind; every kind is there.
    """

    old: ComparedRun
    new: ComparedRun
    pairing: Pairing
    notes: tuple[str, ...]
    counts: Mapping[ChangeKind, int]
    _database: Database

    @property
    def is_unchanged(self) -> bool:
        """Whether there is nothing to report, not even something unknown."""
        return not any(self.counts.values())

    def changes(self) -> Iterator[Change]:
        """Every change, by repository and tag, as they are read. Read one iterator to its end before the next one.

        Raises SnapshotError.
        """
        return self._read(f"SELECT {_COLUMNS} FROM changes {_IN_ORDER}")  # noqa: S608  (constants)

    def changes_of(self, kind: ChangeKind, limit: int) -> Iterator[Change]:
        """The first changes of one kind, at most `limit`, likewise."""
        where = f"WHERE kind = '{kind.value}'"
        return self._read(f"SELECT {_COLUMNS} FROM changes {where} {_IN_ORDER} LIMIT {limit}")  # noqa: S608

    def _read(self, sql: str) -> Iterator[Change]:
        with _as_snapshot_errors():
            for kind, repository, tag, subject_digest, old_digest, new_digest, detail in self._database.query(sql).rows:
                yield Change(
                    kind=ChangeKind(kind),
                    repository=repository,
                    tag=tag,
                    subject_digest=subject_digest,
                    old_digest=old_digest,
                    new_digest=new_digest,
                    detail=detail,
                )


@contextmanager
def compare(old: SelectedSnapshot, new: SelectedSnapshot, pairing: Pairing = Pairing.BY_NAME) -> Iterator[Comparison]:
    """Compare two snapshots. What is large is spilled to the disk, and is gone at the end of the context.

    Raises ConfigError where the snapshots are of two targets that are not paired as a mirror, and SnapshotError where
    one of them cannot be read, or is not as its `_run.json` says.
    """
    runs = ComparedRun.read(old), ComparedRun.read(new)
    if pairing is Pairing.BY_NAME and runs[0].target != runs[1].target:
        raise ConfigError([_of_two_targets(*runs)])
    limits = limits_between(*runs, pairing)
    reads = record_fields(limits)
    views = [RecordsView("old_records", old, reads), RecordsView("new_records", new, reads)]
    with open_records(views) as database:
        with _as_snapshot_errors():
            fill_changes(database, *runs, pairing, limits)
            counts = _counts(database)
        yield Comparison(*runs, pairing, limits.notes, counts, database)


def _counts(database: Database) -> Mapping[ChangeKind, int]:
    found = dict(database.query("SELECT kind, count(*) FROM changes GROUP BY kind").rows)
    return MappingProxyType({kind: found.get(kind.value, 0) for kind in ChangeKind})


def _of_two_targets(old: ComparedRun, new: ComparedRun) -> str:
    return (
        f"{old.run_id} is of {old.target} and {new.run_id} of {new.target}: "
        "use --as-mirror to compare the second as a mirror of the first"
    )


@contextmanager
def _as_snapshot_errors() -> Iterator[None]:
    """The queries are our own: where one fails, the snapshots are damaged, or the memory and the disk are full."""
    try:
        yield
    except QueryError as exc:
        raise SnapshotError(f"the snapshots cannot be compared: {exc}") from None
