"""The disk: files and folders that survive a power cut, and its errors as messages."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from crawler.errors import SnapshotError
from crawler.untrusted_text import quoted_path

_DISK_FAILURES: Final = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@contextmanager
def wrap_os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a SnapshotError that names the error's own path, or else `path`."""
    try:
        yield
    except OSError as exc:
        raise SnapshotError(f"{quoted_path(exc.filename or path)}: {exc.strerror or exc}") from None


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole file and wait until it is on the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk: without this a power cut may undo a rename.

    Raises OSError only where the disk itself fails.
    """
    # Network and FUSE file systems refuse fsync on a folder, each with another errno: CIFS before Linux 4.17 and many
    # FUSE file systems EINVAL, SMB EACCES, EBADF or ENOENT (restic/restic#3720). They offer nothing better, so these
    # errors are ignored.
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
    """Remove a run's folder, as far as the disk allows.

    The folder gets a hidden name first, so that a kill in between does not leave half a run under the run's name.
    """
    hidden = folder.with_name(f".{folder.name}.dropped")
    with suppress(OSError):
        shutil.rmtree(hidden, ignore_errors=True)  # left by a kill: a folder that is not empty keeps its name
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
