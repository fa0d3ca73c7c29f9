"""What was ever read of a digest: raw manifests and configs, in one SQLite file for all targets, nights and runs.

What is under a digest never changes, so nothing in the file expires, and a new field of the record costs no exchange.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


class Content(NamedTuple):
    """The bytes under a digest, and the media type that they came with (None for a blob)."""

    body: bytes
    media_type: str | None


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image whose layers are known, which may be the base of another one.

    Attributes:
        digest: of its manifest.
        config_digest: of its config.
        reference: where it was seen: `HOST/REPOSITORY:TAG`, or `HOST/REPOSITORY@DIGEST` where it has no tag.
    """

    digest: str
    config_digest: str
    reference: str


class DigestCache:
    """One connection to the cache. It belongs to the event loop's thread; look-ups take microseconds.

    Nothing here fails: a file that cannot be read, written or locked is reported in `notes`, and the run goes on with a
    cache of its own.

    Attributes:
        hits: contents that were found.
        misses: contents that were not.
        notes: what the operator should know, a line each.
    """

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Open the file, or make it with mode 0600. None: a cache for this run alone, which leaves nothing behind."""
        raise NotImplementedError

    hits: int
    misses: int
    notes: list[str]

    def get(self, digest: str) -> Content | None:
        """The content of a digest, and a hit; None and a miss."""
        raise NotImplementedError

    def has(self, digest: str) -> bool:
        """Whether the content is there; counts neither as hit nor as miss."""
        raise NotImplementedError

    def put(self, digest: str, content: Content) -> None:
        """Keep a content whose digest was verified. It survives a kill of the process from here on."""
        raise NotImplementedError

    def last_digests(self, registry: str, repository: str) -> Mapping[str, str]:
        """The digest of each tag of a repository when it was last read; empty where it never was."""
        raise NotImplementedError

    def keep_last_digests(self, registry: str, repository: str, digests: Mapping[str, str]) -> None:
        raise NotImplementedError

    def add_image(self, diff_ids: Sequence[str], image: KnownImage) -> None:
        """Make an image known as a possible base. The first image with the same layers stays."""
        raise NotImplementedError

    def longest_base(self, diff_ids: Sequence[str]) -> KnownImage | None:
        """The known image with the most layers that the layers begin with, without having all of them."""
        raise NotImplementedError

    def keep_only(self, digests: Iterable[str]) -> int:
        """Drop every content that is not among the digests (`runs prune`). Returns the bytes that this frees."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
