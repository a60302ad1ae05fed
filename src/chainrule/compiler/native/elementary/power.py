"""power: x**y for any real x and y, as C99 and NumPy define it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from chainrule.compiler.native.elementary.common import (
    LN2,
    constant,
    copy_sign,
    parts,
    polynomial,
    twice,
)
from chainrule.compiler.native.elementary.exponential import exp
from chainrule.compiler.native.elementary.logarithm import log, near_one
from chainrule.compiler.native.elementary.pairs import ordered_sum, pair_product
from chainrule.compiler.native.emit import Emitter, Val

# (atanh s / s - 1 - z/3) / z**2 in z = s**2, |s| <= 0.1716, our own Remez fit; error 1.1e-20.
# fmt: off
_ATANH: Final = (
    0.1999999999999999, 0.14285714285722573, 0.1111111110876382,
    0.09090909435700664, 0.07692278398285926, 0.06668160146803218,
    0.058373799670252885, 0.05994751367963696,
)
# fmt: on


def power(e: Emitter, x: Val, y: Val) -> Val:
    """x**y = exp(y log|x|) with the sign of x**y: within 1 ulp in f32, 2 in f64.

    In f32 log and exp of the f64 do. In f64 the logarithm and its product with y are sums of
    two doubles, because exp makes their absolute error a relative one (Muller, Elementary
    Functions, 3rd ed. 2016). x**0 and 1**y are 1, of NaN too; a negative finite x to a y that
    is no integer is NaN; zeros and infinities are as in C99, F.9.4.4, and in NumPy.
    """
    x, y = e.match(x, y)
    size = e.abs(x)
    result = _power_f32(e, size, y) if x.type.kind == "f32" else _power_f64(e, size, y)
    zero, one = constant(e, x, 0.0), constant(e, x, 1.0)
    flat = e.or_(e.compare("eq", y, zero), e.compare("eq", size, one))
    result = e.select(flat, one, result)
    broken = e.compare("ne", e.intrinsic("rint", y), y)
    half = e.mul(y, constant(e, y, 0.5))
    uneven = e.compare("ne", e.intrinsic("rint", half), half)
    signed = e.select(broken, result, copy_sign(e, result, x))
    result = e.select(uneven, signed, result)
    negative = e.and_(e.compare("lt", x, zero), e.compare("gt", x, constant(e, x, -math.inf)))
    return e.select(e.and_(negative, broken), constant(e, x, math.nan), result)


def _power_f32(e: Emitter, size: Val, y: Val) -> Val:
    logarithm = log(e, e.convert(size, "f64"))
    return e.convert(exp(e, e.mul(logarithm, e.convert(y, "f64"))), "f32")


def _power_f64(e: Emitter, size: Val, y: Val) -> Val:
    """exp of y times the logarithm; out of exp's range the low part does not matter."""
    high, low = log_pair(e, size)
    product = e.mul(y, high)
    rest = e.fma(y, low, e.fma(y, high, e.neg(product)))
    inside = e.compare("lt", e.abs(product), constant(e, y, 800.0))
    return exp(e, product, e.select(inside, rest, constant(e, y, 0.0)))


def log_pair(e: Emitter, x: Val) -> tuple[Val, Val]:
    """log x, x >= 0, as a sum of two doubles with an error of 2**-64 of it.

    x = 2**k (1 + f), s = f / (2 + f): log x = k ln 2 + 2 s + 2 s (z/3 + z**2 A(z)), z = s**2,
    where s, z and all but A are pairs.
    """
    k, f = near_one(e, x)
    s, s_low = _ratio(e, f)
    z = e.mul(s, s)
    z_low = e.fma(twice(e, s), s_low, e.fma(s, s, e.neg(z)))
    third, third_low = (constant(e, x, part) for part in parts(Fraction(1, 3), "f64", 2))
    a = e.mul(z, polynomial(e, z, _ATANH))
    u, u_low = ordered_sum(e, third, a)
    w, w_low = pair_product(e, (z, z_low), (u, e.add(u_low, third_low)))
    t, t_low = pair_product(e, (s, s_low), (w, w_low))
    # k is an integer times 2**52; the first part of ln 2 leaves room for its eleven bits.
    coarse = Fraction(round(LN2 * 2**42), 2**42)
    high, one = ordered_sum(e, e.mul(k, constant(e, x, float(coarse / 2**52))), twice(e, s))
    high, two = ordered_sum(e, high, twice(e, t))
    low = e.fma(k, constant(e, x, float((LN2 - coarse) / 2**52)), twice(e, e.add(s_low, t_low)))
    low = e.add(e.add(one, two), low)
    high = e.select(e.compare("eq", x, constant(e, x, 0.0)), constant(e, x, -math.inf), high)
    return e.select(e.compare("lt", x, constant(e, x, math.inf)), high, x), low


def _ratio(e: Emitter, f: Val) -> tuple[Val, Val]:
    """f / (2 + f) as a pair, by one division and the remainder."""
    below, below_low = ordered_sum(e, constant(e, f, 2.0), f)
    inverse = e.div(constant(e, f, 1.0), below)
    s = e.mul(f, inverse)
    minus = e.neg(s)
    remainder = e.fma(minus, below_low, e.fma(minus, below, f))
    return s, e.mul(remainder, inverse)
