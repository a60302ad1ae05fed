"""exp2, log2, log10: the functions of the bases 2 and 10, exact where the result is."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from chainrule.compiler.native.elementary.common import (
    LN2,
    at_least,
    at_most,
    constant,
    nearest,
    parts,
    polynomial,
)
from chainrule.compiler.native.elementary.logarithm import at_the_ends, log
from chainrule.compiler.native.elementary.normal import EXP2
from chainrule.compiler.native.elementary.pairs import Pair
from chainrule.compiler.native.elementary.power import log_pair
from chainrule.compiler.native.emit import Emitter, Kind, Val

# ln 5 to 180 bits.
_LN5: Final = Fraction(0x19C041F7ED8D336AFDF77A516075931F4494C70C0F6DF2, 1 << 180)
_LN10: Final = LN2 + _LN5
_LOWEST: Final[dict[Kind, float]] = {"f32": -151.0, "f64": -1076.0}
_HIGHEST: Final[dict[Kind, float]] = {"f32": 129.0, "f64": 1025.0}


def exp2(e: Emitter, x: Val) -> Val:
    """2**x, within 2 ulp, exact for whole x; underflow is gradual.

    x = k + r, |r| <= 1/2, and 2**k in two factors, of which the first neither overflows nor
    underflows: so the second product is the only one to round to a subnormal.
    """
    kind = x.type.kind
    x = at_least(e, at_most(e, x, _HIGHEST[kind]), _LOWEST[kind])
    j, scale = nearest(e, x, 0.5)
    k, _ = nearest(e, x, 1.0)
    _, rest = nearest(e, e.sub(k, j), 1.0)
    r = e.sub(x, k)
    power = e.fma(r, polynomial(e, r, EXP2[kind]), constant(e, x, 1.0))
    return e.mul(e.mul(power, scale), rest)


def log2(e: Emitter, x: Val) -> Val:
    """The logarithm of base 2, within 1 ulp, exact at powers of two; the ends as of log."""
    return _of_base(e, x, LN2)


def log10(e: Emitter, x: Val) -> Val:
    """The logarithm of base 10, within 1 ulp, exact at powers of ten; the ends as of log."""
    return _of_base(e, x, _LN10)


def _of_base(e: Emitter, x: Val, log_base: Fraction) -> Val:
    """log x / log_base: in double precision for f32, by pairs of doubles for f64.

    The logarithm's error of 2**-64 leaves a quotient that is a float to be rounded to it.
    """
    inverse = 1 / log_base
    if x.type.kind == "f32":
        wide = log(e, e.convert(x, "f64"))
        return e.convert(e.mul(wide, constant(e, wide, float(inverse))), "f32")
    high, low = log_pair(e, x)
    factor, factor_low = (constant(e, x, part) for part in parts(inverse, "f64", 2))
    return at_the_ends(e, x, _times(e, (high, low), (factor, factor_low)), zero_at=0.0)


def _times(e: Emitter, x: Pair, y: Pair) -> Val:
    """The product of two pairs, rounded to one float."""
    p = e.mul(x[0], y[0])
    rest = e.fma(x[0], y[0], e.neg(p))
    rest = e.fma(x[0], y[1], e.fma(x[1], y[0], rest))
    total = e.add(p, rest)
    return e.select(e.compare("lt", e.abs(p), constant(e, p, math.inf)), total, p)
