"""erfinv and ndtri: the quantiles of the normal distribution.

Three ratios of two polynomials, as in Wichura, Algorithm AS 241, Applied Statistics 37, 1988: in
the middle in q², q = p - 1/2, and in both tails in r = sqrt(-log p). The ratios are our own, by
interpolation at Chebyshev's points with 60 digits; each lane selects its coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from chainrule.compiler.native.elementary.common import (
    at_most,
    constant,
    copy_sign,
    in_double,
)
from chainrule.compiler.native.elementary.logarithm import log
from chainrule.compiler.native.emit import Emitter, Kind, Val

Ratio = tuple[Sequence[float], Sequence[float]]

# fmt: off
# Phi's inverse over 4 q, in 0.7225 - (2 q)², 2 |q| <= 0.85; error 7.0e-17.
_MIDDLE: Final[Ratio] = ((
    0.8467832181990916, 9.297283798166468, 39.81601339536662, 84.48234828323197,
    93.44993702422583, 52.1362701378713, 13.076622326591524, 1.1300783481726149,
    0.014904051357411201, 0.0,
), (
    1.0, 11.730846723807499, 54.45524337903635, 127.76372407253095, 160.82024089043836,
    106.68428276830848, 34.271686337011054, 4.415447845033324, 0.14340918757989415, 0.0,
))
# Minus Phi's inverse, in r - 1.58, 1.58 <= r <= 6.2; error 2.1e-17.
_TAIL: Final[Ratio] = ((
    1.389232459324989, 4.886126901957466, 6.802537479945766, 5.047161724489223,
    2.229280868878144, 0.6102628506277286, 0.10255179378143814, 0.009926084396805639,
    0.0004796045570666338, 8.269165242613761e-06,
), (
    1.0, 2.284274066140924, 2.1714535718351913, 1.1221435585152184, 0.3436846176740274,
    0.0629710503870085, 0.00651522246935747, 0.0003299275676636813, 5.846953913043271e-06,
    1.294610691869951e-12,
))
# The same in r - 6.1, 6.1 <= r <= 27.5; error 3.1e-18.
_FAR: Final[Ratio] = ((
    8.266166704239984, 5.99026483837891, 1.7727192486419798, 0.27633536543030457,
    0.024412450721601465, 0.0012246823997977556, 3.310224456782584e-05,
    4.2412181434019334e-07, 1.871060960369375e-09, 0.0,
), (
    1.0, 0.5486319998195861, 0.11851536188178492, 0.01283082339855013,
    0.0007348831818129181, 2.1631571669036626e-05, 2.918308163053793e-07,
    1.3230366976823665e-09, 4.4348951741523534e-18, 0.0,
))
# fmt: on

#: Where the middle ends, as 2 |q|, and its square; the r of the far tail.
_EDGE: Final = 0.85
_SQUARE: Final = 0.7225
_SPLIT: Final = 6.15


def erfinv(e: Emitter, x: Val) -> Val:
    """The inverse of erf, within 4 ulp, also near its zero and its poles; NaN outside [-1, 1]."""
    return in_double(e, _erfinv, x)


def ndtri(e: Emitter, p: Val) -> Val:
    """The inverse of Phi, within 5 ulp, down to the smallest p; NaN outside [0, 1]."""
    return in_double(e, _ndtri, p)


def _erfinv(e: Emitter, kind: Kind, x: Val) -> Val:
    size, half = e.abs(x), constant(e, x, 0.5)
    p = e.fma(e.neg(size), half, half)
    # No p above 0 is below 2**-54, so the far tail is not reached.
    ratio = _ratio(e, size, p, (_MIDDLE, _TAIL))
    near = e.compare("le", size, constant(e, x, _EDGE))
    slope = e.mul(size, constant(e, x, math.sqrt(2)))
    factor = e.select(near, slope, constant(e, x, math.sqrt(0.5)))
    y = _pole(e, p, e.mul(ratio, factor))
    return copy_sign(e, y, x)


def _ndtri(e: Emitter, kind: Kind, p: Val) -> Val:
    half, zero = constant(e, p, 0.5), constant(e, p, 0.0)
    q = e.sub(p, half)
    upper = e.compare("gt", q, zero)
    smaller = e.select(upper, e.sub(constant(e, p, 1.0), p), p)
    double = e.abs(e.add(q, q))
    near = e.compare("le", double, constant(e, p, _EDGE))
    ratio = _ratio(e, double, smaller, (_MIDDLE, _TAIL, _FAR))
    factor = e.select(near, e.add(double, double), constant(e, p, 1.0))
    return copy_sign(e, _pole(e, smaller, e.mul(ratio, factor)), q)


def _pole(e: Emitter, p: Val, y: Val) -> Val:
    """Infinity at p = 0, NaN below."""
    zero = constant(e, p, 0.0)
    y = e.select(e.compare("eq", p, zero), constant(e, p, math.inf), y)
    return e.select(e.compare("lt", p, zero), constant(e, p, math.nan), y)


def _ratio(e: Emitter, double: Val, p: Val, ratios: Sequence[Ratio]) -> Val:
    """The ratio that belongs to 2 |q| = double, p = 1/2 - |q|, at its own argument."""
    near = e.compare("le", double, constant(e, p, _EDGE))
    r = at_most(e, e.sqrt(e.neg(log(e, p))), 30.0)
    far = e.compare("gt", r, constant(e, p, _SPLIT))
    middle = e.fma(e.neg(double), double, constant(e, p, _SQUARE))
    argument = e.sub(r, constant(e, p, 1.58))
    if len(ratios) > 2:
        argument = e.select(far, e.sub(r, constant(e, p, 6.1)), argument)
    argument = e.select(near, middle, argument)

    def coefficient(*values: float) -> Val:
        found = constant(e, p, values[1])
        if len(values) > 2:
            found = e.select(far, constant(e, p, values[2]), found)
        return e.select(near, constant(e, p, values[0]), found)

    def value(which: int) -> Val:
        rows = reversed([*zip(*(ratio[which] for ratio in ratios), strict=True)])
        total = coefficient(*next(rows))
        for row in rows:
            total = e.fma(total, argument, coefficient(*row))
        return total

    return e.div(value(0), value(1))
