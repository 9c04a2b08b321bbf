"""Locks between processes, also those of containers and machines that share a folder.

The kernel releases a lock when its process ends in any way. Locks are those of the file system: flock on
Unix, msvcrt on Windows. Some network file systems have none; callers decide what to do then. Imports only the
standard library.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NONE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.ENOTTY)
"""Error numbers of file systems without locks; EBADF: NFS does not lock a file opened for reading."""

_WAIT = 0.2


class LocksUnavailableError(OSError):
    """The file system has no locks."""


def acquire(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; return False if another holder has locked it.

    Raises:
        LocksUnavailableError: the file system has no locks.
        OSError: the lock failed in another way.
    """
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _acquire_on_windows(descriptor)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NONE:
            raise LocksUnavailableError(*error.args) from None
        raise
    return True


_FAR = 1 << 30  # beyond the content, since other processes cannot read a locked byte on Windows


def _acquire_on_windows(descriptor: int) -> None:
    if sys.platform != "win32":
        raise LocksUnavailableError(errno.ENOSYS, "neither fcntl nor msvcrt")
    else:
        import msvcrt

        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None


def is_locked(path: Path) -> bool | None:
    """Return True if a process holds the lock of a file or folder; None if the system cannot tell.

    A missing path is not locked.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:  # folders cannot be opened on Windows
        return None
    try:
        return not acquire(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock of an existing file or folder in the block.

    Yields:
        False if another holder has it; True otherwise, also if the system has no locks for `path`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        try:
            mine = acquire(descriptor)
        except OSError:
            mine = True
        yield mine
    finally:
        os.close(descriptor)


@contextmanager
def waiting_for(path: Path, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Wait until the lock of a file is free, and hold it in the block; the file is created, and stays.

    Args:
        path: of the lock file.
        on_wait: called once if another holder has it.

    Yields:
        True; or False if the system has no locks there, or the file cannot be created.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield False
        return
    try:
        locked, waits = False, 0
        with suppress(OSError):
            while not (locked := acquire(descriptor)):
                if not waits:
                    on_wait()
                waits += 1
                time.sleep(_WAIT)
        yield locked
    finally:
        os.close(descriptor)
