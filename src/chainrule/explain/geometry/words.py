"""Vectors as this floor's texts show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chainrule.explain import words

#: Entries of a vector that are written out.
SHOWN: Final = 6


def entries(name: Callable[[int], str], values: np.ndarray, before: str = "") -> str:
    """As `w = 1, b = 2`: all entries of a short vector, the largest few of a long one."""
    places, size = largest(values), words.largest(values)
    said = ", ".join(f"{before}{name(k)} = {words.short(values[k], beside=size)}" for k in places)
    rest = len(values) - len(places)
    return said if not rest else f"{said}, and {rest:,} more"


def largest(values: np.ndarray, most: int = SHOWN) -> list[int]:
    """The places of the entries of largest size, in the order that they stand in."""
    if len(values) <= most:
        return list(range(len(values)))
    return sorted(int(k) for k in np.argpartition(-np.abs(values), most)[:most])
