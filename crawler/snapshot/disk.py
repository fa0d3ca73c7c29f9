"""The disk: files and folders that outlive a power cut, and its failures in words."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from crawler.errors import SnapshotError
from crawler.untrusted_text import printable

LONGEST_PATH: Final = 4096

_DISK_FAILURES: Final = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def quoted_path(path: Path | str) -> str:
    """A path as text. One that is not UTF-8 holds surrogates, which neither JSON nor a terminal takes."""
    return printable(str(path), LONGEST_PATH)


@contextmanager
def wrap_os_errors(path: Path) -> Iterator[None]:
    """An OSError as a SnapshotError that names the path."""
    try:
        yield
    except OSError as exc:
        raise SnapshotError(f"{quoted_path(exc.filename or path)}: {exc.strerror or exc}") from None


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole file and bring it to the disk for good. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a folder's entries last: a rename that the disk has not seen is undone by a power cut.

    Shares and FUSE file systems refuse this with whatever errno they like (CIFS before Linux 4.17 and many FUSE ones
    EINVAL, SMB EACCES, EBADF or ENOENT: restic/restic#3720), and there is nothing better to be had on them. Raises
    OSError only where the disk itself fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        if exc.errno in _DISK_FAILURES:
            raise


def remove_folder(folder: Path) -> None:
    """Remove a run's folder. It gets a hidden name first: a kill in between leaves no run without its half."""
    hidden = folder.with_name(f".{folder.name}.dropped")
    with suppress(OSError):
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
