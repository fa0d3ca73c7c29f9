"""A lake in a folder, `file:///…`: files appear whole, once, and are on the disk before the next one is written.

obstore writes to folders too, but gives a file that is being written a name beside the others, which a kill leaves and
engines read, and does not wait for the disk. Here such a file is in a folder beside the tables: polars refuses to read
a table's folder that has any other file.
"""

import errno
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
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
        with lake_errors(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        with lake_errors(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def read_all(self, names: Collection[str]) -> dict[str, bytes]:
        return {name: content for name in names if (content := self.read(name)) is not None}

    def sizes(self, folder: str) -> dict[str, int]:
        with lake_errors(self.folder / folder):
            walk = os.walk(self.folder / folder, onerror=_raise)
            names = [str(Path(above, file).relative_to(self.folder)) for above, _, files in walk for file in files]
        return {name: size for name in names if (size := self.size(name)) is not None}

    def delete(self, names: Collection[str]) -> None:
        """Delete files, wait until the disk knows, and remove the folders of a run and of a day that become empty."""
        paths = [self.folder / name for name in names]
        for path in paths:
            with lake_errors(path):
                path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            with lake_errors(folder):
                sync_folder(folder)
            for partition in (each for each in (folder, folder.parent) if "=" in each.name):
                with suppress(OSError):  # not empty, or gone; an empty folder does no harm
                    partition.rmdir()

    def _write(self, path: Path, content: Content, put: Callable[[Path, Path], bool]) -> bool:
        """Write a file outside the tables, and give it its name once it is on the disk."""
        with lake_errors(path):
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


def _raise(exc: OSError) -> None:
    """A folder that is not there has no files; any other error is one."""
    if not isinstance(exc, FileNotFoundError):
        raise exc


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
def lake_errors(path: Path) -> Iterator[None]:
    """Raise LakeError, with the file and the reason, for an OSError."""
    try:
        yield
    except OSError as exc:
        raise LakeError(f"{quoted_path(exc.filename or path)}: {exc.strerror or exc}") from None
