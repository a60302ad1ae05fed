"""What the native functions are measured against: f64 by SciPy or NumPy, mpmath, and how far off.

A limit is in floats from the correctly rounded result. ``draw`` gives doubles of the domain, those
where it is hard among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from scipy import special

from chainrule.ops import PRIMITIVES
from tests.compiler.native.functions import Array

Rng = np.random.Generator
MP = Any


@dataclass(frozen=True)
class Reference:
    """One function's truth: in double precision (for f32), exactly, its limits, its arguments."""

    in_double: Callable[[Array], Array]
    exact: Callable[[MP], MP]
    f32: int
    f64: int
    draw: Callable[[Rng, int], list[Array]]
    #: Where f32 results are compared: elsewhere a zero of the function is near.
    away: Callable[[Array], Array] = lambda x: np.ones(x.shape, bool)


def scales(rng: Rng, low: float, high: float, count: int) -> Array:
    return 10.0 ** rng.uniform(low, high, count)


def _unit(rng: Rng, n: int) -> list[Array]:
    """[-1, 1] with both ends and 0 close by."""
    ends = 1 - scales(rng, -16, -1, n)
    return [rng.uniform(-1, 1, n), ends, -ends, scales(rng, -20, 0, n)]


def _real(rng: Rng, n: int) -> list[Array]:
    return [scales(rng, -20, 20, n), -scales(rng, -3, 3, n), rng.uniform(-3, 3, n)]


def _turns(rng: Rng, n: int) -> list[Array]:
    """Multiples of pi / 2, and the double that comes closest to one."""
    few = rng.integers(1, 1 << 20, n) * (np.pi / 2)
    many = rng.integers(1, 1 << 40, n) * (np.pi / 2)
    return [*_real(rng, n), few, many, np.array([6381956970095103 * 2.0**797, 2.0**1023])]


def _positive(rng: Rng, n: int) -> list[Array]:
    near = 1 + rng.uniform(-1, 1, n) * scales(rng, -15, -1, n)
    return [scales(rng, -308, 308, n), near, rng.uniform(0.1, 10, n), rng.uniform(0, 2e-308, 20)]


def _from_one(rng: Rng, n: int) -> list[Array]:
    return [1 + scales(rng, -16, 1, n), scales(rng, 0.01, 308, n), rng.uniform(1, 3, n)]


def _probability(rng: Rng, n: int) -> list[Array]:
    middle = 0.5 + rng.uniform(-1, 1, n) * scales(rng, -15, -1, n)
    return [rng.uniform(0, 1, n), scales(rng, -320, 0, n), 1 - scales(rng, -16, -1, n), middle]


def _normal(low: float, high: float) -> Callable[[Rng, int], list[Array]]:
    return lambda rng, n: [
        rng.uniform(low, high, n),
        rng.uniform(-1, 1, n),
        rng.choice([-1, 1], n) * scales(rng, -20, 0, n),
    ]


def _left_tail(rng: Rng, n: int) -> list[Array]:
    return [rng.uniform(-45, 10, n), rng.uniform(-1, 1, n), -scales(rng, -3, 5, n)]


def _gamma(high: float) -> Callable[[Rng, int], list[Array]]:
    return lambda rng, n: [
        rng.uniform(0, 20, n),
        scales(rng, -300, high, n),
        rng.uniform(0.9, 1.1, n),
        rng.uniform(1.9, 2.1, n),
        rng.uniform(1.4, 1.5, n),
    ]


def phi(x: MP) -> MP:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def hazard(x: MP) -> MP:
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi) / phi(x)


def log_phi(x: MP) -> MP:
    return mpmath.log1p(-phi(-x)) if x > 0 else mpmath.log(phi(x))


def upper_quantile(d: MP) -> MP:
    """y with erfc y = d, by Newton's method on the logarithm."""
    if d > 0.1:
        return mpmath.erfinv(1 - d)
    goal = mpmath.log(d)
    y = mpmath.sqrt(-goal) * 0.95
    for _ in range(100):
        e = mpmath.erfc(y)
        step = (mpmath.log(e) - goal) * e * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
        y += step
        if abs(step) < mpmath.mpf(10) ** -45:
            break
    return y


def ndtri(p: MP) -> MP:
    y = mpmath.sqrt(2) * upper_quantile(2 * min(p, 1 - p))
    return -y if p < 0.5 else y


def _not_near(*points: float) -> Callable[[Array], Array]:
    def away(x: Array) -> Array:
        near = [np.abs(x - point) < 0.02 * abs(point) for point in points]
        return ~np.any([*near, x < -0.02], axis=0)

    return away


def _evaluate(name: str) -> Callable[[Array], Array]:
    return PRIMITIVES[name].evaluate


REFERENCES: dict[str, Reference] = {
    "tan": Reference(np.tan, mpmath.tan, 3, 3, _turns),
    "asin": Reference(np.arcsin, mpmath.asin, 3, 2, _unit),
    "acos": Reference(np.arccos, mpmath.acos, 2, 2, _unit),
    "atan": Reference(np.arctan, mpmath.atan, 2, 2, _real),
    "sinh": Reference(np.sinh, mpmath.sinh, 3, 3, _normal(-710.4, 710.4)),
    "cosh": Reference(np.cosh, mpmath.cosh, 2, 2, _normal(-710.4, 710.4)),
    "asinh": Reference(np.arcsinh, mpmath.asinh, 2, 2, _real),
    "acosh": Reference(np.arccosh, mpmath.acosh, 2, 2, _from_one),
    "atanh": Reference(np.arctanh, mpmath.atanh, 2, 2, _unit),
    "exp2": Reference(np.exp2, lambda x: mpmath.mpf(2) ** x, 2, 2, _normal(-1075, 1023)),
    "log2": Reference(np.log2, lambda x: mpmath.log(x, 2), 1, 1, _positive),
    "log10": Reference(np.log10, mpmath.log10, 1, 1, _positive),
    "cbrt": Reference(
        np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), 1, 1,
        lambda rng, n: [*_positive(rng, n), *_real(rng, n)],
    ),
    "logit": Reference(special.logit, lambda p: mpmath.log(p / (1 - p)), 4, 2, _probability),
    "erfc": Reference(special.erfc, mpmath.erfc, 1, 4, _normal(-6, 27.2)),
    "erfcx": Reference(
        special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), 1, 4, _normal(-26, 50)
    ),
    "ndtr": Reference(special.ndtr, phi, 1, 3, _normal(-38.6, 9)),
    "log_ndtr": Reference(special.log_ndtr, log_phi, 1, 4, _left_tail),
    "normal_hazard": Reference(_evaluate("normal_hazard"), hazard, 1, 3, _left_tail),
    "normal_hazard_excess": Reference(
        _evaluate("normal_hazard_excess"), lambda x: x + hazard(x), 1, 3, _left_tail
    ),
    "erfinv": Reference(
        special.erfinv, lambda x: mpmath.sign(x) * upper_quantile(1 - abs(x)), 1, 4, _unit
    ),
    "ndtri": Reference(special.ndtri, ndtri, 1, 5, _probability),
    "gammaln": Reference(
        special.gammaln, mpmath.loggamma, 1, 8, _gamma(300), _not_near()
    ),
    "gamma": Reference(
        special.gamma, mpmath.gamma, 1, 8,
        lambda rng, n: [rng.uniform(-20, 171.6, n), *_gamma(0.9)(rng, n)],
    ),
    "digamma": Reference(special.digamma, mpmath.digamma, 1, 8, _gamma(300), _not_near(1.4616)),
}  # fmt: skip
