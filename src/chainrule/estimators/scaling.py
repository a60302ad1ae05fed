"""How numbers are scaled before a network sees them, learnt from weighted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.statistics import median_and_scale, normal_scores

SCALES: Final = ("auto", "standard", "robust", "quantile")
#: Scaled values beyond ±3 are drawn in: x / √(1 + (x / 3)²), which never exceeds 3.
_BEND: Final = 3.0
#: Values whose normal scores are kept.
_KNOTS: Final = 101
#: Squares of values between this and its inverse stay well within the range of numbers.
_SMALL: Final = 1e-100
#: Values beyond this have no scale: the fit ends with an error that names large values.
_LARGEST: Final = 1e300
#: "auto" takes a column's tails for heavy where a value lies this many standard deviations out.
_FAR: Final = 8.0
#: ... and has more different values than this.
_FEW: Final = 20


@dataclass(frozen=True, eq=False)
class Scaling:
    """``(x - center) / scale`` of each column; what "robust" and "quantile" do beside it.

    Shapes:
        center, scale: (n,).

    Attributes:
        bent: (n,) whether far values are drawn in; None for no column.
        scores: of a column its values and their normal scores; None for none.

    Source:
        Drawing in: Holzmüller, Grinsztajn & Steinwart 2024, Better by Default: Strong Pre-Tuned
        MLPs and Boosted Trees on Tabular Data, 3 (robust scaling with smooth clipping).
    """

    center: np.ndarray
    scale: np.ndarray
    bent: np.ndarray | None = None
    scores: dict[int, tuple[np.ndarray, np.ndarray]] | None = None

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(rows, n) -> (rows, n), in the dtype of x."""
        dtype: Any = x.dtype
        with np.errstate(all="ignore"):
            made: np.ndarray = np.subtract(x, self.center, dtype=dtype, casting="same_kind")
            np.divide(made, self.scale, out=made, dtype=dtype, casting="same_kind")
            if self.bent is not None and self.bent.any():
                far = made[:, self.bent]
                made[:, self.bent] = far / np.sqrt(1 + (far / _BEND) ** 2)
        for column, (values, scores) in (self.scores or {}).items():
            made[:, column] = np.interp(x[:, column], values, scores)
        return made

    def undo(self, x: np.ndarray) -> np.ndarray:
        """The inverse of ``apply`` where nothing is drawn in."""
        return np.asarray(x * self.scale + self.center, x.dtype)


def standard(x: np.ndarray, w: np.ndarray | None) -> Scaling:
    """Mean 0 and variance 1 over the weighted rows.

    A column that is constant is divided by its size where that is above 1, and not centred: it
    stays of use as a bias, and does not drown the others.
    """
    x = x.astype(np.float64, copy=False)
    # In units of a power of 2 near the largest, squares of 1e200 and of 1e-200 are numbers too.
    largest = np.max(np.abs(x), axis=0)
    unit = _power_of_two(largest)
    with np.errstate(all="ignore"):
        small = x if unit is None else x / unit
        mean = np.average(small, axis=0, weights=w)
        spread = np.sqrt(np.average((small - mean) ** 2, axis=0, weights=w))
    if unit is not None:
        mean, spread = mean * unit, spread * unit
    spread = np.where(largest > _LARGEST, np.nan, spread)
    size = np.abs(mean)
    # Rounding leaves a constant column a spread of some units in the last place of its size.
    constant = (spread <= 10 * np.finfo(np.float64).eps * size) & np.isfinite(size)
    center = np.where(constant, 0.0, mean)
    return Scaling(center, np.where(constant, np.maximum(size, 1.0), spread))


def _power_of_two(largest: np.ndarray) -> np.ndarray | None:
    """(n,) units in which columns are near 1; None where their squares are in range as they are."""
    largest = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    if np.all((largest > _SMALL) & (largest < 1 / _SMALL)):
        return None
    return np.asarray(np.ldexp(1.0, np.clip(np.frexp(largest)[1], -1000, 1000)))


def fit_scaling(x: np.ndarray, w: np.ndarray | None, kind: str) -> Scaling | None:
    """What to do with columns like these; None for nothing.

    Args:
        x: (rows, n), no NaN.
        w: (rows,) or None.
        kind: "standard", "robust" (median and quartiles, far values drawn in), "quantile" (normal
            scores); "auto" is "robust" for columns with heavy tails and "standard" for others,
            and leaves a table alone that has been brought to [0, 1] or [-1, 1].
    """
    if kind == "auto" and is_scaled(x, w):
        return None
    plain = standard(x, w)
    if kind == "standard" or not np.isfinite(plain.scale).all():
        return plain
    seen, weights = (x, None) if w is None else (x[w > 0], w[w > 0])
    if kind == "quantile":
        columns = {k: _scores(seen[:, k], weights) for k in range(x.shape[1])}
        return Scaling(plain.center, plain.scale, None, columns)
    bent = np.ones(x.shape[1], bool) if kind == "robust" else _has_heavy_tails(seen, plain)
    return _robust(seen, weights, plain, bent)


def _scores(column: np.ndarray, w: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    return normal_scores(column.astype(np.float64), _KNOTS, w)


def _has_heavy_tails(x: np.ndarray, plain: Scaling) -> np.ndarray:
    """Columns with values far out; one of few values is a count or a class, however rare."""
    far = np.max(np.abs(x - plain.center), axis=0) > _FAR * plain.scale
    for k in np.flatnonzero(far):
        far[k] = len(np.unique(x[:, k])) > _FEW
    return np.asarray(far)


def _robust(x: np.ndarray, w: np.ndarray | None, plain: Scaling, bent: np.ndarray) -> Scaling:
    center, scale = plain.center.copy(), plain.scale.copy()
    for k in np.flatnonzero(bent):
        center[k], scale[k] = median_and_scale(x[:, k].astype(np.float64), w)
    return Scaling(center, scale, bent)


def is_scaled(x: np.ndarray, w: np.ndarray | None) -> bool:
    """Whether somebody has brought all columns to [0, 1] or [-1, 1] already.

    Each column that is not all 0 must make use of that range: one of ten thousandths has not been
    scaled, it is in another unit.
    """
    seen = x if w is None else x[w > 0]
    largest = np.max(np.abs(seen), axis=0)
    return bool(np.all(((largest >= 0.5) & (largest <= 1)) | (largest == 0)))
