"""Derivatives from values alone: central differences, extrapolated to a step of zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: The steps, each a quarter of the one before: from far beyond rounding down to where it rules.
_STEPS: Final = tuple(0.05 * 4.0**-k for k in range(10))
_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class Slope:
    """A derivative along a line and how far it may be off; infinitely where there is none."""

    value: float
    error: float


def slope(f: Callable[[float], float], rounding: float) -> Slope:
    """The derivative of f at 0, by Richardson's extrapolation of central differences.

    Args:
        f: of the distance along a line.
        rounding: the relative error of f's values.

    Source:
        Ridders 1982, Accurate computation of F'(x) and F'(x) F''(x).

    Example:
        >>> round(slope(math.exp, 2.2e-16).value, 10)
        1.0
    """
    here, best = f(0.0), Slope(math.nan, math.inf)
    before: list[float] = []
    for h in _STEPS:
        ahead, behind = f(h), f(-h)
        if not (math.isfinite(ahead) and math.isfinite(behind)):
            before = []
            continue
        row = _extrapolated((ahead - behind) / (2 * h), before)
        noise = rounding * max(abs(ahead), abs(behind), abs(here)) / h
        for finer, coarser, left in zip(row[1:], before, row, strict=False):
            error = max(abs(finer - left), abs(finer - coarser)) + noise
            best = Slope(finer, error) if error < best.error else best
        before = row
    return best


def _extrapolated(central: float, before: list[float]) -> list[float]:
    """The next row of the table: column k has its terms up to h²ᵏ cancelled."""
    row = [central]
    for k, coarser in enumerate(before[: _COLUMNS - 1]):
        row.append(row[k] + (row[k] - coarser) / (16.0 ** (k + 1) - 1))
    return row


def sides(f: Callable[[float], float], rounding: float, near: float = 1.0) -> tuple[float, float]:
    """The slopes from the left and from the right, by differences of one side each.

    ``near`` shortens the step: it looks closer, and sees more of the rounding.
    """
    h = near * rounding ** (1 / 3)
    here = f(0.0)
    wide, narrow = ([(f(s * d) - here) / (s * d) for s in (-1, 1)] for d in (h, h / 2))
    left, right = (2 * b - a for a, b in zip(wide, narrow, strict=True))
    return left, right


def differ(left: float, right: float, rounding: float) -> bool:
    """Whether slopes of two sides are those of a kink."""
    size = max(abs(left), abs(right))
    return bool(abs(left - right) > 100 * rounding ** (1 / 3) * size)
