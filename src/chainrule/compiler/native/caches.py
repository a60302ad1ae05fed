"""The processor's caches for data, as the system tells of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS: Final = {"K": 10, "M": 20, "G": 30}


@dataclass(frozen=True, slots=True)
class Cache:
    """A data cache: its level, from 1, and its bytes."""

    level: int
    bytes: int


def data_caches(folder: Path = _FOLDER) -> tuple[Cache, ...]:
    """Those of the first core, the nearest first; none where the system does not tell."""
    found: dict[int, Cache] = {}
    for entry in sorted(folder.glob("index*")):
        with suppress(OSError, ValueError):
            if (entry / "type").read_text().strip() != "Instruction":
                level = int((entry / "level").read_text())
                found[level] = Cache(level, in_bytes((entry / "size").read_text()))
    return tuple(found[level] for level in sorted(found))


def in_bytes(text: str) -> int:
    """``48K`` as a number."""
    text = text.strip()
    if text and text[-1] in _UNITS:
        return int(text[:-1]) << _UNITS[text[-1]]
    return int(text)
