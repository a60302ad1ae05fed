"""sin, cos and tan over the whole range.

Up to 2**17 (f32) or 2**40 (f64) the multiple of pi is taken off in three parts by fma. If any
lane is larger, a branch that is almost never taken multiplies with the bits of 1/pi that matter
at its exponent (Payne & Hanek, SIGNUM Newsletter 18, 1983), in double precision for both types.
Without the branch every sine would pay for it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
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
    rarely,
    to_bits,
)
from chainrule.compiler.native.elementary.pairs import exact_sum, product
from chainrule.compiler.native.emit import BITS, PTR, Emitter, Kind, Val, literal

# fmt: off
# (sin r - r) / r**3 in r**2, |r| <= pi / 2, our own minimax fit; error 6.3e-9, 3.7e-18.
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
# (tan r - r) / r**3 in r**2, |r| <= pi / 4; error 1.8e-8, 1.2e-17 of tan r.
_TAN: Final[Table] = {
    "f32": (
        0.33333156, 0.13338827, 0.053408824, 0.02443953, 0.00310405, 0.009395186,
    ),
    "f64": (
        0.3333333333333277, 0.13333333333415523, 0.05396825392623656, 0.021869489619378648,
        0.008863219017433274, 0.0035922904098842382, 0.0014547498368515715,
        0.0005950991463072989, 0.00022227780950357843, 0.0001367367297394326,
        -2.6685254642047716e-05, 8.972844230799655e-05, -4.502624796988251e-05,
        2.089940684270559e-05,
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
_ROWS: Final = 31  # one for each 32 exponents from 2**52 on


def sin(e: Emitter, x: Val) -> Val:
    """The sine, within 2 ulp at any finite argument; sin -0 = -0, NaN at infinity.

    |x| = n pi + r, |r| <= pi / 2, so that one polynomial serves all quadrants, and the sign is
    that of x times (-1)**n.
    """
    size = e.abs(x)
    r, odd = _reduce(e, size, half=0.0)
    sign = e.xor(odd, _sign_bit(e, x))
    return from_bits(e, e.xor(to_bits(e, _sine(e, r)), sign), x.type)


def cos(e: Emitter, x: Val) -> Val:
    """The cosine, within 2 ulp at any finite argument; NaN at infinity.

    |x| = (n + 1/2) pi + r, |r| <= pi / 2, so that it is -(-1)**n sin r, right also near 0.
    """
    r, odd = _reduce(e, e.abs(x), half=0.5)
    return from_bits(e, e.xor(to_bits(e, _sine(e, e.neg(r))), odd), x.type)


def tan(e: Emitter, x: Val) -> Val:
    """The tangent, within 3 ulp at any finite argument; tan -0 = -0, NaN at infinity.

    The distances r0 and r1 from the nearest zero and from the nearest pole are reduced each by
    itself, so both are right to the last place, and the smaller one, at most pi / 4, is taken:
    tan r0 or -1 / tan r1.
    """
    size, one = e.abs(x), constant(e, x, 1.0)
    zero, pole = _reduce(e, size, half=0.0)[0], _reduce(e, size, half=0.5)[0]
    steep = e.compare("lt", e.abs(pole), e.abs(zero))
    r = e.select(steep, pole, zero)
    square = e.mul(r, r)
    t = e.fma(e.mul(r, square), polynomial(e, square, _TAN[x.type.kind], ordered=1), r)
    t = e.div(e.select(steep, e.neg(one), t), e.select(steep, t, one))
    return from_bits(e, e.xor(to_bits(e, t), _sign_bit(e, x)), x.type)


def sine_of_half_turn(e: Emitter, f: Val) -> Val:
    """sin(pi f) for |f| <= 1/2, within 3 ulp."""
    return _sine(e, e.mul(f, constant(e, f, math.pi)))


def _sine(e: Emitter, r: Val) -> Val:
    """sin r = r + r (r**2 P(r**2)) for |r| <= pi / 2.

    At the end of the interval the second term is a third of the first, so there the rounding
    of the square counts: it is put back (2.1 ulp become 1.5).
    """
    square, lost = product(e, r, r)
    p = polynomial(e, square, _SIN[r.type.kind], ordered=1)
    return e.fma(e.fma(square, p, e.mul(lost, p)), r, r)


def _reduce(e: Emitter, size: Val, half: float) -> tuple[Val, Val]:
    """(r, odd): size = (n + half) pi + r, |r| <= pi / 2; odd: the sign bit, set if n is odd."""
    near = _reduce_near(e, size, half)
    far = e.compare("ge", size, constant(e, size, _BOUND[size.type.kind]))
    r, odd = rarely(e, far, near, lambda: _reduce_far(e, size, half))
    return r, odd


def _reduce_near(e: Emitter, size: Val, half: float) -> tuple[Val, Val]:
    """Three parts of pi: the first leaves no rounding, the third is below the result's."""
    kind, magic = size.type.kind, constant(e, size, layout(size).magic)
    turns = constant(e, size, 1 / math.pi)
    if half:
        shifted = e.add(e.fma(size, turns, constant(e, size, -half)), magic)
        n = e.add(e.sub(shifted, magic), constant(e, size, half))
    else:
        shifted = e.fma(size, turns, magic)
        n = e.sub(shifted, magic)
    return less(e, size, n, parts(PI, kind, 3)), _low_bit_as_sign(e, to_bits(e, shifted))


