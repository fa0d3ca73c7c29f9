"""What the two markers of a group in a lake say: which run is a shard, and which run a group was merged into."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

import orjson

from crawler.model.shard import Shard
from crawler.snapshot.reader import RUN_MANIFEST

_FILE_NAME: Final = re.compile(r"part-\d{5}\.jsonl(\.gz|\.zst)?|_run\.json|_shard\.json|_SUCCESS", re.ASCII)


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a shard's folder: its size, and its SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HeldShard:
    """A shard that is whole in a lake. `run_id` is the run that counts, and `files` are all that its folder has."""

    shard: Shard
    run_id: str
    files: tuple[HeldFile, ...]

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def dump(self) -> bytes:
        return _dump({"run_id": self.run_id, "files": [asdict(file) for file in self.files]})

    @classmethod
    def parse(cls, content: bytes, shard: Shard) -> Self:
        """Raises ValueError where the content is no marker of a shard."""
        document = _parse(content)
        files = document.get("files")
        if not isinstance(files, list) or not files:
            raise ValueError("it names no files")
        held = cls(shard, _text(document, "run_id"), tuple(map(_file, files)))
        names = [file.name for file in held.files]
        if RUN_MANIFEST not in names or len(names) != len(set(names)):
            raise ValueError(f"it names no {RUN_MANIFEST}, or a file twice")
        return held


@dataclass(frozen=True, slots=True)
class MergedBefore:
    """The complete snapshot that a group was merged into, and when, in RFC 3339."""

    run_id: str
    merged_at: str

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.merged_at)

    def dump(self) -> bytes:
        return _dump(asdict(self))

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Raises ValueError where the content is no marker of a merged group."""
        document = _parse(content)
        merged = cls(_text(document, "run_id"), _text(document, "merged_at"))
        if merged.at.tzinfo is None:
            raise ValueError("its merged_at has no time zone")
        return merged


def _dump(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _parse(content: bytes) -> dict[str, Any]:
    document = orjson.loads(content)
    if not isinstance(document, dict):
        raise ValueError("it is no object of JSON")  # noqa: TRY004  (the content is wrong, not the argument)
    return document


def _file(described: Any) -> HeldFile:
    if not isinstance(described, dict):
        raise ValueError("a file has no description")  # noqa: TRY004  (as above)
    size = described.get("bytes")
    if not isinstance(size, int) or size < 0:
        raise ValueError("a file has no size")
    name = _text(described, "name")
    if not _FILE_NAME.fullmatch(name):
        raise ValueError("a file is none of a shard's")
    return HeldFile(name, size, _text(described, "sha256"))


def _text(described: dict[str, Any], key: str) -> str:
    text = described.get(key)
    if not isinstance(text, str) or not text:
        raise ValueError(f"it has no {key}")
    return text
