"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

SUFFICIENT: Final = 1e-4
CURVATURE: Final = 0.9
#: Differences of values below this share of them are rounding; slopes alone then decide.
ROUNDING: Final = 1e-13


@dataclass(frozen=True)
class Trial:
    """A point on the line: how far, the value, the slope along the line, point and gradient."""

    alpha: float
    value: float
    slope: float
    point: Any = None
    gradient: Any = None

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.slope)


@dataclass(frozen=True)
class _Wolfe:
    """The conditions, from where the line begins."""

    start: Trial

    def is_level(self, trial: Trial) -> bool:
        """Whether the two values are equal but for rounding."""
        return abs(trial.value - self.start.value) <= ROUNDING * abs(self.start.value)

    def decreases(self, trial: Trial) -> bool:
        """Sufficient decrease; between values that are level, by the slope (Hager & Zhang)."""
        if not trial.is_finite:
            return False
        if self.is_level(trial):
            return trial.slope <= (2 * SUFFICIENT - 1) * self.start.slope
        return trial.value <= self.start.value + SUFFICIENT * trial.alpha * self.start.slope

    def is_above(self, trial: Trial, other: Trial) -> bool:
        both_level = self.is_level(trial) and self.is_level(other)
        return not trial.is_finite or (not both_level and trial.value >= other.value)

    def is_flat(self, trial: Trial) -> bool:
        return abs(trial.slope) <= -CURVATURE * self.start.slope


def strong_wolfe(
    phi: Callable[[float], Trial], start: Trial, first: float, most: int = 40
) -> Trial | None:
    """A step with f(α) <= f(0) + 10⁻⁴ α f'(0) and |f'(α)| <= 0.9 |f'(0)|, or None.

    Where values no longer differ but by rounding, the first is judged by the slope.

    Args:
        phi: a step's length to its ``Trial``.
        start: the trial of length 0; its slope is below 0.
        first: the length to begin with.
        most: trials.

    Source:
        Nocedal & Wright 2006, Numerical Optimization, algorithms 3.5 and 3.6; approximate
        conditions: Hager & Zhang 2005, A New Conjugate Gradient Method, section 4.
    """
    wolfe, previous, alpha = _Wolfe(start), start, first
    for k in range(most):
        trial = phi(alpha)
        if not wolfe.decreases(trial) or (k > 0 and wolfe.is_above(trial, previous)):
            return _zoom(phi, wolfe, previous, trial, most - k)
        if wolfe.is_flat(trial):
            return trial
        if trial.slope >= 0:
            return _zoom(phi, wolfe, trial, previous, most - k)
        previous, alpha = trial, _further(previous, trial)
    return previous if previous is not start else None


def _further(previous: Trial, trial: Trial) -> float:
    """Beyond the trial: where a cubic through both has its least, within 2 to 10 times."""
    wanted = _cubic(previous, trial)
    step = trial.alpha
    if wanted is None or not wanted > step:
        return 4 * step
    return min(max(wanted, 2 * step), 10 * step)


def _zoom(
    phi: Callable[[float], Trial], wolfe: _Wolfe, low: Trial, high: Trial, most: int
) -> Trial | None:
    """Between two lengths, of which the first decreases and slopes towards the second."""
    for _ in range(most):
        alpha = _between(low, high)
        if alpha is None:
            break
        trial = phi(alpha)
        if not wolfe.decreases(trial) or wolfe.is_above(trial, low):
            high = trial
            continue
        if wolfe.is_flat(trial):
            return trial
        if trial.slope * (high.alpha - low.alpha) >= 0:
            high = low
        low = trial
    return low if low.alpha > 0 else None


def _between(low: Trial, high: Trial) -> float | None:
    """A length between the two; None where float64 has no more."""
    width = high.alpha - low.alpha
    if abs(width) <= 1e-15 * max(abs(low.alpha), abs(high.alpha)):
        return None
    if not high.is_finite:
        return low.alpha + 0.1 * width
    wanted = _cubic(low, high)
    if wanted is None:
        return low.alpha + 0.5 * width
    share = (wanted - low.alpha) / width
    return low.alpha + width * (share if 0.05 <= share <= 0.95 else 0.5)


def _cubic(a: Trial, b: Trial) -> float | None:
    """Where the cubic of both values and slopes has its least (equation 3.59)."""
    if a.alpha == b.alpha or not (a.is_finite and b.is_finite):
        return None
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.alpha - b.alpha)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return None
    d2 = math.copysign(math.sqrt(square), b.alpha - a.alpha)
    below = b.slope - a.slope + 2 * d2
    if below == 0:
        return None
    return b.alpha - (b.alpha - a.alpha) * (b.slope + d2 - d1) / below
