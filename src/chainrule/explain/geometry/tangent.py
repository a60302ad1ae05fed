"""The tangent of a level set, measured: by differences along it, not by the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.geometry.field import Field, Vector, curvature_length
from chainrule.explain.geometry.plane import unit_vector

#: The longest step is this much shorter, one after the other, until no kink lies within it.
_SHORTER: Final = (1.0, 1 / 8, 1 / 64, 1 / 512, 1 / 4096, 1 / 32768)
#: Step lengths, each half of the one before, that are extrapolated to 0.
_HALVINGS: Final = 5
#: Error of the slope, radians, at which no shorter steps are tried.
_ENOUGH: Final = 1e-11
_CORRECTIONS: Final = 30


@dataclass(frozen=True, eq=False)
class Tangent:
    """dθ/dt of a path on the level set at t = 0, and its angle to the gradient.

    Attributes:
        direction: dθ/dt, float64[n], not of length 1: the path leaves along a given direction and
            is pushed back onto the level set.
        angle: between it and ∇f, degrees. error: of the differences, degrees, estimated.
    """

    direction: Vector
    angle: float
    error: float


def measured_tangent(
    f: Field, theta: Vector, value: float, gradient: Vector, leaving: Vector
) -> Tangent | None:
    """The tangent of θ(t) = θ + t v + s(t) n, where s(t) keeps f(θ(t)) at f(θ).

    n is the gradient's direction and v any other, not one at a right angle to it. s'(0) comes
    from s(±h) for ever smaller h, extrapolated to h = 0: the values of f alone decide what the
    tangent is. None where the level set cannot be followed.

    Args:
        f: the function.
        theta: a point.
        value: f there.
        gradient: ∇f there.
        leaving: v, float64[n].

    Source:
        Extrapolation: Ridders 1982, Accurate computation of F'(x) and F'(x)F''(x).
    """
    normal, v = unit_vector(gradient), unit_vector(leaving)
    longest = 0.1 * curvature_length(f, theta, gradient, v)
    guess = -float(v @ normal)

    def height(t: float) -> float | None:
        return _height(f, theta, value, v, normal, t, guess * t)

    best, error = math.nan, math.inf
    for part in _SHORTER:
        found, change = _extrapolated(height, part * longest)
        if change < error:
            best, error = found, change
        if error <= _ENOUGH:
            break
    if not math.isfinite(best):
        return None
    direction = v + best * normal
    return Tangent(direction, angle(direction, gradient), math.degrees(error))


def _extrapolated(height: Callable[[float], float | None], h: float) -> tuple[float, float]:
    """(s'(0), its error) from central differences with h, h/2, ..."""
    rows: list[list[float]] = []
    best, error = math.nan, math.inf
    for k in range(_HALVINGS):
        ahead, behind = height(h / 2**k), height(-h / 2**k)
        if ahead is None or behind is None:
            return math.nan, math.inf
        row = [(ahead - behind) / (2 * h / 2**k)]
        for before in rows[-1] if rows else ():
            power = 4.0 ** len(row)
            row.append((power * row[-1] - before) / (power - 1))
            change = max(abs(row[-1] - row[-2]), abs(row[-1] - before))
            if change < error:
                best, error = row[-1], change
        rows.append(row)
    return best, error


def _height(
    f: Field, theta: Vector, value: float, v: Vector, normal: Vector, t: float, guess: float
) -> float | None:
    """s with f(θ + t v + s n) = f(θ), by Newton along n."""
    s, best, least = guess, None, math.inf
    for _ in range(_CORRECTIONS):
        found, gradient = f.value_and_gradient(theta + t * v + s * normal)
        slope = float(gradient @ normal)
        miss = found - value
        if not (math.isfinite(miss) and math.isfinite(slope)) or slope == 0:
            return None
        if abs(miss) >= least:
            break
        best, least = s, abs(miss)
        if miss == 0:
            break
        s -= miss / slope
    is_close = least <= 1e-12 * max(abs(value), float(np.linalg.norm(normal * t)), 1e-300)
    return best if best is not None and (is_close or least <= 8 * np.spacing(abs(value))) else None


def angle(u: Vector, v: Vector) -> float:
    """Between two vectors, in degrees, accurate near 0°, 90° and 180° (Kahan's formula)."""
    a, b = unit_vector(u), unit_vector(v)
    return math.degrees(2 * math.atan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))
