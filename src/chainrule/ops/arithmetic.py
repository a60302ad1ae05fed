"""Elementwise arithmetic. g: cotangent of the output, y: the output, a and b: the operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.apply import bind
from chainrule.ops.record import POINTWISE, NoGradient, Primitive, floating, numeric, register, same

Array = Any


def _ties(g: Array, a: Array, b: Array) -> Array:
    """What of g flows to a in max(a, b): all where a is larger, half where they tie."""
    return np.where(a > b, g, np.where(a == b, g * 0.5, g.dtype.type(0)))


def _power_by_exponent(g: Array, y: Array, a: Array, b: Array) -> Array:
    """d aᵇ / db = aᵇ log a, with its limit 0 at a = 0 (for b > 0)."""
    positive = a > 0
    return np.where(
        positive, g * y * np.log(np.where(positive, a, np.ones_like(a))), np.zeros_like(g)
    )


def _power_by_base(g: Array, y: Array, a: Array, b: Array) -> Array:
    """d aᵇ / da = b aᵇ⁻¹, and 0 for b = 0 at every a."""
    zero = b == 0
    return np.where(
        zero, np.zeros_like(g), g * b * np.power(a, np.where(zero, np.ones_like(b), b - 1))
    )


def _power_scalar_lower(e: Any, a: Any, b: Any) -> Any:
    return e.call("power", a, b)


# fmt: off
add = register(Primitive(
    name="add", shape=same, evaluate=np.add,
    vjp=(lambda g, y, a, b: g,
         lambda g, y, a, b: g),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.or_(a, b) if a.type.kind == "i1" else e.add(a, b),
    domain=(-3.0, 3.0), source="linearity",
))
subtract = register(Primitive(
    name="subtract", shape=numeric, evaluate=np.subtract,
    vjp=(lambda g, y, a, b: g,
         lambda g, y, a, b: -g),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.sub(a, b),
    domain=(-3.0, 3.0), source="linearity",
))
multiply = register(Primitive(
    name="multiply", shape=same, evaluate=np.multiply,
    vjp=(lambda g, y, a, b: g * b,
         lambda g, y, a, b: g * a),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.and_(a, b) if a.type.kind == "i1" else e.mul(a, b),
    domain=(-3.0, 3.0), source="product rule",
))
divide = register(Primitive(
    name="divide", shape=floating, evaluate=np.divide,
    vjp=(lambda g, y, a, b: g / b,
         lambda g, y, a, b: -g * y / b),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.div(a, b),
    domain=(0.5, 3.0), source="quotient rule",
))
power = register(Primitive(
    name="power", shape=floating, evaluate=np.power,
    vjp=(_power_by_base, _power_by_exponent),
    jvp=POINTWISE, batched=POINTWISE,
    lower=_power_scalar_lower,
    domain=(0.5, 3.0), source="d aᵇ = b aᵇ⁻¹ da + aᵇ log a db",
))
maximum = register(Primitive(
    name="maximum", shape=same, evaluate=np.maximum,
    vjp=(lambda g, y, a, b: _ties(g, a, b),
         lambda g, y, a, b: _ties(g, b, a)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.larger(a, b),
    domain=(-3.0, 3.0), source="subgradient; a tie gives each operand half",
))
minimum = register(Primitive(
    name="minimum", shape=same, evaluate=np.minimum,
    vjp=(lambda g, y, a, b: _ties(g, b, a),
         lambda g, y, a, b: _ties(g, a, b)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.smaller(a, b),
    domain=(-3.0, 3.0), source="subgradient; a tie gives each operand half",
))
negative = register(Primitive(
    name="negative", shape=numeric, evaluate=np.negative,
    vjp=(lambda g, y, x: -g,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.neg(x),
    domain=(-3.0, 3.0), source="linearity",
))
absolute = register(Primitive(
    name="absolute", shape=same, evaluate=np.absolute,
    vjp=(lambda g, y, x: g * bind("stop_gradient", np.sign(x)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.abs(x),
    domain=(-3.0, 3.0), source="subgradient; 0 at 0",
))
sign = register(Primitive(
    name="sign", shape=numeric, evaluate=np.sign,
    vjp=NoGradient("sign is constant but at 0; use x / sqrt(x² + c), or say cr.stop_gradient(x)"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.sign(x),
    domain=(-3.0, 3.0), source="-1, 0 or 1",
))
sqrt = register(Primitive(
    name="sqrt", shape=floating, evaluate=np.sqrt,
    vjp=(lambda g, y, x: g * 0.5 / y,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.sqrt(x),
    domain=(0.1, 4.0), source="power rule",
))
copy = register(Primitive(
    name="copy", shape=same, evaluate=np.array,
    vjp=(lambda g, y, x: g,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: x,
    domain=(-3.0, 3.0), source="identity",
))
stop_gradient = register(Primitive(
    name="stop_gradient", shape=same, evaluate=lambda x: x,
    vjp=(None,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: x,
    domain=(-3.0, 3.0), source="identity with its derivative taken as 0, on request",
))
# fmt: on
