"""Functions of one variable: where they are convex, concave, increasing, decreasing; their laws.

Source: Boyd & Vandenberghe 2004, Convex Optimization (B&V), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.proofs.intervals import Interval

Array: TypeAlias = np.ndarray[Any, Any]
Where: TypeAlias = Callable[[Interval], Array]


def always(x: Interval) -> Array:
    """On every interval."""
    return np.ones(x.shape, bool)


def never(x: Interval) -> Array:
    """On none."""
    return np.zeros(x.shape, bool)


def from_zero(x: Interval) -> Array:
    """Where no value is negative."""
    return x.low >= 0


def to_zero(x: Interval) -> Array:
    """Where no value is positive."""
    return x.high <= 0


@dataclass(frozen=True)
class Law:
    """What is known of a function of one variable, on the interval of its argument.

    Attributes:
        convex, concave, rising, falling: where it is so, given the argument's enclosure.
        text: what the law says of it, as it stands in a proof.
    """

    convex: Where
    concave: Where
    rising: Where
    falling: Where
    text: str


def _sine_above(x: Interval) -> Array:
    """Whether the interval lies within [2kπ, (2k+1)π] for one k, with room for π's rounding."""
    k = np.floor(np.where(np.isfinite(x.low), x.low, 0.0) / (2 * np.pi))
    room = 1e-12 * (1 + np.abs(k))
    at_zero = (k == 0) & (x.low == 0)
    fits = ((x.low - 2 * np.pi * k >= room) | at_zero) & (x.high - 2 * np.pi * k <= np.pi - room)
    return np.asarray(fits & (np.abs(k) < 1e6) & np.isfinite(x.low))


def _sine_below(x: Interval) -> Array:
    return _sine_above(Interval(-x.high, -x.low, x.above))


_S_SHAPED: Final = (to_zero, from_zero, always, never)

#: The functions that stay atoms of their own, by the operation's name.
UNARY: Final[Mapping[str, Law]] = {
    "exp": Law(always, never, always, never, "exp is convex and increasing (B&V 3.1.5)"),
    "softplus": Law(always, never, always, never,
                    "log(1 + eᶻ) is convex and increasing (B&V 3.1.5)"),
    "log": Law(never, always, always, never, "log is concave and increasing (B&V 3.1.5)"),
    "tanh": Law(*_S_SHAPED, "tanh is convex below 0, concave above 0 and increasing"),
    "sigmoid": Law(*_S_SHAPED, "the sigmoid is convex below 0, concave above 0 and increasing"),
    "erf": Law(*_S_SHAPED, "erf is convex below 0, concave above 0 and increasing"),
    "ndtr": Law(*_S_SHAPED, "Φ is convex below 0, concave above 0 and increasing"),
    "atan": Law(*_S_SHAPED, "atan is convex below 0, concave above 0 and increasing"),
    "asinh": Law(*_S_SHAPED, "asinh is convex below 0, concave above 0 and increasing"),
    "sinh": Law(from_zero, to_zero, always, never, "sinh is concave below 0 and convex above 0"),
    "cosh": Law(always, never, from_zero, to_zero, "cosh is convex (its second derivative is ≥ 1)"),
    "sin": Law(_sine_below, _sine_above, never, never,
               "sin is convex where it is ≤ 0 and concave where it is ≥ 0"),
    "log_ndtr": Law(never, always, always, never, "log Φ is concave and increasing (B&V 3.54)"),
    "gammaln": Law(from_zero, never, never, never,
                   "log Γ is convex on x > 0 (Bohr & Mollerup)"),
}  # fmt: skip


def power(p: float) -> Law:
    """x ↦ xᵖ: on all numbers for a whole p >= 0, else on x >= 0, or x > 0 for p < 0."""
    name = f"x^{p:g}"
    if p < 0:
        return _inverse_power(p, name)
    if float(p).is_integer() and p % 2 == 0:
        return Law(always, never, from_zero, to_zero, f"{name} is convex (B&V 3.1.5)")
    if float(p).is_integer():
        text = f"{name} is convex and increasing on x ≥ 0, concave on x ≤ 0"
        return Law(from_zero, to_zero, always, never, text)
    if p > 1:
        return Law(always, never, always, never, f"{name} is convex and increasing on x ≥ 0")
    return Law(never, always, always, never, f"{name} is concave and increasing on x ≥ 0")


def _inverse_power(p: float, name: str) -> Law:
    def above(x: Interval) -> Array:
        return x.positive

    def below(x: Interval) -> Array:
        return np.asarray(x.high < 0)

    def either(x: Interval) -> Array:
        return above(x) | below(x)

    text = f"{name} is convex and decreasing on x > 0 (B&V 3.1.5)"
    if not float(p).is_integer():
        return Law(above, never, never, above, text)
    if p % 2 == 0:
        return Law(either, never, below, above, text)
    return Law(above, below, never, either, text)


#: What is said of the atoms of several variables.
SEVERAL: Final[Mapping[str, str]] = {
    "log_sum_exp": "log-sum-exp is convex and increasing in each argument (B&V 3.1.5)",
    "max": "the largest of convex functions is convex (B&V 3.2.3)",
    "min": "the least of concave functions is concave (B&V 3.2.3)",
    "positive_part": "max(z, 0) is convex and increasing (B&V 3.2.3)",
    "huber": "Huber's function of an affine function is convex (B&V 6.1.2)",
    "x_log_x": "x log x is convex on x > 0 (B&V 3.1.5)",
    "relative_entropy": "x log(x / y) is convex in x, y > 0 together (B&V 3.2.6)",
    "ratio": "a sum of squares over a positive concave function is convex (B&V 3.1.5)",
    "norm": "a norm of affine (or nonnegative convex) functions is convex (B&V 3.1.5)",
    "geometric_mean": "the geometric mean of nonnegative affine functions is concave (B&V 3.1.5)",
    "product": "a product",
    "linear": "an affine map",
}
