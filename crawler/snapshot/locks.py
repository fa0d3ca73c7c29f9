"""Which process works on an unfinished run: a lock on a file in the run's folder, released when the process ends."""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from crawler.config import OutputConfig
from crawler.errors import SnapshotError
from crawler.untrusted_text import quoted_path

_LOCK_FILE: Final = "lock"
_RETRIES: Final = 50
_RETRY_S: Final = 0.02
"""A lock is tried for a second: another process may hold it for a moment, to see whether it is held (`is_held`)."""

_UNSUPPORTED: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})


class Lock(Protocol):
    """A lock that is held until `release`, or until the process ends."""

    def release(self) -> None: ...


class Locks(Protocol):
    """How each run is kept to one process."""

    def take(self, folder: Path) -> Lock | None:
        """The lock of a run's folder, or None where another process holds it.

        The process that held the lock before may have removed the folder: then the lock is on a removed file, which
        does no harm. Raises FileNotFoundError where the folder is gone, and SnapshotError where the file system has no
        locks.
        """

    def is_held(self, folder: Path) -> bool:
        """Whether a process holds the lock of a run's folder. Raises the errors of `take`."""


class _Flock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class FileLocks:
    """Locks by flock(2).

    The lock is on a regular file that is open for writing. On NFS, Linux emulates flock by a byte-range lock, which
    other machines respect, and which needs a file descriptor that is open for writing (flock(2), "NFS details"): a
    folder could not be locked there.
    """

    def __init__(self, wait: Callable[[float], None] = time.sleep) -> None:
        self._wait = wait

    def take(self, folder: Path) -> Lock | None:
        for _ in range(_RETRIES):
            if (lock := _locked(folder, fcntl.LOCK_EX)) is not None:
                return lock
            self._wait(_RETRY_S)
        return None

    def is_held(self, folder: Path) -> bool:
        if not (folder / _LOCK_FILE).exists():
            return False
        try:
            lock = _locked(folder, fcntl.LOCK_SH)  # shared, so that two processes that look do not see each other
        except PermissionError:
            return True  # another user's run, which this process cannot take anyway
        if lock is not None:
            lock.release()
        return lock is None


class _NoLock:
    def release(self) -> None:
        """Nothing is held."""


class NoLocks:
    """For file systems without locks: the operator ensures that one crawl at a time uses the output folder."""

    def take(self, folder: Path) -> Lock | None:
        folder.stat()
        return _NoLock()

    def is_held(self, folder: Path) -> bool:  # noqa: ARG002  (the operator ensures it)
        return False


def _locked(folder: Path, mode: int) -> Lock | None:
    """Lock a folder's lock file without waiting, LOCK_EX or LOCK_SH; None where another process holds it."""
    descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as exc:
        os.close(descriptor)
        if exc.errno in _UNSUPPORTED:
            raise SnapshotError(
                f"{quoted_path(folder.parent)}: the file system has no locks ({exc.strerror}): "
                "use --no-lock (output.lock = false), and let one crawl at a time write there"
            ) from None
        raise
    return _Flock(descriptor)


def configured_locks(output: OutputConfig) -> Locks:
    """The locks of an output folder: none where `output.lock` is off, for file systems without them."""
    return FileLocks() if output.lock else NoLocks()
