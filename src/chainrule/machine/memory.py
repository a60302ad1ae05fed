"""Bytes of memory: what this process may still take, and sizes as people write them."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_INFO: Final = Path("/proc/meminfo")
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY: Final = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?\s*", re.IGNORECASE)


def available_memory(info: Path = _INFO, groups: Path = _GROUPS, own: Path = _OWN) -> int | None:
    """Bytes that this process can still take: the machine's, or its group's; None if unknown.

    Source: proc_meminfo(5) (MemAvailable); Linux, Documentation/admin-guide/cgroup-v2.rst
    (memory.max, memory.current), cgroup-v1/memory.rst (memory.limit_in_bytes).
    """
    found = [*_of_machine(info), *_of_groups(groups, own)]
    return max(0, min(found)) if found else None


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library keeps it for later (glibc).

    Source: malloc_trim(3).
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such function, and keeps little
            ctypes.CDLL(None).malloc_trim(0)


def _of_machine(info: Path) -> Iterator[int]:
    try:
        lines = info.read_text().splitlines()
    except OSError:
        with suppress(OSError, ValueError, AttributeError):
            yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return
    for line in lines:
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) << 10


def _of_groups(groups: Path, own: Path) -> Iterator[int]:
    """What the groups of this process, and those that they are in, leave to it."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        is_first = "memory" in controllers.split(",")
        if controllers and not is_first:
            continue
        mount = groups / "memory" if is_first else groups
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if is_first else (
            "memory.max", "memory.current",
        )  # fmt: skip
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder == mount.parent:
                break
            with suppress(OSError, ValueError):  # "max" is no limit, and no number
                limit, used = (int((folder / name).read_text()) for name in names)
                yield limit - used


def parse_size(text: str | int) -> int | None:
    """Bytes of a size such as 2GB, 500 MB, 1.5GiB or a number of bytes; None if it is none.

    Example:
        >>> parse_size("2GB"), parse_size("1.5 GiB"), parse_size("much")
        (2000000000, 1610612736, None)
    """
    found = _SIZE.fullmatch(str(text))
    if found is None or isinstance(text, bool):
        return None
    number, unit = float(found[1]), found[2].lower()
    return int(number * {**_UNITS, **_BINARY}[unit])


def shown_size(size: float) -> str:
    """A number of bytes in words.

    Example:
        >>> shown_size(999), shown_size(2_500_000), shown_size(3e9)
        ('999 bytes', '2.5 MB', '3 GB')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} bytes"
