"""Value, first and second derivative of functions of one variable, over intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs.intervals import Interval

#: (φ, φ', φ'').
Derivatives: TypeAlias = tuple[Interval, Interval, Interval]


def one(x: Interval) -> Interval:
    """1, as often."""
    return iv.point(np.ones(x.shape))


def times(x: Interval, by: float) -> Interval:
    """A multiple."""
    return iv.multiply(x, iv.point(np.full(x.shape, by)))


def _exp(x: Interval) -> Derivatives:
    y = iv.UNARY["exp"](x)
    return y, y, y


def _log(x: Interval) -> Derivatives:
    slope = iv.reciprocal(x.met(0.0, np.inf))
    return iv.UNARY["log"](x), slope, iv.negative(iv.square(slope))


def _tanh(x: Interval) -> Derivatives:
    y = iv.UNARY["tanh"](x)
    slope = iv.subtract(one(x), iv.square(y)).met(0.0, 1.0)
    return y, slope, times(iv.multiply(y, slope), -2.0)


def _sigmoid(x: Interval) -> Derivatives:
    y, other = iv.UNARY["sigmoid"](x), iv.UNARY["sigmoid"](iv.negative(x))
    slope = iv.multiply(y, other).met(0.0, 0.25)
    return y, slope, iv.multiply(slope, iv.subtract(other, y))


def _softplus(x: Interval) -> Derivatives:
    y, slope, _ = _sigmoid(x)
    return iv.UNARY["softplus"](x), y, slope


def _sine(x: Interval) -> Derivatives:
    y = iv.sine(x)
    return y, iv.cosine(x), iv.negative(y)


def _cosine(x: Interval) -> Derivatives:
    y = iv.cosine(x)
    return y, iv.negative(iv.sine(x)), iv.negative(y)


def _hyperbolic(own: str, other: str) -> Callable[[Interval], Derivatives]:
    def rule(x: Interval) -> Derivatives:
        y = iv.UNARY[own](x)
        return y, iv.UNARY[other](x), y

    return rule


def _atan(x: Interval) -> Derivatives:
    slope = iv.reciprocal(iv.add(one(x), iv.square(x)))
    return iv.UNARY["atan"](x), slope, times(iv.multiply(x, iv.square(slope)), -2.0)


def _erf(x: Interval) -> Derivatives:
    bell = iv.UNARY["exp"](iv.negative(iv.square(x)))
    factor = 2 / np.sqrt(np.pi)
    by = iv.between(np.full(x.shape, factor * (1 - 1e-15)), np.full(x.shape, factor * (1 + 1e-15)))
    slope = iv.multiply(bell, by)
    return iv.UNARY["erf"](x), slope, times(iv.multiply(x, slope), -2.0)


def _x_log_x(x: Interval) -> Derivatives:
    x = x.met(0.0, np.inf)
    log = iv.UNARY["log"](x)
    return iv.multiply(x, log), iv.add(log, one(x)), iv.reciprocal(x)


#: By the kind of atom.
SMOOTH: Final[Mapping[str, Callable[[Interval], Derivatives]]] = {
    "exp": _exp, "log": _log, "tanh": _tanh, "sigmoid": _sigmoid, "softplus": _softplus,
    "sin": _sine, "cos": _cosine, "sinh": _hyperbolic("sinh", "cosh"),
    "cosh": _hyperbolic("cosh", "sinh"), "atan": _atan, "erf": _erf, "x_log_x": _x_log_x,
}  # fmt: skip
