"""The level set of a function of one variable: points."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from chainrule.explain.geometry.field import Field, Vector, curvature_length

_SIZE: Final = 801
#: Part of the interval with f at the value from which the level set is no longer points.
_FLAT: Final = 0.02


def interval(field: Field, gradient: Vector) -> tuple[float, float]:
    """What a picture shows of one variable."""
    size = 1.0 + abs(float(field.theta[0]))
    near = curvature_length(field, field.theta, gradient, np.ones(1))
    half = 1.5 * max(near, 0.5 * size)
    return float(field.theta[0]) - half, float(field.theta[0]) + half


def level_points(field: Field, value: float, gradient: Vector) -> np.ndarray:
    """All θ' in the interval shown with f(θ') = f(θ), θ itself among them: float64[k].

    Where f is constant on a part of it, the grid's points there.
    """

    def miss(x: float) -> float:
        return field.value(np.array([x])) - value

    grid = np.linspace(*interval(field, gradient), _SIZE)
    misses = [miss(float(x)) for x in grid]
    if np.mean(np.array(misses) == 0) > _FLAT:
        return np.asarray(grid[np.array(misses) == 0])
    found = [float(field.theta[0])]
    for (a, left), (b, right) in pairwise(zip(grid.tolist(), misses, strict=True)):
        if np.isfinite(left) and np.isfinite(right) and left * right < 0:
            found.append(float(brentq(miss, a, b, xtol=1e-13)))
    found += _touching(miss, grid, np.abs(misses), 1e-12 * (abs(value) + float(np.ptp(misses))))
    return _apart(np.sort(found), 1e-6 * (1 + abs(found[0])), found[0])


def _touching(
    miss: Callable[[float], float], grid: np.ndarray, away: np.ndarray, close: float
) -> list[float]:
    """Where f comes to the value and turns back."""
    inner = np.flatnonzero((away[1:-1] <= away[:-2]) & (away[1:-1] <= away[2:])) + 1
    found = []
    for k in inner:
        ends = (float(grid[k - 1]), float(grid[k + 1]))
        best = minimize_scalar(lambda x: abs(miss(x)), bounds=ends, method="bounded")
        if best.fun <= close:
            found.append(float(best.x))
    return found


def _apart(points: np.ndarray, least: float, own: float) -> np.ndarray:
    """Without what is the point itself, found again."""
    return np.array([x for x in points if x == own or abs(x - own) > least])
