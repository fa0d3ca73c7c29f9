"""What was ever read of a digest: raw manifests and configs, in one SQLite file for all targets, nights and runs.

What is under a digest never changes, so nothing in the file expires, and a new field of the record costs no exchange.
"""

import hashlib
import random
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import orjson
import zstandard

from crawler.inspect.cache_file import open_cache
from crawler.inspect.cache_pruning import prune
from crawler.inspect.cache_storage import CacheStorage

_MAX_BODY_BYTES: Final = 32 * 1024 * 1024
_MAX_VALUE_BYTES: Final = _MAX_BODY_BYTES + 64 * 1024
"""Of a body with its media type. A frame that claims to hold more is not decompressed."""

_MAX_LAYERS: Final = 1000
"""Of an image that may have or be a base."""

_LEVEL: Final = 3
"""Of zstd. Level 6 saves 4 % of the bytes and takes twice the time."""

_DICTIONARY_BYTES: Final = 112 * 1024
"""The size that zstd recommends (`zstd --maxdict`). Half of it makes contents a quarter larger."""

_FIRST_DICTIONARY: Final = 1000
"""The first dictionary is learned from so many contents, each further one from ten times as many."""

_SAMPLES: Final = 900
_MAX_SAMPLE_BYTES: Final = 64 * 1024

