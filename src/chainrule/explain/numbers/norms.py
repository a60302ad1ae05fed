"""Lengths of arrays and matrices, in float64 and without overflow on the way."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

Array = Any
#: The largest singular value is taken of the smaller side's Gram matrix, up to this side.
SIDE: Final = 768


@np.errstate(all="ignore")
def norm(x: Any) -> float:
    """√Σx² of an array, or of several together; NaN and infinities stay what they are."""
    if isinstance(x, dict | tuple):
        parts = x.values() if isinstance(x, dict) else x
        return math.hypot(*(norm(part) for part in parts if part is not None))
    x = np.asarray(x)
    scale = largest(x)
    if not (0 < scale < math.inf):
        return scale
    return scale * math.sqrt(float(np.sum(np.square(np.asarray(x, np.float64) / scale))))


def largest(x: Any) -> float:
    """The largest size of an element; 0 of none."""
    x = np.asarray(x)
    return float(np.max(np.abs(x.astype(np.float64)))) if x.size else 0.0


def largest_singular(x: Array) -> float | None:
    """σ_max of a matrix; None where the smaller side is above 768."""
    if min(x.shape) > SIDE:
        return None
    scale = largest(x)
    if min(x.shape) <= 1 or not (0 < scale < math.inf):
        return norm(x)
    wide = np.asarray(x, np.float64) / scale
    gram = wide @ wide.T if wide.shape[0] <= wide.shape[1] else wide.T @ wide
    return scale * math.sqrt(float(np.linalg.eigvalsh(gram)[-1]))
