"""cbrt and hypot: roots that neither overflow nor underflow on the way."""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    constant,
    copy_sign,
    in_double,
    layout,
    nearest,
    polynomial,
)
from chainrule.compiler.native.elementary.logarithm import near_one
from chainrule.compiler.native.elementary.pairs import product
from chainrule.compiler.native.emit import Emitter, Kind, Val

# The cube root of m, 0.35 <= m <= 2.84, our own minimax fit; error 7.3e-4.
_CBRT: Final = (
    0.4146281116476969, 1.0543779228721246, -0.7637093335467307, 0.3883665803356463,
    -0.10475376024542421, 0.011293368290768154,
)  # fmt: skip


def cbrt(e: Emitter, x: Val) -> Val:
    """The real cube root, within 1 ulp; cbrt -0 = -0.

    |x| = 2**(3 q) m: a polynomial and two steps of Halley's iteration, which triples the number
    of right digits; the last one from a residual without rounding.
    """
    return in_double(e, _cbrt, x)


def _cbrt(e: Emitter, kind: Kind, x: Val) -> Val:
    size = e.abs(x)
    exponent, f = near_one(e, size)
    k = e.mul(exponent, constant(e, x, 2.0 ** -layout(x).fraction))
    q, scale = nearest(e, k, 1 / 3)
    _, rest = nearest(e, e.fma(q, constant(e, x, -3.0), k), 1.0)
    m = e.mul(e.add(f, constant(e, x, 1.0)), rest)
    y = polynomial(e, m, _CBRT)
    for _ in range(1 if kind == "f32" else 2):
        y = _halley(e, y, m)
    y = e.mul(y, scale)
    plain = e.or_(e.compare("eq", x, constant(e, x, 0.0)), _no_number(e, size))
    return e.select(plain, x, copy_sign(e, y, x))


def _halley(e: Emitter, y: Val, m: Val) -> Val:
    """y - y (y³ - m) / (2 y³ + m), the residual by fma."""
    square, low = product(e, y, y)
    residual = e.fma(y, low, e.fma(square, y, e.neg(m)))
    cube = e.mul(square, y)
    below = e.fma(cube, constant(e, y, 2.0), m)
    return e.sub(y, e.div(e.mul(y, residual), below))


def _no_number(e: Emitter, size: Val) -> Val:
    """Whether an absolute value is infinite or NaN."""
    finite = e.compare("lt", size, constant(e, size, math.inf))
    return e.xor(finite, e.constant(True, finite.type))


def hypot(e: Emitter, x: Val, y: Val) -> Val:
    """sqrt(x² + y²) within 1 ulp, wherever it is representable; inf if either is infinite.

    In f32 by the f64 ones. In f64 both are scaled by a power of two, and the rounding errors of
    the squares and of the root are put back (Borges, arXiv:1904.09481).
    """
    x, y = e.match(x, y)
    result = in_double(e, _hypot, x, y)
    infinity = constant(e, x, math.inf)
    infinite = e.or_(e.compare("eq", e.abs(x), infinity), e.compare("eq", e.abs(y), infinity))
    return e.select(infinite, infinity, result)


def _hypot(e: Emitter, kind: Kind, x: Val, y: Val) -> Val:
    x, y = e.abs(x), e.abs(y)
    if kind == "f32":  # no square of an f32 overflows or underflows in f64
        return e.sqrt(e.fma(x, x, e.mul(y, y)))
    wide = e.select(e.compare("gt", x, y), x, y)
    scale, back = constant(e, x, 1.0), constant(e, x, 1.0)
    for mask, power in (
        (e.compare("gt", wide, constant(e, x, 2.0**500)), -600),
        (e.compare("lt", wide, constant(e, x, 2.0**-450)), 600),
    ):
        scale = e.select(mask, constant(e, x, 2.0**power), scale)
        back = e.select(mask, constant(e, x, 2.0**-power), back)
    x, y = e.mul(x, scale), e.mul(y, scale)
    (xx, x_low), (yy, y_low) = product(e, x, x), product(e, y, y)
    large, small = e.larger(xx, yy), e.smaller(xx, yy)
    root = e.sqrt(e.add(large, small))
    square, low = product(e, root, root)
    off = e.add(e.add(e.sub(e.sub(large, square), e.neg(small)), e.neg(low)), e.add(x_low, y_low))
    better = e.fma(off, e.div(constant(e, x, 0.5), root), root)
    zero = constant(e, x, 0.0)
    return e.mul(e.select(e.compare("eq", root, zero), root, better), back)
