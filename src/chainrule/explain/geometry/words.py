"""Numbers and vectors as this floor's texts show them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

#: Entries of a vector that are written out.
SHOWN: Final = 6
_DIGITS: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(x: float) -> str:
    """Five digits, with a true minus, and powers of ten as people write them.

    Example:
        >>> number(-0.25), number(1.5e-9), number(1e-8), number(12345678.0)
        ('−0.25', '1.5·10⁻⁹', '10⁻⁸', '1.2346·10⁷')
    """
    if not math.isfinite(x):
        return {math.inf: "∞", -math.inf: "−∞"}.get(x, "NaN")
    text = f"{x:.5g}"
    if "e" in text:
        mantissa, power = text.split("e")
        tens = f"10{str(int(power)).translate(_DIGITS)}"
        signs = {"1": tens, "-1": f"-{tens}"}
        text = signs.get(mantissa, f"{mantissa}·{tens}")
    return text.replace("-", "−")


def few(x: float) -> str:
    """Two digits: for errors."""
    return number(float(f"{x:.1e}")) if math.isfinite(x) else number(x)


def count(n: int, noun: str) -> str:
    """A number of things: 1 row, 2,000 rows."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def entries(name: Callable[[int], str], values: np.ndarray, before: str = "") -> str:
    """As `w = 1, b = 2`: all entries of a short vector, the largest few of a long one."""
    places = largest(values)
    words = ", ".join(f"{before}{name(k)} = {number(values[k])}" for k in places)
    rest = len(values) - len(places)
    return words if not rest else f"{words}, and {rest:,} more"


def largest(values: np.ndarray, most: int = SHOWN) -> list[int]:
    """The places of the entries of largest size, in the order that they stand in."""
    if len(values) <= most:
        return list(range(len(values)))
    return sorted(int(k) for k in np.argpartition(-np.abs(values), most)[:most])


def wrapped(text: str, width: int = 98, indent: str = "  ") -> str:
    """A long line broken at spaces, further lines indented."""
    lines: list[str] = []
    words = text.lstrip(" ")
    line = text[: len(text) - len(words)]
    indent = line + indent
    for word in words.split(" "):
        if line.strip() and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line.strip() else line + word
    return "\n".join([*lines, line])
