"""What was ever read of a digest: raw manifests and configs, in one SQLite file for all targets, nights and runs.

What is under a digest never changes, so nothing in the file expires, and a new field of the record costs no exchange.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from crawler.digest_cache.file import open_cache, open_unchanged
from crawler.digest_cache.keys import ChainIds, as_bytes, digest_key, has_digest
from crawler.digest_cache.pruning import prune
from crawler.digest_cache.storage import CacheStorage
from crawler.digest_cache.values import MAX_BODY_BYTES, CacheValues, Content, KnownImage

_MAX_LAYERS: Final = 1000
"""Of an image that may have or be a base."""

_PUTS_BETWEEN_CHECKS: Final = 256
"""After so many contents the cache checks whether a dictionary can be learned."""

_FIND_CONTENT: Final = "SELECT content FROM contents WHERE digest = ?"
_HAS_CONTENT: Final = "SELECT 1 FROM contents WHERE digest = ?"
_KEEP_CONTENT: Final = (
    "INSERT INTO contents (digest, content) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET content = excluded.content"
)
_DROP_CONTENT: Final = "DELETE FROM contents WHERE digest = ?"
_FIND_LAST_DIGESTS: Final = "SELECT value FROM last_digests WHERE key = ?"
_KEEP_LAST_DIGESTS: Final = (
    "INSERT INTO last_digests (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_HAS_IMAGE: Final = "SELECT 1 FROM images WHERE key = ?"
_DROP_IMAGE: Final = "DELETE FROM images WHERE key = ?"
# quicker than `key IN (?, ...)`, for which SQLite sorts the keys first
_FIND_IMAGES: Final = "WITH wanted (id) AS (VALUES (?)) SELECT key, value FROM wanted CROSS JOIN images ON key = id"
_KEEP_IMAGE: Final = "INSERT OR IGNORE INTO images (key, value) VALUES (?, ?)"


class DigestCache:
    """One connection to the cache, for one thread at a time; look-ups take microseconds.

    Nothing here fails: a file that cannot be read, written or locked is reported in `notes`, and the run goes on with a
    cache of its own.

    Attributes:
        hits: contents that were found.
        misses: contents that were not.
        notes: what the operator should know, a line each.
    """

    def __init__(self, storage: CacheStorage) -> None:
        self._storage = storage
        self._values = CacheValues(storage)
        self._chain_ids = ChainIds()
        self._puts = 0
        self.hits = 0
        self.misses = 0
        self.notes = storage.notes

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Open the file, or make it with mode 0600. None: a cache for this run alone, which leaves nothing behind."""
        return cls(CacheStorage(path, open_cache(path)))

    @classmethod
    def open_unchanged(cls, path: Path | None) -> Self:
        """Open the file for reading alone, where there is one. What is put is forgotten at the end; no file is made."""
        storage = CacheStorage(path, open_unchanged(path))
        storage.write_privately()
        return cls(storage)

    def get(self, digest: str) -> Content | None:
        """The content of a digest, and a hit; None and a miss."""
        content = self.find(digest)
        self.misses += content is None
        return content

    def find(self, digest: str) -> Content | None:
        """The content of a digest, and a hit; None, and no miss, for a digest that may never be requested.

        A content that does not have its digest, because the disk changed it, is dropped.
        """
        key = digest_key(digest)
        for value in self._stored(key):
            content = self._values.parse_content(value)
            if content is not None and has_digest(content.body, key):
                self.hits += 1
                return content
            self._storage.write(_DROP_CONTENT, key)
        return None

    def has(self, digest: str) -> bool:
        """Whether the content is there; counts neither as hit nor as miss."""
        key = digest_key(digest)
        return self._storage.pending(_KEEP_CONTENT, key) is not None or bool(self._storage.rows(_HAS_CONTENT, key))

    def put(self, digest: str, content: Content) -> None:
        """Keep a content whose digest was verified. It survives a kill of the process from here on.

        Where another process holds the file's lock for long, it survives only after a later call. A body of more than
        32 MiB is not kept.
        """
        if len(content.body) > MAX_BODY_BYTES:
            return
        self._storage.write(_KEEP_CONTENT, digest_key(digest), self._values.content(content))
        self._puts += 1
        if self._puts % _PUTS_BETWEEN_CHECKS == 0:
            self._values.learn()

    def last_digests(self, registry: str, repository: str) -> Mapping[str, str]:
        """The digest of each tag of a repository when it was last read; empty where it never was."""
        key = as_bytes(f"{registry}/{repository}")
        if (pending := self._storage.pending(_KEEP_LAST_DIGESTS, key)) is not None:
            return self._values.parse_last_digests(pending[1])
        rows = self._storage.rows(_FIND_LAST_DIGESTS, key)
        return self._values.parse_last_digests(rows[0][0]) if rows else {}

    def keep_last_digests(self, registry: str, repository: str, digests: Mapping[str, str]) -> None:
        key = as_bytes(f"{registry}/{repository}")
        self._storage.write(_KEEP_LAST_DIGESTS, key, self._values.last_digests(digests))

    def add_image(self, diff_ids: Sequence[str], image: KnownImage) -> None:
        """Make an image known as a possible base. The first image with the same layers stays."""
        if not 0 < len(diff_ids) <= _MAX_LAYERS:
            return
        key = self._chain_ids.keys(diff_ids)[-1]
        # the SELECT takes a third of the time of an INSERT that changes nothing
        if self._storage.pending(_KEEP_IMAGE, key) is None and not self._storage.rows(_HAS_IMAGE, key):
            self._storage.write(_KEEP_IMAGE, key, self._values.image(image))

    def longest_base(self, diff_ids: Sequence[str]) -> KnownImage | None:
        """The known image with the most layers that the layers begin with, without having all of them."""
        if not 1 < len(diff_ids) <= _MAX_LAYERS:
            return None
        keys = self._chain_ids.keys(diff_ids)[:-1]
        query = _FIND_IMAGES.replace("(?)", ",".join(["(?)"] * len(keys)))
        values = dict(self._storage.rows(query, *keys))
        for key in reversed(keys):
            value = self._pending_image(key) or values.get(key)
            if value is None:
                continue
            if (image := self._values.parse_image(value)) is not None:
                return image
            self._storage.write(_DROP_IMAGE, key)  # so that the next image with these layers takes its place
        return None

    def keep_only(self, digests: Iterable[str]) -> int:
        """Drop every content that is not among the digests (`runs prune`). Returns the bytes that this frees.

        Images and last digests go with them where none of the digests is theirs. What a crawl adds meanwhile stays.
        """
        keys = map(digest_key, digests)
        return self._storage.run(lambda database: prune(database, keys, self._values.mentioned))

    def close(self) -> None:
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stored(self, key: bytes) -> list[Any]:
        if (pending := self._storage.pending(_KEEP_CONTENT, key)) is not None:
            return [pending[1]]
        return [value for (value,) in self._storage.rows(_FIND_CONTENT, key)]

    def _pending_image(self, key: bytes) -> bytes | None:
        pending = self._storage.pending(_KEEP_IMAGE, key)
        return pending[1] if pending is not None else None
