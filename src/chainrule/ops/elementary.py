"""Elementary functions of one real variable. g: cotangent, y: the output, x: the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.record import POINTWISE, Primitive, floating, register
from chainrule.ops.scipy_special import special

TWO_OVER_ROOT_PI = 2.0 / float(np.sqrt(np.pi))


def _sech_squared(x: Any) -> Any:
    """4 e / (1 + e)² with e = exp(-2 |x|): 1 - tanh² would cancel for large |x|."""
    e = np.exp(-2 * np.absolute(x))
    return 4 * e / ((1 + e) * (1 + e))


def _softplus(x: Any) -> Any:
    """A NaN that comes in goes out; NumPy's logaddexp would warn of it."""
    with np.errstate(invalid="ignore"):
        return np.logaddexp(0, x)


# fmt: off
exp = register(Primitive(
    name="exp", shape=floating, evaluate=np.exp,
    vjp=(lambda g, y, x: g * y,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("exp", x),
    domain=(-3.0, 3.0), source="DLMF 4.7.4",
))
log = register(Primitive(
    name="log", shape=floating, evaluate=np.log,
    vjp=(lambda g, y, x: g / x,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("log", x),
    domain=(0.1, 5.0), source="DLMF 4.7.1",
))
expm1 = register(Primitive(
    name="expm1", shape=floating, evaluate=np.expm1,
    vjp=(lambda g, y, x: g * np.exp(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("expm1", x),
    domain=(-3.0, 3.0), source="DLMF 4.7.4",
))
log1p = register(Primitive(
    name="log1p", shape=floating, evaluate=np.log1p,
    vjp=(lambda g, y, x: g / (1 + x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("log1p", x),
    domain=(-0.5, 3.0), source="DLMF 4.7.1",
))
sin = register(Primitive(
    name="sin", shape=floating, evaluate=np.sin,
    vjp=(lambda g, y, x: g * np.cos(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("sin", x),
    domain=(-6.0, 6.0), source="DLMF 4.20.1",
))
cos = register(Primitive(
    name="cos", shape=floating, evaluate=np.cos,
    vjp=(lambda g, y, x: -g * np.sin(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("cos", x),
    domain=(-6.0, 6.0), source="DLMF 4.20.2",
))
tanh = register(Primitive(
    name="tanh", shape=floating, evaluate=np.tanh,
    vjp=(lambda g, y, x: g * _sech_squared(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("tanh", x),
    domain=(-3.0, 3.0), source="DLMF 4.34.8",
))
sigmoid = register(Primitive(
    name="sigmoid", shape=floating, evaluate=special.expit,
    # s(-x) is 1 - s(x) without the cancellation.
    vjp=(lambda g, y, x: g * y * special.expit(-x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("sigmoid", x),
    domain=(-5.0, 5.0), source="s' = s(x) s(-x)",
))
softplus = register(Primitive(
    name="softplus", shape=floating, evaluate=_softplus,
    vjp=(lambda g, y, x: g * special.expit(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("softplus", x),
    domain=(-5.0, 5.0), source="log(1 + eˣ), whose derivative is the sigmoid",
))
erf = register(Primitive(
    name="erf", shape=floating, evaluate=special.erf,
    vjp=(lambda g, y, x: g * TWO_OVER_ROOT_PI * np.exp(-x * x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("erf", x),
    domain=(-2.0, 2.0), source="DLMF 7.2.1",
))
logaddexp = register(Primitive(
    name="logaddexp", shape=floating, evaluate=np.logaddexp,
    vjp=(lambda g, y, a, b: g * special.expit(a - b),
         lambda g, y, a, b: g * special.expit(b - a)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("logaddexp", a, b),
    domain=(-5.0, 5.0), source="log(eᵃ + eᵇ), whose derivatives are sigmoids of the difference",
))
# fmt: on
