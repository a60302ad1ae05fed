"""Files and folders that are whole or not there: written aside, synced, moved into place, synced.

Whatever stops the machine in between, what had the name before still has it. What is left lying
then is a draft, ``.NAME.new-PID``: ``remove_drafts`` takes away those whose writer is dead.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chainrule.errors import RunError
from chainrule.runs.locks import lock_of

if sys.platform == "darwin":
    import fcntl

#: A write in one piece, so that a signal is seen between two.
_PIECE: Final = 1 << 24
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
#: What a file system says when nothing more fits: the disk, the quota, the largest file.
_FULL: Final = {
    getattr(errno, "EDQUOT", errno.ENOSPC): "no space left on device for this user (quota)",
    errno.ENOSPC: "no space left on device",
    errno.EFBIG: "no space left on device for a file of this size",
}
#: What a file system says that cannot sync a folder; there the renames are as durable as they get.
_NO_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: a temporary file, synced to disk, then moved into place.

    Raises:
        OSError: it cannot be written; what was there before is there still. It names ``path``,
            as a write to a full disk says no name and the draft's would tell nobody anything.
    """
    draft = draft_of(path)
    try:
        with _claimed(draft):
            write_new(draft, content)
            os.replace(draft, path)  # noqa: PTH105  one seam for all that can fail: `os`
    except BaseException as error:
        discard(draft)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write and sync a file under a name that does not count yet."""
    handle = os.open(path, _NEW, 0o666)
    try:
        left = memoryview(content)
        while len(left):
            left = left[os.write(handle, left[:_PIECE]) :]
        sync_file(handle)
    finally:
        os.close(handle)


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a whole folder or nothing: ``fill`` writes and syncs its files in a draft of it.

    Raises:
        OSError: it cannot be written, or ``path`` exists; there is nothing new then.
    """
    draft = draft_of(path)
    try:
        shutil.rmtree(draft, ignore_errors=True)  # of a dead process that had our number
        os.mkdir(draft)  # noqa: PTH102
        with _claimed(draft):
            fill(draft)
            sync_folder(draft)
            os.rename(draft, path)  # noqa: PTH104
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(path.parent)


def link_file(source: Path, path: Path) -> bool:
    """Give a file a second name; False where that cannot be done and it must be written."""
    try:
        os.link(source, path)
    except OSError:
        return False
    return True


def sync_file(handle: int) -> None:
    """Make an open file durable; macOS has an fsync of its own that does so."""
    if sys.platform == "darwin":
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def sync_folder(path: Path) -> None:
    """Make renames in a folder durable, on systems whose folders can be opened (not Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def draft_of(path: Path) -> Path:
    """The name under which ``path`` is written before it counts."""
    return path.with_name(f".{path.name}.new-{os.getpid()}")


def drafts(folder: Path, name: str = "") -> list[Path]:
    """The drafts that lie in a folder, of all names or of one."""
    begin = f".{name}.new-" if name else "."
    return [path for path in _entries(folder) if path.name.startswith(begin) and _is_draft(path)]


def remove_drafts(paths: Iterable[Path]) -> None:
    """Delete drafts whose writer is dead: a living one holds a lock on its draft."""
    for path in paths:
        with lock_of(path) as lock:
            if lock.mine:
                discard(path)


@contextmanager
def _claimed(draft: Path) -> Iterator[None]:
    """Hold a draft's lock; on Windows nobody can delete, nor we rename, what is open."""
    if sys.platform == "win32":
        yield
        return
    if not draft.exists():
        os.close(os.open(draft, _NEW, 0o666))
    with lock_of(draft):
        yield


def cannot(what: str, path: Path, error: OSError, needed: int = 0) -> RunError:
    """The error of a file system in our words; ``needed`` are the bytes that were to be written."""
    if error.errno not in _FULL:
        return RunError(f"{path}: cannot {what}: {error.strerror or error}")
    return RunError(
        f"{path}: cannot {what}: {_FULL[error.errno]}: {_sizes(path, needed)}",
        "free some space and resume; what was written before is whole",
    )


def _sizes(path: Path, needed: int) -> str:
    free = ""
    with suppress(OSError):
        place = next(p for p in (path, *path.parents) if p.exists())
        free = f", {shutil.disk_usage(place).free / 1e6:.3g} MB free"
    return f"{needed / 1e6:.3g} MB needed{free}"


def discard(path: Path) -> None:
    """Delete a file or folder, as far as it can be deleted."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_draft(path: Path) -> bool:
    _, found, writer = path.name.rpartition(".new-")
    return bool(found) and writer.isdigit()
