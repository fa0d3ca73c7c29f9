"""The values of the cache's rows: contents, the last digests of tags, and known images, compressed."""

import random
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
import zstandard

from crawler.digest_cache.keys import as_bytes, digest_key
from crawler.digest_cache.storage import CacheStorage

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
MAX_VALUE_BYTES: Final = MAX_BODY_BYTES + 64 * 1024
"""Of a body with its media type. A frame that claims to hold more is not decompressed."""

_LEVEL: Final = 3
"""Of zstd. Level 6 saves 4 % of the bytes and takes twice the time."""

_DICTIONARY_BYTES: Final = 112 * 1024
"""The size that zstd recommends (`zstd --maxdict`). Half of it makes contents a quarter larger."""

_FIRST_DICTIONARY: Final = 1000
"""The first dictionary is learned from so many contents, each further one from ten times as many."""

_SAMPLES: Final = 900
_MAX_SAMPLE_BYTES: Final = 64 * 1024
_NEWEST_DICTIONARY: Final = "SELECT number, dictionary FROM dictionaries ORDER BY rowid DESC LIMIT 1"
_FIND_DICTIONARY: Final = "SELECT number, dictionary FROM dictionaries WHERE number = ?"
_COUNTS: Final = "SELECT (SELECT count(*) FROM dictionaries), (SELECT ifnull(max(id), 0) FROM contents)"
_KEEP_DICTIONARY: Final = (  # another process may have learned one meanwhile
    "INSERT INTO dictionaries (number, dictionary) SELECT ?, ? WHERE (SELECT count(*) FROM dictionaries) = ?"
)
_SAMPLE: Final = f"SELECT content FROM contents WHERE id IN ({','.join('?' * _SAMPLES)})"  # noqa: S608  (marks alone)


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


class CacheValues:
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
        media_type = b"" if content.media_type is None else as_bytes(content.media_type)
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
                yield digest_key(digest)
            case dict(digests):
                yield from (digest_key(digest) for digest in digests.values() if isinstance(digest, str))

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
            if frame.content_size > MAX_VALUE_BYTES:  # zstandard allocates what the frame claims
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


def _is_str(value: object) -> bool:
    return isinstance(value, str)
