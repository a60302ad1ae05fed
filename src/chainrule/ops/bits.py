"""Operations on the bits of integers and of floats, and whole powers of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError
from chainrule.ir.types import ArrayType
from chainrule.ops.record import POINTWISE, NoGradient, Primitive, floating, register, same

Array = Any
_WHOLE = NoGradient("integers have no derivative")


def _whole(*types: ArrayType) -> ArrayType:
    """Elementwise on integers."""
    if types[0].dtype.kind != "i":
        raise DTypeError(f"expected i32 or i64, got {types[0]}", "convert with .astype(np.int64)")
    return same(*types)


def _sign_of(x: ArrayType) -> ArrayType:
    return ArrayType(np.dtype(np.bool_), floating(x).shape)


def _power(x: Array, exponent: Array) -> Array:
    """NumPy refuses a negative exponent; here it gives 1 / x**-exponent without its fraction."""
    with np.errstate(over="ignore"):
        power = np.power(x, np.maximum(np.where(exponent < 0, -exponent, exponent), 0))
    return np.where((exponent < 0) & (np.abs(x) != 1), np.zeros_like(power), power)


# fmt: off
bitwise_and = register(Primitive(
    name="bitwise_and", shape=_whole, evaluate=np.bitwise_and, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.and_(a, b),
    domain=(0.0, 1.0), source="two's complement",
))
bitwise_or = register(Primitive(
    name="bitwise_or", shape=_whole, evaluate=np.bitwise_or, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.or_(a, b),
    domain=(0.0, 1.0), source="two's complement",
))
bitwise_xor = register(Primitive(
    name="bitwise_xor", shape=_whole, evaluate=np.bitwise_xor, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.xor(a, b),
    domain=(0.0, 1.0), source="two's complement",
))
invert = register(Primitive(
    name="invert", shape=_whole, evaluate=np.invert, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.xor(x, e.constant(-1, x.type)),
    domain=(0.0, 1.0), source="two's complement: -1 - x",
))
left_shift = register(Primitive(
    name="left_shift", shape=_whole, evaluate=np.left_shift, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("left_shift", a, b),
    domain=(0.0, 1.0), source="a 2ᵇ, wrapped; 0 where b is negative or too large",
))
right_shift = register(Primitive(
    name="right_shift", shape=_whole, evaluate=np.right_shift, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("right_shift", a, b),
    domain=(0.0, 1.0), source="floor(a / 2ᵇ); 0 or -1 where b is negative or too large",
))
integer_power = register(Primitive(
    name="integer_power", shape=_whole, evaluate=_power, vjp=_WHOLE,
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("integer_power", a, b),
    domain=(0.0, 1.0), source="Knuth, TAOCP 2, 4.6.3",
))
signbit = register(Primitive(
    name="signbit", shape=_sign_of, evaluate=np.signbit,
    vjp=NoGradient("signbit is constant but at 0; use the values themselves"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("signbit", x),
    domain=(-3.0, 3.0), source="IEEE 754-2019, 5.7.2",
))
nextafter = register(Primitive(
    name="nextafter", shape=floating, evaluate=np.nextafter,
    vjp=NoGradient("nextafter is a step of rounding, no function of real numbers; use x itself"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("nextafter", a, b),
    domain=(-3.0, 3.0), source="C99 7.12.11.3",
))
# fmt: on
