"""Objects that change, in a folder, `file:///…`: files that processes of several machines may replace."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crawler.lake.folder import lake_errors
from crawler.lake.versioned import Version
from crawler.snapshot.disk import sync_folder


@dataclass(frozen=True, slots=True)
class VersionedFiles:
    """See `VersionedStore`. The folder is made where it is not there; files have mode 0600."""

    folder: Path

    def version(self, name: str) -> Version | None:
        path = self.folder / name
        with lake_errors(path):
            try:
                return _version(path.stat())
            except FileNotFoundError:
                return None

    def download(self, name: str, path: Path) -> Version | None:
        source = self.folder / name
        with lake_errors(source):
            try:
                file = source.open("rb")
            except FileNotFoundError:
                return None
            with file, path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
                return _version(os.fstat(file.fileno()))

    def replace_version(self, name: str, path: Path, known: Version | None) -> bool:
        target = self.folder / name
        with lake_errors(target):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _lock(target) as is_ours:
                if not is_ours or self.version(name) != known:
                    return False
                unfinished = target.with_name(f"{name}.unfinished")
                unfinished.unlink(missing_ok=True)  # of a process that was killed
                _copy_durably(path, unfinished)
                unfinished.rename(target)
                sync_folder(self.folder)
                return True


def _version(found: os.stat_result) -> Version:
    return Version(f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}", None)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold the lock of those that replace a file, unless another process holds it: False. It ends with the process."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _copy_durably(path: Path, copy: Path) -> None:
    copy.touch(0o600, exist_ok=False)
    with path.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
