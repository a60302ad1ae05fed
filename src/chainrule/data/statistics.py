"""Statistics of a column's values, where each row may have a weight.

A weight of 2 counts as the row twice; all weights times a number change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

F64 = NDArray[np.float64]

#: Interquartile range of the standard normal distribution.
NORMAL_IQR = 1.3489795003921634
_TIE = 1e-12  # sums of weights that differ by less than this are the same place


def mean_and_scale(values: F64, weights: F64 | None = None) -> tuple[float, float]:
    """Mean and standard deviation of ``values``: (n,); 1 for the latter if they are all equal."""
    # Divided by the largest first: squares of values beyond 1e154 would overflow.
    unit = float(np.abs(values).max()) or 1.0
    parts = values / unit
    if weights is None:
        centre, spread = float(parts.mean()), float(parts.std())
    else:
        shares = weights / weights.sum()
        centre = float(parts @ shares)
        spread = float(np.sqrt(np.square(parts - centre) @ shares))
    # Equal values have a spread of rounding errors only, which must not be blown up; that of
    # subnormal ones may round to 0.
    return centre * unit, (spread * unit or 1.0) if spread > 1e-12 else 1.0


def median(values: F64, weights: F64 | None = None) -> float:
    """The middle value, or the mean of the two in the middle."""
    if weights is None:
        part = _part(values)
        return float(np.median(values / part) * part)
    return float(quantiles(values, (0.5,), weights)[0])


def median_and_scale(values: F64, weights: F64 | None = None) -> tuple[float, float]:
    """Median, and the range of the middle half in units of a normal distribution's.

    Where half of the values are equal that range is 0, and beyond 1e308 it overflows: the standard
    deviation then takes its place.
    """
    low, middle, high = quantiles(values, (0.25, 0.5, 0.75), weights).tolist()
    scale = high / NORMAL_IQR - low / NORMAL_IQR
    usual = max(abs(low), abs(high))
    holds = np.isfinite(scale) and scale > 1e-12 * usual
    return middle, scale if holds else mean_and_scale(values, weights)[1]


def quantiles(values: F64, levels: Sequence[float], weights: F64 | None = None) -> F64:
    """The values below which lie the shares ``levels`` of the rows; the median is the usual one.

    Source:
        Hyndman & Fan 1996, definition 2 (the inverse of the distribution, averaged at its steps):
        the one that weights of 1 and repeated rows leave as it is.
    """
    if weights is None:
        part = _part(values)
        found = np.quantile(values / part, levels, method="averaged_inverted_cdf") * part
        return np.asarray(found, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    ordered, below = values[order], np.cumsum(weights[order])
    wanted = np.asarray(levels) * below[-1]
    last = len(ordered) - 1
    left = np.searchsorted(below, wanted * (1 - _TIE), "left").clip(max=last)
    right = np.searchsorted(below, wanted * (1 + _TIE), "right").clip(max=last)
    part = _part(values)
    return np.asarray((ordered[left] / part + ordered[right] / part) / 2 * part, dtype=np.float64)


def _part(values: F64) -> float:
    """What to divide by before two values are added up, whose sum may overflow; exact."""
    return 4.0 if np.abs(values).max() > 1e300 else 1.0


def farthest(low: float, high: float, centre: float, scale: float) -> float:
    """How many scales the farther of two values lies from the centre; finite."""
    with np.errstate(over="ignore"):
        low, high, centre = (np.float64(x) / scale for x in (low, high, centre))
        return float(min(max(high - centre, centre - low), np.finfo(np.float64).max))


def most_frequent(values: F64, weights: F64 | None = None) -> float:
    """The value of the most rows; of several the smallest."""
    distinct, which = np.unique(values, return_inverse=True)
    return float(distinct[np.bincount(which, weights).argmax()])


def normal_scores(values: F64, most: int, weights: F64 | None = None) -> tuple[F64, F64]:
    """Values and the normal score of each: where a normal variable has the same share below.

    Equal values have the score of their middle rank. Between two of the values that are returned,
    scores are to be interpolated.

    Args:
        values: (n,), at least one.
        most: how many values to return at most, evenly spread over the scores.
        weights: (n,) or None.

    Returns:
        Values, rising, and their scores, rising: both (k,) with k ≤ most.

    Source:
        van der Waerden 1952, Order tests for the two-sample problem and their power.
    """
    distinct, which = np.unique(values, return_inverse=True)
    rows = np.bincount(which, weights)
    total = rows.sum()
    scores = np.asarray(ndtri((np.cumsum(rows) - rows / 2) / total), dtype=np.float64)
    if len(distinct) > most:
        even = np.linspace(scores[0], scores[-1], most)
        kept = np.unique(np.abs(np.searchsorted(scores, even)).clip(max=len(scores) - 1))
        distinct, scores = distinct[kept], scores[kept]
    return distinct, scores
