"""What is done with numbers before a network sees them, learnt from weighted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

Scale: TypeAlias = Literal["auto", "standard", "robust", "quantile"]
SCALES: Final = ("auto", "standard", "robust", "quantile")


@dataclass(frozen=True, eq=False)
class Scaling:
    """``(x - center) / scale`` of each column.

    Shapes:
        center, scale: (n,).
    """

    center: np.ndarray
    scale: np.ndarray

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(rows, n) -> (rows, n), in the dtype of x."""
        dtype = x.dtype
        with np.errstate(all="ignore"):
            made: np.ndarray = np.subtract(x, self.center, dtype=dtype, casting="same_kind")
            np.divide(made, self.scale, out=made, dtype=dtype, casting="same_kind")
        return made

    def undo(self, x: np.ndarray) -> np.ndarray:
        """The inverse of ``apply``."""
        return np.asarray(x * self.scale + self.center, x.dtype)


def standard(x: np.ndarray, w: np.ndarray | None) -> Scaling:
    """Mean 0 and variance 1 over the weighted rows.

    A column that is constant is divided by its size where that is above 1, and not centred: it
    stays of use as a bias, and does not drown the others.
    """
    x = x.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        mean = np.average(x, axis=0, weights=w)
        spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
    size = np.abs(mean)
    # Rounding leaves a constant column a spread of some units in the last place of its size.
    constant = (spread <= 10 * np.finfo(np.float64).eps * size) & np.isfinite(size)
    center = np.where(constant, 0.0, mean)
    return Scaling(center, np.where(constant, np.maximum(size, 1.0), spread))


def fit_scaling(x: np.ndarray, w: np.ndarray | None, kind: Scale) -> Scaling | None:
    """What to do with columns like these; None for nothing."""
    if kind == "auto" and is_scaled(x, w):
        return None
    return standard(x, w)


def is_scaled(x: np.ndarray, w: np.ndarray | None) -> bool:
    """Whether somebody has brought all columns to [0, 1] or [-1, 1] already.

    Each column that is not all 0 must make use of that range: one of ten thousandths has not been
    scaled, it is in another unit.
    """
    seen = x if w is None else x[w > 0]
    largest = np.max(np.abs(seen), axis=0)
    return bool(np.all(((largest >= 0.5) & (largest <= 1)) | (largest == 0)))
