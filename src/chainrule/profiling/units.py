"""Seconds, bytes and counts in three digits and a unit."""

from __future__ import annotations


def seconds_in_words(seconds: float) -> str:
    """``1.23 µs``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def bytes_in_words(count: float) -> str:
    """``1.2 MB``, by powers of 1024."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= size:
            return f"{_three(count / size)} {unit}"
    return f"{count:.0f} B"


def count_in_words(count: float) -> str:
    """``1.2 M``, by powers of 1000."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{_three(count / size)} {unit}"
    return f"{count:.0f}"


def percent(part: float) -> str:
    """``12 %``."""
    return f"{100 * part:.0f} %" if part >= 0.0995 or part == 0 else f"{100 * part:.1f} %"


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"
