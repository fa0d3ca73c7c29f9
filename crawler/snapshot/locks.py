"""Which process works on an unfinished run: a lock on a file in the run's folder, gone with the process."""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from crawler.errors import SnapshotError
from crawler.snapshot.disk import quoted_path

_LOCK_FILE: Final = "lock"
_RETRIES: Final = 50
_RETRY_S: Final = 0.02
"""A lock is tried for a second: another process may hold it for a moment, only to see whether the run is in work."""

_UNSUPPORTED: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})


class Lock(Protocol):
    """Held until `release`, or the end of the process."""

    def release(self) -> None: ...


class Locks(Protocol):
    """How runs are kept to one process each."""

    def take(self, folder: Path) -> Lock | None:
        """The lock of a run's folder, or None where another process holds it.

        Whoever held it before may have removed the folder by now: then the lock is of no use, and no harm.
        Raises FileNotFoundError where the folder has vanished, and SnapshotError where there are no locks.
        """

    def is_held(self, folder: Path) -> bool:
        """Whether a process works on the run. Raises what `take` raises."""


class _Flock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class FileLocks:
    """flock(2) on a regular file that is open for writing: on NFS Linux makes a byte-range lock of it, which holds
    across machines, and which a folder or a file open for reading only cannot have (flock(2), NFS details).
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
            lock = _locked(folder, fcntl.LOCK_SH)  # shared, so that two who look do not see each other
        except PermissionError:
            return True  # another user's run: it is not for us to say
        if lock is not None:
            lock.release()
        return lock is None


class _NoLock:
    def release(self) -> None:
        """There is nothing to release."""


class NoLocks:
    """For file systems without locks: the operator promises that one crawl at a time works in the output folder."""

    def take(self, folder: Path) -> Lock | None:
        folder.stat()
        return _NoLock()

    def is_held(self, folder: Path) -> bool:  # noqa: ARG002  (the operator's promise)
        return False


def _locked(folder: Path, how: int) -> Lock | None:
    descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
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
