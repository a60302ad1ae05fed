"""How much of the machine this process may use: its processors, and its group's share of time.

A container is often given the time of a few processors on a machine of many. It sees them all, but
threads beyond its share are stopped for the rest of each period, most of all while others wait for
them.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max), scheduler/sched-bwc.rst
(cpu.cfs_quota_us, cpu.cfs_period_us).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

_MOUNT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def available() -> int:
    """Threads that this process can run at once: processors it may use, or its share of time."""
    count = processors()
    share = share_of_time()
    return count if share is None else max(1, min(count, int(share)))


def processors() -> int:
    """Those that the process's affinity mask names."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_of_time(mount: Path = _MOUNT, own: Path = _OWN) -> float | None:
    """The processors' time that the groups of this process leave to it; None where none limits it.

    Args:
        mount: where the system shows its groups.
        own: the file that names this process's groups, ``number:controllers:path`` in a line.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    found = [share for line in lines for share in _shares(mount, *line.split(":", 2))]
    return min(found, default=None)


def _shares(mount: Path, number: str, controllers: str, path: str) -> Iterator[float]:
    """The limits of a group and of those that it is in."""
    if number == "0" and not controllers:
        roots, read = [mount, mount / "unified"], _of_version_2
    elif "cpu" in controllers.split(","):
        roots, read = [mount / controllers, mount / "cpu"], _of_version_1
    else:
        return
    group = PurePosixPath(path.lstrip("/"))
    for root in roots:
        for part in (group, *group.parents):
            with suppress(OSError, ValueError):
                share = read(root / part)
                if share is not None:
                    yield share


def _of_version_2(group: Path) -> float | None:
    """cpu.max: microseconds of time (or max), and of the period in which they may be used."""
    quota, period = (group / "cpu.max").read_text().split()
    return None if quota == "max" else _ratio(quota, period)


def _of_version_1(group: Path) -> float | None:
    """The same in two files; a negative quota is none."""
    quota = (group / "cpu.cfs_quota_us").read_text().strip()
    return None if int(quota) < 0 else _ratio(quota, (group / "cpu.cfs_period_us").read_text())


def _ratio(quota: str, period: str) -> float | None:
    return int(quota) / int(period) if int(period) > 0 else None
