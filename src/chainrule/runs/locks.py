"""Locks that end with the process that holds them, however it ends.

The operating system holds the lock on an open file, not on a name: there is no lock file that a
killed process leaves behind. Who holds one, the run's log says.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: What says that another holds the lock; all else says that this file system has no locks.
_HELD: Final = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
#: Where in a file Windows locks: far behind its end, so that others can still read it.
_BEYOND: Final = 1 << 30
_PAUSE: Final = 0.01


class Lock:
    """A lock on a file or folder, until ``close``.

    Attributes:
        mine: False if another process, or another part of this one, holds it. True as well where
            the file system knows no locks.
    """

    def __init__(self, path: Path) -> None:
        self._handle = _opened(path)
        self.mine = self._handle is None or _locked(self._handle)

    def close(self) -> None:
        """Let others have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self.mine = False

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def __del__(self) -> None:
        self.close()


def lock_of(path: Path, wait: float = 0.0) -> Lock:
    """Try to lock a file or folder, for ``wait`` seconds at least; ``mine`` says how it went."""
    until = monotonic() + wait
    lock = Lock(path)
    while not lock.mine and monotonic() < until:
        lock.close()
        sleep(_PAUSE)
        lock = Lock(path)
    return lock


def _opened(path: Path) -> int | None:
    """A handle to lock; None where there is none to be had (a folder on Windows)."""
    for mode in (os.O_RDWR, os.O_RDONLY):  # over NFS, only what can be written can be locked
        try:
            return os.open(path, mode | getattr(os, "O_BINARY", 0))
        except OSError:
            continue
    return None


def _locked(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, _BEYOND, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD
    return True
