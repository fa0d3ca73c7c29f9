"""The objects of a long JSON text, one at a time: a list of 100,000 pods does not fit into memory.

The text is one object or list, or several, one after the other. The entries of a list at the top, and of an object's
list `items`, are objects by themselves: that is how Kubernetes writes lists. Messages never quote the text, which may
hold secrets.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

_ITEMS: Final = "items"
_CHUNK_BYTES: Final = 1024**2
_LONGEST: Final = 32 * 1024**2
"""Characters of one value. etcd keeps no object of more than 1.5 MiB (etcd, --max-request-bytes)."""

_NUMBER_GOES_ON: Final = ("", ".", "e", "E")
_NO_BLANK: Final = re.compile(r"[^ \t\r\n]")
_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of the text.

    Attributes:
        list_kind: the `kind` of the list that it is an entry of, "" where the list has none before its entries; None
            for an object by itself.
    """

    value: dict[str, Any]
    list_kind: str | None


class JsonMistakeError(ValueError):
    """The text is not what it should be. The message follows its name."""


def read_objects(stream: BinaryIO) -> Iterator[FoundObject]:
    """The objects of a stream, as they are read. Raises JsonMistakeError, and OSError of the stream."""
    text = _Text(stream)
    while (first := text.peek()) != "":
        yield from _entries(text, "") if first == "[" else _object(text)


def _object(text: "_Text") -> Iterator[FoundObject]:
    """An object at the top: the entries of its list, or itself where it has no list."""
    text.expect("{")
    fields: dict[str, Any] = {}
    is_list = False
    for key in _keys(text):
        if key == _ITEMS and text.peek() == "[":
            is_list = True
            yield from _entries(text, str(fields.get("kind", "")))
        else:
            fields[key] = text.value()
    if not is_list:
        yield FoundObject(fields, None)


def _keys(text: "_Text") -> Iterator[str]:
    """The keys of an object. The caller takes each value before it asks for the next key."""
    if text.skip("}"):
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.mistake("is not JSON")
        text.expect(":")
        yield key
        if text.skip("}"):
            return
        text.expect(",")


def _entries(text: "_Text", list_kind: str) -> Iterator[FoundObject]:
    text.expect("[")
    if text.skip("]"):
        return
    while True:
        value = text.value()
        if not isinstance(value, dict):
            raise text.mistake("has a list whose entries are no objects")
        yield FoundObject(value, list_kind)
        if text.skip("]"):
            return
        text.expect(",")


class _Text:
    """A stream as text, of which a part is in memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode_bytes = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._decode_value = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._is_read = False
        self._passed = 0

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while (found := _NO_BLANK.search(self._buffer, self._at)) is None:
            self._at = len(self._buffer)
            if not self._read(_CHUNK_BYTES):
                return ""
        self._at = found.start()
        return found[0]

    def skip(self, character: str) -> bool:
        """Whether this is the next character; if so it is passed."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, character: str) -> None:
        if not self.skip(character):
            raise self.mistake("is not JSON" if self.peek() else "ends in the middle of the JSON")

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode_value(self._buffer, self._at)
            except json.JSONDecodeError:
                self._read_on()
                continue
            except RecursionError:
                raise self.mistake("is nested too deep") from None
            # a number may go on: `1` is the beginning of `1.5` and of `1e9`
            if self._buffer[end : end + 1] not in _NUMBER_GOES_ON or self._is_read:
                self._at = end
                return value
            self._read_on()

    def mistake(self, message: str) -> JsonMistakeError:
        return JsonMistakeError(f"{message}, at character {self._passed + self._at:,}")

    def _read_on(self) -> None:
        """Read as much again as there is, so that a long value is not parsed once for each chunk."""
        held = len(self._buffer) - self._at
        if held > _LONGEST:
            raise self.mistake(f"is not JSON, or has a value of more than {_LONGEST:,} characters")
        if not self._read(max(_CHUNK_BYTES, held)):
            raise self.mistake("is not JSON, or ends in the middle of it")

    def _read(self, size: int) -> bool:
        """Whether there was more."""
        if self._is_read:
            return False
        data = self._stream.read(size)
        if not self._passed and not self._buffer and (data.startswith(_UTF_16_BOMS) or b"\0" in data[:2]):
            raise JsonMistakeError("is UTF-16: save it as UTF-8")
        self._is_read = not data
        try:
            more = self._decode_bytes(data, final=self._is_read)
        except UnicodeDecodeError:
            raise self.mistake("is not UTF-8") from None
        self._passed += self._at
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return not self._is_read
