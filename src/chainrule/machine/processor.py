"""The processor: its name, its caches, how much of it this process may use."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from chainrule.compiler.native.limits import processors, share_of_time
from chainrule.compiler.native.target import host

_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS: Final = {"K": 10, "M": 20, "G": 30}


@dataclass(frozen=True, slots=True)
class Cache:
    """A data cache: its level, from 1, and its bytes."""

    level: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Processor:
    """What a process sees of its processor.

    Attributes:
        name: as its maker calls it.
        cores: logical processors of the machine.
        allowed: those that this process may run on.
        quota: processors' worth of time that the container is granted; None without a limit.
        caches: data caches of the first core, the nearest first.
        memory: bytes of the machine's memory; 0 where it is not known.
    """

    name: str
    cores: int
    allowed: int
    quota: float | None
    caches: tuple[Cache, ...]
    memory: int


@cache
def processor() -> Processor:
    """The processor of this machine."""
    cores, quota = os.cpu_count() or 1, share_of_time()
    return Processor(_name(), cores, processors(), quota, caches(_CACHES), _memory())


def _name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory() -> int:
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


# -- caches --------------------------------------------------------------------------------------


def caches(folder: Path) -> tuple[Cache, ...]:
    """The data caches that the system tells of; what the compiler assumes, where it does not."""
    found: dict[int, Cache] = {}
    for entry in sorted(folder.glob("index*")):
        with suppress(OSError, ValueError):
            if (entry / "type").read_text().strip() != "Instruction":
                level = int((entry / "level").read_text())
                found[level] = Cache(level, in_bytes((entry / "size").read_text()))
    assumed = (Cache(1, host().near), Cache(2, host().far))
    return tuple(found[level] for level in sorted(found)) or assumed


def in_bytes(text: str) -> int:
    """``48K`` as a number."""
    text = text.strip()
    if text and text[-1] in _UNITS:
        return int(text[:-1]) << _UNITS[text[-1]]
    return int(text)
