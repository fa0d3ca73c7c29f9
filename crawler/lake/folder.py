"""A lake in a folder, `file:///…`: files appear whole, once, and are on the disk before the next one is written.

obstore writes to folders too, but gives a file that is being written a name beside the others, which a kill leaves and
engines read, and does not wait for the disk. Here such a file is in a folder beside the tables: polars refuses to read
a table's folder that has any other file.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from crawler.errors import LakeError
from crawler.lake.store import Content
from crawler.snapshot.disk import sync_folder
from crawler.untrusted_text import quoted_path

_UNFINISHED: Final = ".unfinished"

_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""SMB, FAT and many FUSE file systems have no hard links."""


@dataclass(frozen=True, slots=True)
class FolderStore:
    """See `Store`. The folder is made where it is not there."""

    folder: Path

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(Path(unquote(urlsplit(url).path)))

    def create(self, name: str, content: Content) -> bool:
        path = self.folder / name
        if self.size(name) is not None:
            return False
        return self._write(path, content, _link)

    def replace(self, name: str, content: Content) -> None:
        self._write(self.folder / name, content, _rename)

    def size(self, name: str) -> int | None:
        path = self.folder / name
        with _lake_errors(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        with _lake_errors(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def _write(self, path: Path, content: Content, put: Callable[[Path, Path], bool]) -> bool:
        """Write a file outside the tables, and give it its name once it is on the disk."""
        with _lake_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / _UNFINISHED).mkdir(exist_ok=True)
            unfinished = self.folder / _UNFINISHED / secrets.token_hex(8)
            try:
                _write_durably(unfinished, content)
                is_new = put(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
            for folder in (path.parent, *path.parent.relative_to(self.folder).parents):
                sync_folder(self.folder / folder)
            return is_new


def _write_durably(path: Path, content: Content) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(unfinished: Path, path: Path) -> bool:
    """Give a file its name, unless another one has it. False: another one has it."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            return False
        unfinished.rename(path)
    return True


def _rename(unfinished: Path, path: Path) -> bool:
    unfinished.rename(path)
    return True


@contextmanager
def _lake_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise LakeError(f"{quoted_path(exc.filename or path)}: {exc.strerror or exc}") from None
