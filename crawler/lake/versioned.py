"""Objects of a lake that change: one is replaced only if it is still as it was when it was read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Version:
    """What a provider tells an object's contents apart by: an ETag, a generation, or both."""

    e_tag: str | None
    generation: str | None


class VersionedStore(Protocol):
    """The objects below a URL. An object appears whole or not at all. Every method may raise LakeError."""

    def version(self, name: str) -> Version | None:
        """The version of an object; None where it is not there."""
        ...

    def download(self, name: str, path: Path) -> Version | None:
        """Write an object's content to a file, a part at a time. None, and no file, where it is not there."""
        ...

    def replace_version(self, name: str, path: Path, known: Version | None) -> bool:
        """Put a file's content in the place of the object of this version; None: where there is no object.

        False: the object has another version, and is as it was.
        """
        ...
