"""Circular and hyperbolic functions and their inverses. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.record import POINTWISE, Primitive, floating, register

Array = Any


def _over_one_and_square(g: Array, x: Array) -> Array:
    """g / (1 + x²) without the overflow of the square."""
    length = np.hypot(np.ones_like(x), x)
    return g / length / length


def _along(g: Array, x: Array, length: Array) -> Array:
    """g x / length, taken as 0 where the length is."""
    zero = length == 0
    return np.where(zero, np.zeros_like(g), g * (x / np.where(zero, np.ones_like(length), length)))


def _turned(g: Array, x: Array, length: Array) -> Array:
    """g x / length², taken as 0 where the length is."""
    one = np.ones_like(length)
    return _along(g, x, length) / np.where(length == 0, one, length)


# fmt: off
tan = register(Primitive(
    name="tan", shape=floating, evaluate=np.tan,
    vjp=(lambda g, y, x: g * (1 + y * y),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("tan", x),
    domain=(-1.4, 1.4), source="DLMF 4.20.3",
))
asin = register(Primitive(
    name="asin", shape=floating, evaluate=np.arcsin,
    vjp=(lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("asin", x),
    domain=(-0.9, 0.9), source="DLMF 4.24.7",
))
acos = register(Primitive(
    name="acos", shape=floating, evaluate=np.arccos,
    vjp=(lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("acos", x),
    domain=(-0.9, 0.9), source="DLMF 4.24.8",
))
atan = register(Primitive(
    name="atan", shape=floating, evaluate=np.arctan,
    vjp=(lambda g, y, x: _over_one_and_square(g, x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("atan", x),
    domain=(-3.0, 3.0), source="DLMF 4.24.9",
))
atan2 = register(Primitive(
    name="atan2", shape=floating, evaluate=np.arctan2,
    vjp=(lambda g, y, a, b: _turned(g, b, np.hypot(a, b)),
         lambda g, y, a, b: -_turned(g, a, np.hypot(a, b))),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("atan2", a, b),
    domain=(0.5, 3.0), source="DLMF 4.24.9; the angle of the point (b, a)",
))
sinh = register(Primitive(
    name="sinh", shape=floating, evaluate=np.sinh,
    vjp=(lambda g, y, x: g * np.cosh(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("sinh", x),
    domain=(-3.0, 3.0), source="DLMF 4.34.7",
))
cosh = register(Primitive(
    name="cosh", shape=floating, evaluate=np.cosh,
    vjp=(lambda g, y, x: g * np.sinh(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("cosh", x),
    domain=(-3.0, 3.0), source="DLMF 4.34.8",
))
asinh = register(Primitive(
    name="asinh", shape=floating, evaluate=np.arcsinh,
    vjp=(lambda g, y, x: g / np.hypot(np.ones_like(x), x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("asinh", x),
    domain=(-3.0, 3.0), source="DLMF 4.38.9",
))
acosh = register(Primitive(
    name="acosh", shape=floating, evaluate=np.arccosh,
    vjp=(lambda g, y, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("acosh", x),
    domain=(1.2, 4.0), source="DLMF 4.38.10",
))
atanh = register(Primitive(
    name="atanh", shape=floating, evaluate=np.arctanh,
    vjp=(lambda g, y, x: g / ((1 - x) * (1 + x)),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("atanh", x),
    domain=(-0.9, 0.9), source="DLMF 4.38.11",
))
hypot = register(Primitive(
    name="hypot", shape=floating, evaluate=np.hypot,
    vjp=(lambda g, y, a, b: _along(g, a, y),
         lambda g, y, a, b: _along(g, b, y)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("hypot", a, b),
    domain=(0.5, 3.0), source="d sqrt(a² + b²) = (a da + b db) / y; subgradient 0 at 0",
))
# fmt: on
