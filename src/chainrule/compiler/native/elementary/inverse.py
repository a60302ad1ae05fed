"""asin, acos, atan, atan2: the inverse circular functions.

The polynomials are our own minimax fits (Remez) of (f x - x) / x**3 in x**2.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    PI,
    Table,
    constant,
    copy_sign,
    parts,
    polynomial,
    twice,
)
from chainrule.compiler.native.emit import Emitter, Val

# fmt: off
# |x| <= 1/2; error 4.8e-9 (f32), 9.5e-19 (f64) of asin x.
_ASIN: Final[Table] = {
    "f32": (0.16666752, 0.07495299, 0.045470193, 0.024180287, 0.0421652),
    "f64": (
        0.1666666666666676, 0.074999999999708, 0.04464285717461119, 0.03038194270785165,
        0.022372214984905405, 0.017351612075033263, 0.013980819695485222,
        0.011398919917267237, 0.010780206738746523, 0.0037065905197709993,
        0.021706991409220975, -0.02099840461461803, 0.032628206963438086,
    ),
}
# |x| <= sqrt(2) - 1; error 2.1e-8 (f32), 1.3e-18 (f64) of atan x.
_ATAN: Final[Table] = {
    "f32": (-0.33332947, 0.19977643, -0.13876855, 0.08050839),
    "f64": (
        -0.3333333333333319, 0.19999999999952822, -0.14285714280121573, 0.11111110779808982,
        -0.0909089765529556, 0.07692058433019797, -0.06663084189700476, 0.0584774726001107,
        -0.050386741670256724, 0.0380487497764709, -0.01789009484564901,
    ),
}
# fmt: on


def asin(e: Emitter, x: Val) -> Val:
    """The arc sine, within 2 ulp (3 in f32); asin -0 = -0, NaN outside [-1, 1].

    Beyond 1/2 it is pi / 2 - 2 asin(sqrt((1 - x) / 2)), whose argument has no cancellation.
    """
    far, a, low = _arc_of_half(e, x)
    right, right_low = (constant(e, x, part) for part in parts(PI / 2, x.type.kind, 2))
    beyond = e.sub(right, e.sub(twice(e, e.add(a, low)), right_low))
    return copy_sign(e, e.select(far, beyond, a), x)


def acos(e: Emitter, x: Val) -> Val:
    """The arc cosine, within 2 ulp, also near its zero at 1; NaN outside [-1, 1].

    2 asin(sqrt((1 - |x|) / 2)) or pi minus that beyond 1/2, pi / 2 - asin x between.
    """
    far, a, low = _arc_of_half(e, x)
    kind, negative = x.type.kind, e.compare("lt", x, constant(e, x, 0.0))
    right, right_low = (constant(e, x, part) for part in parts(PI / 2, kind, 2))
    between = e.sub(right, e.sub(copy_sign(e, a, x), right_low))
    double = twice(e, e.add(a, low))
    left = e.add(e.sub(twice(e, right), double), twice(e, right_low))
    return e.select(far, e.select(negative, left, double), between)


def _arc_of_half(e: Emitter, x: Val) -> tuple[Val, Val, Val]:
    """(far, a, low): asin |x| = a, or where far, a + low = asin(sqrt((1 - |x|) / 2)).

    ``low`` is what the square root was rounded by.
    """
    size, half = e.abs(x), constant(e, x, 0.5)
    far = e.compare("gt", size, half)
    inside = e.fma(e.neg(size), half, half)
    root = e.sqrt(inside)
    lost = e.div(e.fma(e.neg(root), root, inside), twice(e, root))
    zero = constant(e, x, 0.0)
    lost = e.select(e.compare("gt", root, zero), lost, zero)
    s, square = e.select(far, root, size), e.select(far, inside, e.mul(size, size))
    a = e.fma(e.mul(s, square), polynomial(e, square, _ASIN[x.type.kind]), s)
    return far, a, lost


def atan(e: Emitter, x: Val) -> Val:
    """The arc tangent, within 2 ulp; atan -0 = -0, pi / 2 at infinity."""
    one = constant(e, x, 1.0)
    return copy_sign(e, _arc(e, e.abs(x), one), x)


def atan2(e: Emitter, y: Val, x: Val) -> Val:
    """The angle of the point (x, y), within 2 ulp; zeros and infinities as in C99 and NumPy.

    Huge operands are scaled down together, two infinite ones are as good as two ones.
    """
    y, x = e.match(y, x)
    kind = x.type.kind
    up, along = e.abs(y), e.abs(x)
    infinity, one = constant(e, x, math.inf), constant(e, x, 1.0)
    both = e.and_(e.compare("eq", up, infinity), e.compare("eq", along, infinity))
    up, along = e.select(both, one, up), e.select(both, one, along)
    top = constant(e, x, 2.0**126 if kind == "f32" else 2.0**1022)
    huge = e.or_(e.compare("ge", up, top), e.compare("ge", along, top))
    scale = e.select(huge, constant(e, x, 0.25), one)
    angle = _arc(e, e.mul(up, scale), e.mul(along, scale))
    nothing = e.compare("eq", y, constant(e, x, 0.0))
    angle = e.select(e.and_(nothing, e.compare("eq", x, x)), constant(e, x, 0.0), angle)
    pi, pi_low = (constant(e, x, part) for part in parts(PI, kind, 2))
    left = e.sub(pi, e.sub(angle, pi_low))
    behind = e.compare("lt", copy_sign(e, one, x), constant(e, x, 0.0))
    return copy_sign(e, e.select(behind, left, angle), y)


def _arc(e: Emitter, up: Val, along: Val) -> Val:
    """atan(up / along) for operands that are not negative, by one division.

    In the middle atan q = pi / 4 + atan((q - 1) / (q + 1)), beyond it pi / 2 - atan(1 / q), so
    that the polynomial's argument is at most tan(pi / 8) = sqrt(2) - 1.
    """
    kind = up.type.kind
    middle = e.compare("gt", up, e.mul(along, constant(e, up, math.sqrt(2) - 1)))
    steep = e.compare("gt", up, e.mul(along, constant(e, up, math.sqrt(2) + 1)))
    above = e.select(steep, e.neg(along), e.select(middle, e.sub(up, along), up))
    below = e.select(steep, up, e.select(middle, e.add(up, along), along))
    t = e.div(above, below)
    zero = constant(e, up, 0.0)
    high, low = zero, zero
    for mask, part in ((middle, 4), (steep, 2)):
        first, second = parts(PI / part, kind, 2)
        high = e.select(mask, constant(e, up, first), high)
        low = e.select(mask, constant(e, up, second), low)
    square = e.mul(t, t)
    cubic = e.mul(e.mul(t, square), polynomial(e, square, _ATAN[kind]))
    return e.add(high, e.add(t, e.add(cubic, low)))
