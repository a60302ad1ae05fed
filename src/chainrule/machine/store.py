"""The folder in which machine code is kept: what lies there, and whether it can be used."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chainrule.compiler.native import cache


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of kept machine code.

    Attributes:
        path: where; None if it is turned off.
        files, bytes: what lies there.
        trouble: why it cannot be used, in words; "" if it can.
        hint: one thing to try then.
    """

    path: Path | None
    files: int = 0
    bytes: int = 0
    trouble: str = ""
    hint: str = ""


def store() -> Store:
    """Look at the folder; it is made if it was not there."""
    where = cache.folder()
    if where is None:
        return Store(None)
    trouble, hint = _trouble(where)
    sizes: list[int] = []
    with suppress(OSError), os.scandir(where) as entries:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
    return Store(where, len(sizes), sum(sizes), trouble, hint)


def _trouble(where: Path) -> tuple[str, str]:
    """Why code cannot be kept there, and what to do."""
    elsewhere = f"{cache.VARIABLE}=FOLDER names another one"
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=where, prefix=".doctor-") as draft:
            draft.write(bytes(4096))
            draft.flush()
    except OSError as error:
        return f"cannot be written: {error.strerror or error}", elsewhere
    if not cache.is_ours(where):
        return "others may write there, so code is not read from it", f"chmod 700 {where}"
    return "", ""
