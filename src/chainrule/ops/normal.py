"""Functions of the normal distribution and their inverses. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.apply import bind
from chainrule.ops.record import POINTWISE, Primitive, floating, register
from chainrule.ops.scipy_special import special

Array = Any

_TWO_OVER_ROOT_PI = 2 / float(np.sqrt(np.pi))
_ROOT_TWO = float(np.sqrt(2.0))
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))
_ROOT_TWO_OVER_PI = float(np.sqrt(2 / np.pi))
#: So many fractions of Laplace's give a double's digits from 2 on.
_FRACTIONS = 100


def _hazard(x: Array) -> Array:
    """phi(x) / Phi(x): by erfcx on the left, where Phi is small."""
    left, right = np.minimum(x, 0), np.maximum(x, 0)
    with np.errstate(all="ignore"):
        far = _ROOT_TWO_OVER_PI / special.erfcx(left * -(0.5**0.5))
        near = np.exp(-0.5 * right * right) / _ROOT_TWO_PI / special.ndtr(right)
    return np.where(x < 0, far, near).astype(x.dtype)[()]


def _hazard_excess(x: Array) -> Array:
    """x + phi(x) / Phi(x): far on the left by Laplace's continued fraction (DLMF 7.9.3).

    It begins with what it would come to if its numerators grew no further.
    """
    y = np.maximum(-x, 2).astype(np.float64)
    tail = (4 * (_FRACTIONS + 1)) / (np.hypot(y, 2 * (_FRACTIONS + 1) ** 0.5) + y) / 2
    for k in range(_FRACTIONS, 1, -1):
        tail = k / (y + tail)
    near = np.maximum(x, -2)
    return np.where(x < -2, 1 / (y + tail), near + _hazard(near)).astype(x.dtype)[()]


def _signed_erfinv(x: Array) -> Array:
    """SciPy's own loses the sign of -0."""
    return np.copysign(special.erfinv(x), x)


# fmt: off
erfc = register(Primitive(
    name="erfc", shape=floating, evaluate=special.erfc,
    vjp=(lambda g, y, x: -g * _TWO_OVER_ROOT_PI * np.exp(-x * x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("erfc", x),
    domain=(-2.0, 2.0), source="DLMF 7.2.2",
))
erfcx = register(Primitive(
    name="erfcx", shape=floating, evaluate=special.erfcx,
    vjp=(lambda g, y, x: -g * y * _ROOT_TWO * bind("normal_hazard_excess", x * -_ROOT_TWO),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("erfcx", x),
    domain=(-2.0, 4.0), source="DLMF 7.10.1, y' = 2 x y - 2 / sqrt(pi), not to cancel by 7.8.1",
))
erfinv = register(Primitive(
    name="erfinv", shape=floating, evaluate=_signed_erfinv,
    vjp=(lambda g, y, x: g / _TWO_OVER_ROOT_PI * np.exp(y * y),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("erfinv", x),
    domain=(-0.9, 0.9), source="DLMF 7.17.1, derivative of the inverse",
))
ndtr = register(Primitive(
    name="ndtr", shape=floating, evaluate=special.ndtr,
    vjp=(lambda g, y, x: g / _ROOT_TWO_PI * np.exp(-0.5 * x * x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("ndtr", x),
    domain=(-3.0, 3.0), source="DLMF 7.18.11",
))
ndtri = register(Primitive(
    name="ndtri", shape=floating, evaluate=special.ndtri,
    vjp=(lambda g, y, x: g * _ROOT_TWO_PI * np.exp(0.5 * y * y),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("ndtri", x),
    domain=(0.05, 0.95), source="derivative of the inverse of Phi",
))
log_ndtr = register(Primitive(
    name="log_ndtr", shape=floating, evaluate=special.log_ndtr,
    vjp=(lambda g, y, x: g * bind("normal_hazard", x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("log_ndtr", x),
    domain=(-5.0, 3.0), source="log Phi, whose derivative is phi / Phi",
))
normal_hazard = register(Primitive(
    name="normal_hazard", shape=floating, evaluate=_hazard,
    vjp=(lambda g, y, x: -g * y * bind("normal_hazard_excess", x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("normal_hazard", x),
    domain=(-5.0, 3.0), source="h = phi / Phi, h' = -h (x + h); 1 / Mills' ratio of -x, DLMF 7.8.1",
))
normal_hazard_excess = register(Primitive(
    name="normal_hazard_excess", shape=floating, evaluate=_hazard_excess,
    vjp=(lambda g, y, x: g * (1 - bind("normal_hazard", x) * y),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("normal_hazard_excess", x),
    domain=(-5.0, 3.0), source="x + phi / Phi, DLMF 7.8.1",
))
# fmt: on
