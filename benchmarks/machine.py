"""Facts about the machine that a figure means nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

QUIET = 0.5  # load average below which the machine counts as ours


def facts() -> dict[str, Any]:
    """CPU, cores, load, system and Python, by name."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores allowed": allowed_cores(),
        "load average at start": load_average(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def load_average() -> float | None:
    """Mean number of running processes over the last minute; None where it is not kept."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def allowed_cores() -> int | None:
    """Cores that the affinity mask leaves to this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def cpu_model() -> str:
    """The processor's name, with family and model where it does not say which one it is."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        entries = (line.partition(":") for line in listing.read_text().splitlines())
        found = {key.strip(): value.strip() for key, _, value in entries}
        number = f"family {found.get('cpu family')} model {found.get('model')}"
        return f"{found.get('model name', platform.machine())} ({number})"
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()


def version(distribution: str) -> str:
    """The installed version of a distribution, or where else the package comes from."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "from source"


def in_words(found: dict[str, Any]) -> str:
    """Facts in one sentence, and a warning where they call for one."""
    line = "; ".join(f"{name}: {value}" for name, value in found.items()) + "."
    if (found["load average at start"] or 0) < QUIET:
        return line
    return f"{line} The machine was busy: figures suffer, most of all those of several threads."