_PUTS_BETWEEN_LOOKS: Final = 256
"""After so many contents the cache looks whether a dictionary can be learned."""

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
_NEWEST_DICTIONARY: Final = "SELECT number, dictionary FROM dictionaries ORDER BY rowid DESC LIMIT 1"
_FIND_DICTIONARY: Final = "SELECT number, dictionary FROM dictionaries WHERE number = ?"
_COUNTS: Final = "SELECT (SELECT count(*) FROM dictionaries), (SELECT ifnull(max(id), 0) FROM contents)"
_KEEP_DICTIONARY: Final = (  # another process may have learned one meanwhile
    "INSERT INTO dictionaries (number, dictionary) SELECT ?, ? WHERE (SELECT count(*) FROM dictionaries) = ?"
)
_SAMPLE: Final = f"SELECT content FROM contents WHERE id IN ({','.join('?' * _SAMPLES)})"  # noqa: S608  (marks alone)
# quicker than `key IN (?, ...)`, for which SQLite sorts the keys first
_FIND_IMAGES: Final = "WITH wanted (id) AS (VALUES (?)) SELECT key, value FROM wanted CROSS JOIN images ON key = id"
_KEEP_IMAGE: Final = "INSERT OR IGNORE INTO images (key, value) VALUES (?, ?)"


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
        self._values = _Values(storage)
        self._chain_ids = _ChainIds()
        self._puts = 0
        self.hits = 0
        self.misses = 0
        self.notes = storage.notes

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Open the file, or make it with mode 0600. None: a cache for this run alone, which leaves nothing behind."""
        return cls(CacheStorage(path, open_cache(path)))

    def get(self, digest: str) -> Content | None:
        """The content of a digest, and a hit; None and a miss.

        A content that does not have its digest, because the disk changed it, is dropped, and a miss.
        """
        key = _key(digest)
        for value in self._stored(key):
            content = self._values.parse_content(value)
            if content is not None and _has_digest(content.body, key):
                self.hits += 1
                return content
            self._storage.write(_DROP_CONTENT, key)
        self.misses += 1
        return None

    def has(self, digest: str) -> bool:
        """Whether the content is there; counts neither as hit nor as miss."""
        key = _key(digest)
        return self._storage.pending(_KEEP_CONTENT, key) is not None or bool(self._storage.rows(_HAS_CONTENT, key))

    def put(self, digest: str, content: Content) -> None:
        """Keep a content whose digest was verified. It survives a kill of the process from here on.

        Where another process holds the file's lock for long, it survives only after a later call. A body of more than
        32 MiB is not kept.
        """
        if len(content.body) > _MAX_BODY_BYTES:
            return
        self._storage.write(_KEEP_CONTENT, _key(digest), self._values.content(content))
        self._puts += 1
        if self._puts % _PUTS_BETWEEN_LOOKS == 0:
            self._values.learn()

    def last_digests(self, registry: str, repository: str) -> Mapping[str, str]:
        """The digest of each tag of a repository when it was last read; empty where it never was."""
        key = _text(f"{registry}/{repository}")
        if (pending := self._storage.pending(_KEEP_LAST_DIGESTS, key)) is not None:
            return self._values.parse_last_digests(pending[1])
        rows = self._storage.rows(_FIND_LAST_DIGESTS, key)
        return self._values.parse_last_digests(rows[0][0]) if rows else {}

    def keep_last_digests(self, registry: str, repository: str, digests: Mapping[str, str]) -> None:
        key = _text(f"{registry}/{repository}")
        self._storage.write(_KEEP_LAST_DIGESTS, key, self._values.last_digests(digests))

    def add_image(self, diff_ids: Sequence[str], image: KnownImage) -> None:
        """Make an image known as a possible base. The first image with the same layers stays."""
        if not 0 < len(diff_ids) <= _MAX_LAYERS:
            return
        key = self._chain_ids.keys(diff_ids)[-1]
        # to look takes a third of the time of an INSERT that changes nothing
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
        keys = map(_key, digests)
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


class _Values:
    """The values of the rows, as zstd frames with a checksum. What cannot be parsed was changed on the disk.

    Contents are small and much alike, so zstd compresses them with a dictionary: text that many of them share, which is
    learned from the file's own contents and kept in the file. It halves the file, and is quicker than none.
    """

    def __init__(self, storage: CacheStorage) -> None:
        self._storage = storage
        self._compressor = _compressor(None)
        self._decompressors = {0: zstandard.ZstdDecompressor()}
        self.learn()

    def learn(self) -> None:
        """Learn a dictionary where the file has enough contents, or take over one that another process has learned.

        Learning is a pause of 50 ms, a few times in the file's life.
        """
        for dictionaries, last in self._storage.rows(_COUNTS)[:1]:
            if last >= _FIRST_DICTIONARY * 10**dictionaries:
                self._learn_from(last, dictionaries)
        self._use_newest()

    def _learn_from(self, last: int, dictionaries: int) -> None:
        samples: list[bytes | bytearray | memoryview] = []
        for (value,) in self._storage.rows(_SAMPLE, *random.sample(range(1, last + 1), _SAMPLES)):
            if (plain := self._decompressed(value)) is not None and len(plain) < _MAX_SAMPLE_BYTES:
                samples.append(plain)
        # numbers below 32768 are reserved (RFC 8878, section 5); databases of one run must not use a number twice
        number = 2**15 + secrets.randbelow(2**31 - 2**15)
        with suppress(zstandard.ZstdError):  # too few samples, or samples that have nothing in common
            learned = zstandard.train_dictionary(_DICTIONARY_BYTES, samples, k=512, d=8, dict_id=number, level=_LEVEL)
            self._storage.write_if_unlocked(_KEEP_DICTIONARY, number, learned.as_bytes(), dictionaries)

    def content(self, content: Content) -> bytes:
        """A content: the length of the media type in four bytes (-1: none), the media type, the body."""
        media_type = b"" if content.media_type is None else _text(content.media_type)
        length = -1 if content.media_type is None else len(media_type)
        return self._compressor.compress(length.to_bytes(4, "little", signed=True) + media_type + content.body)

    def parse_content(self, value: Any) -> Content | None:
        if (plain := self._decompressed(value)) is None:
            return None
        length = int.from_bytes(plain[:4], "little", signed=True)
        if length < 0:
            return Content(plain[4:], None)
        try:
            media_type = plain[4 : 4 + length].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return None
        return Content(plain[4 + length :], media_type)

    def last_digests(self, digests: Mapping[str, str]) -> bytes:
        return self._compressor.compress(orjson.dumps(dict(digests)))

    def parse_last_digests(self, value: Any) -> dict[str, str]:
        digests = self._parsed(value)
        return digests if isinstance(digests, dict) and all(map(_is_str, digests.values())) else {}

    def image(self, image: KnownImage) -> bytes:
        return self._compressor.compress(orjson.dumps([image.digest, image.config_digest, image.reference]))

    def parse_image(self, value: Any) -> KnownImage | None:
        match self._parsed(value):
            case [str(digest), str(config_digest), str(reference)]:
                return KnownImage(digest=digest, config_digest=config_digest, reference=reference)
        return None

    def mentioned(self, value: Any) -> Iterator[bytes]:
        """The keys of the manifests that the value of an image or of last digests mentions."""
        match self._parsed(value):
            case [str(digest), *_]:
                yield _key(digest)
            case dict(digests):
                yield from (_key(digest) for digest in digests.values() if isinstance(digest, str))

    def _parsed(self, value: Any) -> Any:
        plain = self._decompressed(value)
        try:
            return None if plain is None else orjson.loads(plain)
        except orjson.JSONDecodeError:
            return None

    def _decompressed(self, value: Any) -> bytes | None:
        if not isinstance(value, bytes):
            return None
        try:
            frame = zstandard.get_frame_parameters(value)
            if frame.content_size > _MAX_VALUE_BYTES:  # zstandard allocates what the frame claims
                return None
            decompressor = self._decompressors.get(frame.dict_id) or self._loaded(frame.dict_id)
            return decompressor.decompress(value) if decompressor is not None else None
        except zstandard.ZstdError:
            return None

    def _loaded(self, number: int) -> zstandard.ZstdDecompressor | None:
        """The decompressor of an older dictionary, or of one that another process has learned."""
        for _, content in self._storage.rows(_FIND_DICTIONARY, number):
            if (dictionary := _dictionary(number, content)) is not None:
                self._decompressors[number] = zstandard.ZstdDecompressor(dict_data=dictionary)
        return self._decompressors.get(number)

    def _use_newest(self) -> None:
        """Compress with the newest dictionary from here on."""
        for number, content in self._storage.rows(_NEWEST_DICTIONARY)[:1]:
            if number not in self._decompressors and (dictionary := _dictionary(number, content)) is not None:
                self._compressor = _compressor(dictionary)
                self._decompressors[number] = zstandard.ZstdDecompressor(dict_data=dictionary)


def _compressor(dictionary: zstandard.ZstdCompressionDict | None) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=dictionary, write_checksum=True)


def _dictionary(number: int, content: Any) -> zstandard.ZstdCompressionDict | None:
    """A dictionary, or None where the disk changed it."""
    if not isinstance(content, bytes):
        return None
    try:
        dictionary = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_FULLDICT)
        dictionary.precompute_compress(level=_LEVEL)
    except zstandard.ZstdError:
        return None
    return dictionary if dictionary.dict_id() == number else None


def _key(digest: str) -> bytes:
    """The 32 bytes of a sha256 digest, the text of any other."""
    if len(digest) == 71 and digest.startswith("sha256:"):
        try:
            key = bytes.fromhex(digest[7:])
        except ValueError:
            return _text(digest)
        if len(key) == 32:  # spaces between the digits are accepted, so there may be fewer
            return key
    return _text(digest)


def _has_digest(body: bytes, key: bytes) -> bool:
    if len(key) == 32:
        return hashlib.sha256(body).digest() == key
    return key == b"sha512:" + hashlib.sha512(body).hexdigest().encode()


class _ChainIds:
    """The chain ID of each prefix of an image's layers (image-spec, config.md, "Layer ChainID").

    An image is looked up and added, one after the other, so the last one is remembered.
    """

    def __init__(self) -> None:
        self._diff_ids: tuple[str, ...] = ()
        self._keys: list[bytes] = []

    def keys(self, diff_ids: Sequence[str]) -> list[bytes]:
        """The first 16 bytes of the hash of each prefix. The specification does not hash a single layer; this does.

        Half of a sha256 suffices: among a billion images, two have the same half with a probability of 1 in 10^20.
        """
        if (layers := tuple(diff_ids)) != self._diff_ids:
            self._diff_ids, self._keys = layers, _chain_keys(layers)
        return self._keys


def _chain_keys(diff_ids: tuple[str, ...]) -> list[bytes]:
    sha256, chain = hashlib.sha256, diff_ids[0]
    keys = [sha256(_text(chain)).digest()[:16]]
    for diff_id in diff_ids[1:]:
        digest = sha256(f"{chain} {diff_id}".encode("utf-8", "surrogatepass"))  # as `_text`, without its call
        chain = f"sha256:{digest.hexdigest()}"
        keys.append(digest.digest()[:16])
    return keys


def _text(text: str) -> bytes:
    """Text as bytes. A header that is not UTF-8 arrives with surrogates, which are kept."""
    return text.encode("utf-8", "surrogatepass")


def _is_str(value: object) -> bool:
    return isinstance(value, str)
