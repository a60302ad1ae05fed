"""What the elementary functions share: bit layouts, argument reduction, polynomials.

All of it is straight-line code that works on scalars and on vectors of any number of lanes. It
assumes a fused ``fma`` and the default floating-point environment: rounding to nearest,
subnormals neither flushed nor read as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

from chainrule.compiler.native.emit import I1, Emitter, Kind, NativeType, Val

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
        """Adding this rounds to an integer and leaves it in the low bits."""
        return 1.5 * 2.0**self.fraction


_FORMATS: Final[dict[Kind, Format]] = {
    "f32": Format("i32", 23, 127),
    "f64": Format("i64", 52, 1023),
}

# ln 2 and pi to 180 bits: enough for three parts in double precision.
LN2: Final = Fraction(0xB17217F7D1CF79ABC9E3B39803F2F6AF40F343267298B, 1 << 180)
PI: Final = Fraction(0x3243F6A8885A308D313198A2E03707344A4093822299F3, 1 << 180)


def layout(x: Val) -> Format:
    """The bit layout of a float operand."""
    return _FORMATS[x.type.kind]


def constant(e: Emitter, x: Val, value: float) -> Val:
    """``value`` in the type of ``x``."""
    return e.constant(value, x.type)


def to_bits(e: Emitter, x: Val) -> Val:
    """The bits of a float as an integer of the same width."""
    return e.bitcast(x, layout(x).integer)


def from_bits(e: Emitter, bits: Val, type_: NativeType) -> Val:
    """The float with these bits."""
    return e.bitcast(bits, type_.kind)


@cache
def parts(value: Fraction, kind: Kind, count: int) -> tuple[float, ...]:
    """``value`` as a sum of ``count`` floats, each the rounding of what the ones before left."""
    result = []
    for _ in range(count):
        part = _round(value, kind)
        result.append(part)
        value -= Fraction(part)
    return tuple(result)


def _round(value: Fraction, kind: Kind) -> float:
    """The nearest float of ``kind``; rounding first to a double could round twice."""
    if kind == "f64":
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
    """|size| with the sign bit of ``sign``, zeros included."""
    return e.intrinsic("copysign", size, sign)


def twice(e: Emitter, x: Val) -> Val:
    """2 x, exact."""
    return e.add(x, x)


def polynomial(e: Emitter, x: Val, coefficients: Sequence[float], ordered: int = 0) -> Val:
    """The sum of c[k] x**k, by Horner's rule; from six terms on, even and odd terms side by side.

    The split costs one product and halves the chain of dependent operations (Estrin 1960;
    Muller, Elementary Functions, 3rd ed. 2016). The first ``ordered`` terms stay in order, for
    sums whose last place counts: each of two sums that cancel would bring its own rounding.
    """
    head, rest = coefficients[:ordered], coefficients[ordered:]
    total = _side_by_side(e, x, rest)
    for c in reversed(head):
        total = e.fma(total, x, constant(e, x, c))
    return total


def _side_by_side(e: Emitter, x: Val, coefficients: Sequence[float]) -> Val:
    if len(coefficients) < 6:
        last = len(coefficients) - 1
        return polynomial(e, x, coefficients, last) if last else constant(e, x, coefficients[0])
    square = e.mul(x, x)
    even = _side_by_side(e, square, coefficients[0::2])
    odd = _side_by_side(e, square, coefficients[1::2])
    return e.fma(odd, x, even)


def in_double(e: Emitter, f: Callable[..., Val], *operands: Val) -> Val:
    """f(e, kind, operands in double precision) in the operands' own type.

    ``kind`` is that of the result: for f32, f may take its shorter polynomials.
    """
    kind = operands[0].type.kind
    return e.convert(f(e, kind, *(e.convert(x, "f64") for x in operands)), kind)


def any_lane(e: Emitter, mask: Val) -> Val:
    """Whether a lane of the mask is set."""
    if not mask.type.lanes:
        return mask
    name = f"@llvm.vector.reduce.or.{mask.type.suffix}"
    e.declarations.add(f"declare i1 {name}({mask.type.text})")
    return e.define(I1, f"call i1 {name}({mask.typed})")


def rarely(
    e: Emitter, mask: Val, usual: Sequence[Val], special: Callable[[], Sequence[Val]]
) -> list[Val]:
    """``usual``, and in the lanes of the mask ``special``, by a branch taken if there is any."""
    before, then, after = e.block, e.fresh("rare"), e.fresh("usual")
    e.branch(e.intrinsic("expect", any_lane(e, mask), e.constant(False, I1)), then, after)
    e.start(then)
    chosen = [e.select(mask, a, b) for a, b in zip(special(), usual, strict=True)]
    last = e.block
    e.jump(after)
    e.start(after)
    return [
        e.define(a.type, f"phi {a.type.text} [ {a.text}, %{before} ], [ {b.text}, %{last} ]")
        for a, b in zip(usual, chosen, strict=True)
    ]


# -- powers of two -----------------------------------------------------------------------------


def nearest(e: Emitter, x: Val, factor: float, shift: int = 0) -> tuple[Val, Val]:
    """(j, scale): j = x * factor rounded to an integer; scale = 2**(j + shift), exact.

    The exponent of ``scale`` must be that of a normal number: -126 to 127 (-1022 to 1023). The
    sum with the magic number has j + shift, biased, in its low bits; shifted into the place of
    the exponent, these push all others out of the word.
    """
    form = layout(x)
    magic = constant(e, x, form.magic + form.bias + shift)
    rounded = e.fma(x, constant(e, x, factor), magic)
    scale = from_bits(e, e.shl(to_bits(e, rounded), form.fraction), x.type)
    return e.sub(rounded, magic), scale


def less(e: Emitter, x: Val, j: Val, steps: Sequence[float]) -> Val:
    """x - j * (sum of steps), rounded only where the parts after the first are taken off.

    The first step is exact: x - j * steps[0] is small and a multiple of a last place that
    leaves it within the significand (Cody & Waite 1980; with fma, Muller 2016).
    """
    for step in steps:
        x = e.fma(j, constant(e, x, -step), x)
    return x
