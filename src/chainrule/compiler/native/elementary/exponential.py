"""exp, expm1, tanh, sigmoid: one reduction to a power of two times a short polynomial.

Reduction: x = j (m ln 2) + r, so that e**x = 2**(m j) e**r, with ln 2 in two parts taken off by
fma (Cody & Waite, Software Manual for the Elementary Functions, 1980; Tang, ACM TOMS 15, 1989).
The polynomials are our own minimax fits (a linear program in f32 with each coefficient rounded
in turn, Remez in f64) of (e**r - 1 - r) / r**2 for least error relative to e**r.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    LN2,
    Table,
    at_least,
    at_most,
    constant,
    copy_sign,
    layout,
    less,
    nearest,
    parts,
    polynomial,
    twice,
)
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# |r| <= ln 2 / 2; error 3.2e-9 (f32), 1.1e-17 (f64) of e**r.
_NARROW: Final[Table] = {
    "f32": (
        0.49999994, 0.16666521, 0.041668266, 0.008368684, 0.0013820946,
    ),
    "f64": (
        0.5000000000000011, 0.16666666666666413, 0.041666666666530176,
        0.008333333333494479, 0.0013888888943626593, 0.00019841269506542004,
        2.4801493102238876e-05, 2.7557586405101292e-06, 2.76302472757062e-07,
        2.5000052383598162e-08,
    ),
}
# |r| <= ln 2; error 1.5e-8 (f32), 2.2e-17 (f64) of e**r.
_WIDE: Final[Table] = {
    "f32": (
        0.50000036, 0.16666618, 0.04166123, 0.008335935, 0.0014104778, 0.0001962975,
    ),
    "f64": (
        0.4999999999999993, 0.16666666666666938, 0.041666666666702046,
        0.008333333333269978, 0.001388888888358125, 0.00019841269892744248,
        2.480159082799775e-05, 2.7557300657819175e-06, 2.7556158448262094e-07,
        2.5055033274783803e-08, 2.106230024107236e-09, 1.5935524913647787e-10,
    ),
}
# (tanh x - x) / x**3 in x**2, |x| <= 0.6; error 2.9e-9 (f32), 9.7e-18 (f64) of tanh x.
_TANH: Final[Table] = {
    "f32": (
        -0.333333, 0.13331936, -0.053784717, 0.020798625, -0.005897966,
    ),
    "f64": (
        -0.33333333333333126, 0.13333333333299666, -0.05396825394929716,
        0.02186948800259458, -0.008863226777899153, 0.003592037383376709,
        -0.001455215387211705, 0.0005871884965682214, -0.00023039701999051434,
        7.931421839933346e-05, -1.7178871863636368e-05,
    ),
}
# fmt: on

_INVERSE_LN2: Final = 1 / math.log(2)
# Where e**x has long been 0 and where it is inf for certain (but 2**j of `nearest` is not).
_LOWEST: Final[dict[Kind, float]] = {"f32": -104.5, "f64": -746.0}
_HIGHEST: Final[dict[Kind, float]] = {"f32": 88.9, "f64": 709.9}
# From here on tanh x rounds to 1.
_TANH_ONE: Final[dict[Kind, float]] = {"f32": 9.05, "f64": 19.1}
# The power of two of e**-size is kept normal by 2**64, taken off at the end.
_DOWN: Final = 64


def exp(e: Emitter, x: Val, rest: Val | None = None) -> Val:
    """e**x, within 2 ulp; underflow is gradual. With a small ``rest``, e**(x + rest).

    Reduction with an even power, x = j (2 ln 2) + r, |r| <= ln 2, so that the scale 4**j is the
    square of one number that neither overflows nor underflows, and the second product rounds
    once, also to a subnormal. That costs one more term than |r| <= ln 2 / 2 and saves three
    instructions. Polynomial ``_WIDE``.
    """
    kind = x.type.kind
    x = at_least(e, at_most(e, x, _HIGHEST[kind]), _LOWEST[kind])
    j, scale = nearest(e, x, _INVERSE_LN2 / 2)
    r = less(e, x, j, parts(2 * LN2, kind, 2))
    r = r if rest is None else e.add(r, rest)
    power = _power(e, r, _WIDE[kind])
    return e.mul(e.mul(power, scale), scale)


def half_exp(e: Emitter, size: Val) -> Val:
    """e**size / 2 for size >= 0, within 2 ulp, up to where that overflows itself."""
    kind = size.type.kind
    x = at_most(e, size, _HIGHEST[kind] + 1)
    j, scale = nearest(e, x, _INVERSE_LN2 / 2)
    power = _power(e, less(e, x, j, parts(2 * LN2, kind, 2)), _WIDE[kind])
    return e.mul(e.mul(e.mul(power, constant(e, x, 0.5)), scale), scale)


def expm1(e: Emitter, x: Val) -> Val:
    """e**x - 1, within 2 ulp, also near 0, where it is x.

    With e**r = 1 + r + r**2 p it is (2**k r + (2**k - 1)) + 2**k r**2 p: for k = 0 there is
    nothing to cancel, for k = 1 the first sum is exact. All is halved, because 2**128 (2**1024)
    is not a number, and doubled at the end; arguments so small that half of them loses a bit
    are their own result.
    """
    kind = x.type.kind
    inside = at_least(e, at_most(e, x, _HIGHEST[kind]), _LOWEST[kind] / 4)
    k, half = nearest(e, inside, _INVERSE_LN2, shift=-1)
    r = less(e, inside, k, parts(LN2, kind, 2))
    first = e.mul(half, r)
    line = e.add(first, e.sub(half, constant(e, x, 0.5)))
    result = twice(e, e.fma(e.mul(first, r), polynomial(e, r, _NARROW[kind]), line))
    tiny = math.ldexp(1.0, -layout(x).fraction - 2)
    return e.select(e.compare("lt", e.abs(x), constant(e, x, tiny)), x, result)


def tanh(e: Emitter, x: Val) -> Val:
    """tanh x, within 2 ulp: 1 - 2 / (e**2|x| + 1) beyond 0.6, a polynomial below.

    Where tanh is above 1/2 the rounding of the quotient counts half; below, x + x**3 P(x**2)
    has the relative accuracy of x. One division. The sign is copied, so tanh -0 = -0.
    e**2|x| is reduced as in ``expm1``; the polynomial takes r / 2, coefficients scaled by 2**n.
    """
    kind = x.type.kind
    size = at_most(e, e.abs(x), _TANH_ONE[kind])
    k, scale = nearest(e, size, 2 * _INVERSE_LN2)
    half = less(e, size, k, parts(LN2 / 2, kind, 1))
    one, two = constant(e, x, 1.0), constant(e, x, 2.0)
    q = e.fma(polynomial(e, half, [c * 2.0**n for n, c in enumerate(_NARROW[kind], 2)]), half, two)
    large = e.sub(one, e.div(two, e.fma(e.fma(q, half, one), scale, one)))
    square = e.mul(size, size)
    small = e.fma(e.mul(size, square), polynomial(e, square, _TANH[kind]), size)
    near = e.compare("lt", size, constant(e, x, 0.6))
    return copy_sign(e, e.select(near, small, large), x)


def sigmoid(e: Emitter, x: Val) -> Val:
    """1 / (1 + e**-x), within 2 ulp, down to the last subnormal.

    With t = e**-|x|, which cannot overflow, it is q = 1 / (1 + t) for x >= 0, and below it is
    q = t / (1 + t), written as t - t q, so that the rounding of 1 + t is weighed with t.
    """
    t = exp_minus(e, e.abs(x))
    one = constant(e, x, 1.0)
    below = e.compare("lt", x, constant(e, x, 0.0))
    q = e.div(e.select(below, t, one), e.add(t, one))
    return e.select(below, e.fma(e.neg(t), q, t), q)


def exp_minus(e: Emitter, size: Val, rest: Val | None = None) -> Val:
    """e**-(size + rest) for size >= 0 and a far smaller rest, with gradual underflow.

    No result is above 1, so one power of two, kept 2**64 too high, is enough; ``_NARROW``.
    """
    kind = size.type.kind
    x = at_least(e, e.neg(size), _LOWEST[kind])
    k, scale = nearest(e, x, _INVERSE_LN2, shift=_DOWN)
    r = less(e, x, k, parts(LN2, kind, 2))
    r = r if rest is None else e.sub(r, rest)
    power = _power(e, r, _NARROW[kind])
    return e.mul(e.mul(power, scale), constant(e, x, 2.0**-_DOWN))


def _power(e: Emitter, r: Val, coefficients: tuple[float, ...]) -> Val:
    """e**r = 1 + r (1 + r p)."""
    one = constant(e, r, 1.0)
    return e.fma(e.fma(polynomial(e, r, coefficients), r, one), r, one)
