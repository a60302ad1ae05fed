"""Machine code kept on disk: what was compiled once is read the next time.

A file holds the code of one module under the hash of all that decides it: the module's text, the
processor, LLVM, Chainrule. It is written whole or not at all, and its own hash is checked when it
is read: a file that is damaged is as none. Code is run, so it is only read from a folder that
belongs to this user and that nobody else can write to.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Final

import llvmlite
import llvmlite.binding as llvm

from chainrule import __version__
from chainrule.compiler.native.target import Target

#: Names another folder, or with "off" none.
VARIABLE: Final = "CHAINRULE_CACHE"
#: Bytes beyond which the files that were not read for longest are deleted.
LIMIT: Final = 256 << 20
_MAGIC: Final = b"chainrule machine code 1\n"
_DIGEST: Final = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Where machine code is kept; None if it is not."""
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked in ("", "off", "0") else Path(asked).expanduser()
    try:
        return _user_folder() / "chainrule" / "machine-code"
    except RuntimeError:  # there is no home
        return None


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def key_of(text: str, target: Target) -> str:
    """The hash of all that decides the code of a module."""
    parts = (__version__, llvmlite.__version__, llvm.llvm_version_info, astuple(target), text)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def read(key: str) -> bytes | None:
    """The code under this key; None where there is none, or none that can be trusted."""
    where = folder()
    if where is None or not is_ours(where):
        return None
    path = where / key
    with suppress(OSError):
        content = path.read_bytes()
        head = _MAGIC + bytes.fromhex(key)
        code = content[len(head) + _DIGEST :]
        if content.startswith(head) and content[len(head) :][:_DIGEST] == _hash(code):
            with suppress(OSError):
                os.utime(path)  # read last now
            return code
        path.unlink()
    return None


def write(key: str, code: bytes) -> None:
    """Keep code; a disk that is full or read-only keeps none, and that is no error."""
    where = folder()
    if where is None:
        return
    draft = where / f".{key}-{os.getpid()}-{threading.get_ident()}"
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_ours(where):
            return
        draft.write_bytes(_MAGIC + bytes.fromhex(key) + _hash(code) + code)
        draft.replace(where / key)
        _make_room(where)
    except OSError:
        with suppress(OSError):
            draft.unlink()


def _hash(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()


def is_ours(where: Path) -> bool:
    """Whether nobody but this user can have written what lies in a folder."""
    try:
        found = where.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if sys.platform == "win32":  # a user's own folders are that user's by their inherited rights
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _make_room(where: Path) -> None:
    """Delete the files that were not read for longest, down to three quarters of the limit."""
    found = sorted(_files(where), reverse=True)
    if sum(size for _, size, _ in found) <= LIMIT:
        return
    kept = 0
    for _, size, path in found:
        kept += size
        if kept > LIMIT * 3 // 4:
            with suppress(OSError):
                path.unlink()


def _files(where: Path) -> Iterator[tuple[float, int, Path]]:
    """(when read last, bytes, path) of each file, drafts that were left by a crash too."""
    with os.scandir(where) as entries:
        for entry in entries:
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                yield found.st_mtime, found.st_size, Path(entry.path)
