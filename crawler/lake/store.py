"""What a place for the objects of a lake can do, whichever it is."""

from collections.abc import Collection, Mapping
from mmap import mmap
from typing import Protocol

Content = bytes | mmap
"""What an object holds; of a large file a map, so that it is not copied into memory."""


class Store(Protocol):
    """The objects below a lake's URL. An object appears whole or not at all. Every method may raise LakeError."""

    def create(self, name: str, content: Content) -> bool:
        """Create an object. False: it was there already, and is as it was."""
        ...

    def replace(self, name: str, content: Content) -> None:
        """Put an object in the place of another one."""
        ...

    def size(self, name: str) -> int | None:
        """An object's bytes; None where it is not there."""
        ...

    def read(self, name: str) -> bytes | None:
        """An object's content; None where it is not there."""
        ...

    def read_all(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The content of many small objects, by name. Those that are not there are left out."""
        ...

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The bytes of every object below a folder, by name; none where there is no such folder."""
        ...

    def delete(self, names: Collection[str]) -> None:
        """Delete objects, in any order. Those that are not there are no error."""
        ...