def _reduce_far(e: Emitter, size: Val, half: float) -> tuple[Val, Val]:
    """The same for any finite size, in double precision.

    size = x 2**s with an integer x < 2**84, and 2**s / pi modulo 2 is tabulated in four parts.
    Of the products of x and the parts whole multiples of 2 are dropped; those products and
    sums that meet the leading bits are kept with their rounding errors (Dekker 1971), because
    the multiple of pi nearest to a double can be as close as 2**-60.
    """
    x, parts_of_inverse = _scaled(e, e.convert(size, "f64"))
    (p1, e1), (p2, e2), (p3, e3) = (product(e, x, part) for part in parts_of_inverse[:3])
    total, low = exact_sum(e, _modulo_two(e, p1), _modulo_two(e, e1))
    total, lower = exact_sum(e, total, _modulo_two(e, p2))
    low, rest = exact_sum(e, low, lower)
    n = e.intrinsic("rint", e.sub(total, constant(e, x, half)))
    fraction = e.sub(total, e.add(n, constant(e, x, half)))
    tail, more = exact_sum(e, e2, p3)
    rest = e.add(e.add(rest, more), e.fma(x, parts_of_inverse[3], e3))
    fraction, more = exact_sum(e, fraction, tail)
    fraction, again = exact_sum(e, fraction, low)
    rest = e.add(rest, e.add(more, again))
    pi, pi_low = (constant(e, x, part) for part in parts(PI, "f64", 2))
    r = e.fma(fraction, pi, e.fma(fraction, pi_low, e.mul(rest, pi)))
    bits = to_bits(e, e.add(n, constant(e, x, layout(x).magic)))
    kind = size.type.kind
    return e.convert(r, kind), _low_bit_as_sign(e, e.convert(bits, layout(size).integer))


def _scaled(e: Emitter, size: Val) -> tuple[Val, list[Val]]:
    """size = x 2**(32 row), x an integer if size is 2**52 or more; and that row of the table."""
    form = layout(size)
    bits = to_bits(e, size)
    above = e.sub(e.lshr(bits, 52), e.constant(form.bias + form.fraction, bits.type))
    zero = e.constant(0, bits.type)
    row = e.lshr(e.select(e.compare("lt", above, zero), zero, above), 5)
    power = e.sub(e.constant(form.bias, row.type), e.shl(row, 5))
    x = e.mul(size, from_bits(e, e.shl(power, 52), size.type))
    return x, [_table_entry(e, e.add(e.shl(row, 2), e.constant(k, row.type))) for k in range(4)]


def _table_entry(e: Emitter, index: Val) -> Val:
    """Part k of row r of the table, at 4 r + k: 2**(32 r) / pi modulo 2 in four doubles."""
    entries = [part for row in range(_ROWS) for part in _row(row)]
    text = ", ".join(f"double {literal(part, 'f64')}" for part in entries)
    table = Val(PTR, "@chainrule.inverse_pi")
    e.declarations.add(f"{table.text} = private constant [{len(entries)} x double] [{text}]")
    type_ = index.type.of("f64")
    if not type_.lanes:
        return e.load(e.pointer(table, index, "f64"), type_)
    return e.gather(e.pointers(table, index, "f64"), type_, None)


@cache
def _row(row: int) -> tuple[float, ...]:
    return parts(Fraction(_INVERSE_PI << (32 * row), 1 << 1280) % 2, "f64", 4)


# -- small pieces ------------------------------------------------------------------------------


def _low_bit_as_sign(e: Emitter, bits: Val) -> Val:
    return e.shl(bits, BITS[bits.type.kind] - 1)


def _sign_bit(e: Emitter, x: Val) -> Val:
    bits = to_bits(e, x)
    return e.and_(bits, e.constant(-1 << (BITS[bits.type.kind] - 1), bits.type))


def _modulo_two(e: Emitter, x: Val) -> Val:
    """x less the nearest even integer, exact."""
    evens = e.intrinsic("rint", e.mul(x, constant(e, x, 0.5)))
    return e.fma(evens, constant(e, x, -2.0), x)
