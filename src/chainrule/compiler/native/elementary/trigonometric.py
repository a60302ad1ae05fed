"""sin and cos over the whole range.

Up to 2**17 (f32) or 2**40 (f64) the multiple of pi is taken off in three parts by fma. If any
lane is larger, a branch that is almost never taken multiplies with the bits of 1/pi that matter
at its exponent (Payne & Hanek, SIGNUM Newsletter 18, 1983), in double precision for both types.
It is the one branch in the elementary functions: without it every sine would pay for it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from chainrule.compiler.native.elementary.common import (
    PI,
    Table,
    constant,
    from_bits,
    layout,
    less,
    parts,
    polynomial,
    to_bits,
)
from chainrule.compiler.native.emit import I1, PTR, Emitter, Kind, NativeType, Val

# fmt: off
# (sin r - r) / r**3 in r**2, |r| <= pi / 2, our own minimax fit; error 6.3e-9, 3.7e-18 of sin r.
_SIN: Final[Table] = {
    "f32": (
        -0.1666666, 0.008333069, -0.00019809768, 2.6060538e-06,
    ),
    "f64": (
        -0.16666666666666666, 0.008333333333333193, -0.00019841269841208478,
        2.7557319211006913e-06, -2.505210686056271e-08, 1.605893907619393e-10,
        -7.642974743945425e-13, 2.7209950457252337e-15,
    ),
}
# fmt: on

_BOUND: Final[dict[Kind, float]] = {"f32": 2.0**17, "f64": 2.0**40}

# 1/pi to 1280 bits: 960 for the largest exponent, 212 for four doubles.
_INVERSE_PI: Final = int(
    "517CC1B727220A94FE13ABE8FA9A6EE06DB14ACC9E21C820FF28B1D5EF5DE2B0DB92371D2126E970"
    "0324977504E8C90E7F0EF58E5894D39F74411AFA975DA24274CE38135A2FBF209CC8EB1CC1A99CFA"
    "4E422FC5DEFC941D8FFC4BFFEF02CC07F79788C5AD05368FB69B3F6793E584DBA7A31FB34F2FF516"
    "BA93DD63F5F2F8BD9E839CFBC529497535FDAFD88FC6AE842B0198237E3DB5D5F867DE104D7A1B0E",
    16,
)
_STRIDE: Final = 32  # exponents from one row of the table to the next
_ROWS: Final = 31


def sin(e: Emitter, x: Val) -> Val:
    """The sine, within 2 ulp at any finite argument; sin -0 = -0, NaN at infinity.

    |x| = n pi + r, |r| <= pi / 2, so that one polynomial serves all quadrants, and the sign is
    that of x times (-1)**n.
    """
    size = e.abs(x)
    r, odd = _reduce(e, size, half=0.0)
    sign = e.xor(odd, _sign_bit(e, to_bits(e, x)))
    return from_bits(e, e.xor(to_bits(e, _sine(e, r)), sign), x.type)


def cos(e: Emitter, x: Val) -> Val:
    """The cosine, within 2 ulp at any finite argument; NaN at infinity.

    |x| = (n + 1/2) pi + r, |r| <= pi / 2, so that it is -(-1)**n sin r, right also near 0.
    """
    r, odd = _reduce(e, e.abs(x), half=0.5)
    return from_bits(e, e.xor(to_bits(e, _sine(e, e.neg(r))), odd), x.type)


def _sine(e: Emitter, r: Val) -> Val:
    """sin r = r + r**3 P(r**2) for |r| <= pi / 2."""
    square = e.mul(r, r)
    return e.fma(e.mul(r, square), polynomial(e, square, _SIN[r.type.kind]), r)


def _sign_bit(e: Emitter, bits: Val) -> Val:
    return e.and_(
        bits, e.constant(-1 << (8 * (4 if bits.type.kind == "i32" else 8) - 1), bits.type)
    )


def _reduce(e: Emitter, size: Val, half: float) -> tuple[Val, Val]:
    """(r, odd): size = (n + half) pi + r, and odd the sign bit set where n is odd."""
    near = _reduce_near(e, size, half)
    far = e.compare("ge", size, constant(e, size, _BOUND[size.type.kind]))
    some = e.intrinsic("vector.reduce.or", far) if False else _any(e, far)
    before, then, after = e.block, e.fresh("far"), e.fresh("reduced")
    e.branch(e.intrinsic("expect", some, e.constant(False, I1)), then, after)
    e.start(then)
    chosen = [e.select(far, a, b) for a, b in zip(_reduce_far(e, size, half), near, strict=True)]
    last = e.block
    e.jump(after)
    e.start(after)
    r, odd = (
        e.define(a.type, f"phi {a.type.text} [ {a.text}, %{before} ], [ {b.text}, %{last} ]")
        for a, b in zip(near, chosen, strict=True)
    )
    return r, odd
