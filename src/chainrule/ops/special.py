"""Functions of likelihoods whose limits at 0 matter. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.record import POINTWISE, Primitive, floating, register
from chainrule.ops.scipy_special import special

Array = Any


def _ratio(a: Array, b: Array) -> Array:
    """a / b, taken as 0 where both are 0."""
    zero = np.logical_and(a == 0, b == 0)
    return a / np.where(zero, np.ones_like(b), b)


def _zero_times(e: Any, a: Any, b: Any, name: str) -> Any:
    """a f(b), but 0 where a is 0 and b a number."""
    zero = e.constant(0, a.type)
    nothing = e.and_(e.compare("eq", a, zero), e.compare("eq", b, b))
    return e.select(nothing, zero, e.mul(a, e.call(name, b)))


# a log b as a cotangent times log b is 0 for a cotangent of 0: what is not asked for is no NaN.
# fmt: off
logit = register(Primitive(
    name="logit", shape=floating, evaluate=special.logit,
    vjp=(lambda g, y, x: g / (x * (1 - x)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("logit", x),
    domain=(0.05, 0.95), source="log(x / (1 - x)), the inverse of the sigmoid",
))
xlogy = register(Primitive(
    name="xlogy", shape=floating, evaluate=special.xlogy,
    vjp=(lambda g, y, a, b: special.xlogy(g, b),
         lambda g, y, a, b: g * _ratio(a, b)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: _zero_times(e, a, b, "log"),
    domain=(0.1, 3.0), source="a log b, 0 where a = 0",
))
xlog1py = register(Primitive(
    name="xlog1py", shape=floating, evaluate=special.xlog1py,
    vjp=(lambda g, y, a, b: special.xlog1py(g, b),
         lambda g, y, a, b: g * _ratio(a, 1 + b)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: _zero_times(e, a, b, "log1p"),
    domain=(0.1, 3.0), source="a log(1 + b), 0 where a = 0",
))
# fmt: on
