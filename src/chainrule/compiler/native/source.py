"""Which compiler this process runs: the files it was read from, and whether they still hold.

Programs are found again by their graphs, so whoever changes the compiler must never be given what
the compiler before made. A file that is written has another time of its last change, which no
copying tool can set back; a file that was written after this process began to read the package is
not what runs here; nor is a module in which a name was given another value.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import chainrule
from chainrule.ops import PRIMITIVES

#: What decides the code of a graph.
_FLOORS: Final = ("compiler", "ops", "ir")
#: Seconds by which the clock of a file system may be behind ours.
_BEHIND: Final = 2.0


@cache
def version() -> str | None:
    """The hash of when each file of the compiler was last changed; None if one changed lately.

    None too where that cannot be asked: the package lies in an archive, a file cannot be looked at.
    """
    try:
        found = _found()
    except OSError:
        return None
    began = (chainrule._READ_AT - _BEHIND) * 1e9
    if not found or any(max(modified, changed) > began for _, _, modified, changed in found):
        return None
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()


def _found() -> list[tuple[str, int, int, int]]:
    root = Path(chainrule.__file__).parent
    return [
        (path, *_stamp(entry)) for floor in _FLOORS for path, entry in _files(str(root / floor))
    ]


def _files(folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.path, entry
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int, int]:
    found = entry.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Unchanged:
    """What the names of the compiler's modules stand for now, when they have all been read."""

    def __init__(self) -> None:
        prefixes = tuple(f"chainrule.{floor}." for floor in _FLOORS)
        modules = [m for name, m in sys.modules.items() if name.startswith(prefixes)]
        self._places = [m for m in modules if not hasattr(m, "__path__")]
        self._places += [c for m in self._places for c in _classes(m)]
        self._names = [dict(vars(place)) for place in self._places]
        self._primitives = dict(PRIMITIVES)

    def holds(self, ops: set[str]) -> bool:
        """Whether no name has another value now, and these operations are as they were."""
        return all(self._primitives.get(op) is PRIMITIVES.get(op) for op in ops) and all(
            _is_same(place, names) for place, names in zip(self._places, self._names, strict=True)
        )


def _classes(module: ModuleType) -> list[Any]:
    found = vars(module).values()
    return [x for x in found if isinstance(x, type) and x.__module__ == module.__name__]


def _is_same(place: Any, before: dict[str, Any]) -> bool:
    """A class may not gain a name either: it would stand before an inherited one."""
    now = vars(place)
    gained = isinstance(place, type) and len(now) > len(before)
    return not gained and all(now.get(name) is x for name, x in before.items())
