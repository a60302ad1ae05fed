"""The processor: its name, its caches, how much of it this process may use."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chainrule.compiler.native.caches import Cache, data_caches
from chainrule.compiler.native.limits import processors, share_of_time
from chainrule.compiler.native.target import host


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
    return Processor(_name(), cores, processors(), quota, caches(), _memory())


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


def caches(folder: Path | None = None) -> tuple[Cache, ...]:
    """The data caches that the system tells of; what the compiler assumes, where it does not."""
    found = data_caches() if folder is None else data_caches(folder)
    return found or (Cache(1, host().near), Cache(2, host().far))
