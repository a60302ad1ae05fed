"""What the elementary functions share: bit layouts, argument reduction, polynomials.

All of it is straight-line code that works on scalars and on vectors of any number of lanes. It
assumes a fused ``fma`` and the default floating-point environment: rounding to nearest,
subnormals neither flushed nor read as zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from chainrule.compiler.native.emit import Emitter, Kind, NativeType, Val

Table = dict[Kind, tuple[float, ...]]
"""Coefficients, constant term first, for each type."""


@dataclass(frozen=True, slots=True)
class Format:
    """A binary float: an integer whose low ``fraction`` bits lie under a biased exponent."""

    integer: Kind
    fraction: int
    bias: int

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.fraction

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def magic(self) -> float:
        """Adding this rounds to an integer, left in the low bits: Hacker's Delight, 17-7."""
        return 1.5 * 2.0**self.fraction


_FORMATS: Final[dict[Kind, Format]] = {
    "f32": Format("i32", 23, 127),
    "f64": Format("i64", 52, 1023),
}

# ln 2 and pi to 180 bits: enough for three parts in double precision.
LN2: Final = Fraction(0xB17217F7D1CF79ABC9E3B39803F2F6AF40F343267298B, 1 << 180)
PI: Final = Fraction(0x3243F6A8885A308D313198A2E03707344A4093822299F3, 1 << 180)


def layout(x: Val) -> Format:
    return _FORMATS[x.type.kind]


def constant(e: Emitter, x: Val, value: float) -> Val:
    """``value`` in the type of ``x``."""
    return e.constant(value, x.type)


def to_bits(e: Emitter, x: Val) -> Val:
    return e.bitcast(x, layout(x).integer)


def from_bits(e: Emitter, bits: Val, type_: NativeType) -> Val:
    return e.bitcast(bits, type_.kind)


def parts(value: Fraction, kind: Kind, count: int) -> tuple[float, ...]:
    """``value`` as a sum of ``count`` floats, each the rounding of what the ones before left."""
    result = []
    for _ in range(count):
        part = _round(value, kind)
        result.append(part)
        value -= Fraction(part)
    return tuple(result)


def _round(value: Fraction, kind: Kind) -> float:
    """The nearest float of ``kind`` (a double step before an f32 is exact enough here)."""
    if kind == "f64" or not value:
        return float(value)
    unit = Fraction(2) ** (math.frexp(float(value))[1] - 24)
    return float(round(value / unit) * unit)


# -- small pieces ------------------------------------------------------------------------------


def at_most(e: Emitter, x: Val, bound: float) -> Val:
    """min(x, bound); a NaN stays (this order of operands is one instruction on x86)."""
    top = constant(e, x, bound)
    return e.select(e.compare("gt", x, top), top, x)


def at_least(e: Emitter, x: Val, bound: float) -> Val:
    """max(x, bound); a NaN stays."""
    bottom = constant(e, x, bound)
    return e.select(e.compare("lt", x, bottom), bottom, x)


def copy_sign(e: Emitter, size: Val, sign: Val) -> Val:
    return e.intrinsic("copysign", size, sign)


def twice(e: Emitter, x: Val) -> Val:
    return e.add(x, x)


def polynomial(e: Emitter, x: Val, coefficients: Sequence[float]) -> Val:
    """sum of c[k] x**k: Horner's rule; from six terms on, on even and odd terms side by side.

    The split costs one product and halves the chain of dependent operations (Estrin 1960;
    Muller, Elementary Functions, 3rd ed., 5.3.1).
    """
    if len(coefficients) < 6:
        return _horner(e, x, coefficients)
    square = e.mul(x, x)
    even = polynomial(e, square, coefficients[0::2])
    odd = polynomial(e, square, coefficients[1::2])
    return e.fma(odd, x, even)


def _horner(e: Emitter, x: Val, coefficients: Sequence[float]) -> Val:
    *lower, total = (constant(e, x, c) for c in coefficients)
    for c in reversed(lower):
        total = e.fma(total, x, c)
    return total


# -- powers of two -----------------------------------------------------------------------------


def nearest(e: Emitter, x: Val, factor: float, shift: int = 0) -> tuple[Val, Val]:
    """(j, scale): j = x * factor rounded to an integer; scale = 2**(j + shift), exact.

    The exponent of ``scale`` must be that of a normal number: -126 to 127 (-1022 to 1023).
    """
    f = layout(x)
    magic = constant(e, x, f.magic + f.bias + shift)
    shifted = e.fma(x, constant(e, x, factor), magic)
    return e.sub(shifted, magic), scale(e, shifted)


def scale(e: Emitter, shifted: Val) -> Val:
    """2**k from magic + bias + k: the shift pushes all but the exponent out of the word."""
    return from_bits(e, e.shl(to_bits(e, shifted), layout(shifted).fraction), shifted.type)


def less(e: Emitter, x: Val, j: Val, steps: Sequence[float]) -> Val:
    """x - j * (sum of steps), rounded only where the parts after the first are taken off.

    The first step is exact: x - j * steps[0] is small and a multiple of a last place that
    leaves it within the significand (Cody & Waite 1980, with fma as in Muller, 11.2).
    """
    for step in steps:
        x = e.fma(j, constant(e, x, -step), x)
    return x
