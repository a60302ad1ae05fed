"""sinh, cosh and the inverse hyperbolic functions; tanh stands with the exponentials."""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    LN2,
    Table,
    constant,
    copy_sign,
    polynomial,
)
from chainrule.compiler.native.elementary.exponential import half_exp
from chainrule.compiler.native.elementary.logarithm import log1p
from chainrule.compiler.native.emit import Emitter, Kind, Val

# (sinh x - x) / x**3 in x**2, |x| <= 1, our own minimax fit; error 5.2e-11, 6.3e-23 of sinh x.
# fmt: off
_SINH: Final[Table] = {
    "f32": (0.16666667, 0.00833335, 0.00019836161, 2.8169454e-06),
    "f64": (
        0.16666666666666666, 0.008333333333333333, 0.000198412698412696,
        2.7557319224116073e-06, 2.5052108346553495e-08, 1.6059050596340636e-10,
        7.6464831749326e-13, 2.8482266394533193e-15,
    ),
}
# fmt: on
#: From here on x + 1 and x are the same float, and x**2 is one still.
_HUGE: Final[dict[Kind, float]] = {"f32": 2.0**30, "f64": 2.0**60}


def sinh(e: Emitter, x: Val) -> Val:
    """The hyperbolic sine, within 3 ulp, up to where it overflows; sinh -0 = -0.

    Beyond 1 it is h - 1 / (4 h) with h = e**|x| / 2, which overflows no sooner; a polynomial
    below.
    """
    size = e.abs(x)
    square = e.mul(size, size)
    small = e.fma(e.mul(size, square), polynomial(e, square, _SINH[x.type.kind]), size)
    h = half_exp(e, size)
    large = e.sub(h, e.div(constant(e, x, 0.25), h))
    near = e.compare("lt", size, constant(e, x, 1.0))
    return copy_sign(e, e.select(near, small, large), x)


def cosh(e: Emitter, x: Val) -> Val:
    """The hyperbolic cosine, within 2 ulp, up to where it overflows: h + 1 / (4 h)."""
    h = half_exp(e, e.abs(x))
    return e.add(h, e.div(constant(e, x, 0.25), h))


def asinh(e: Emitter, x: Val) -> Val:
    """The inverse of sinh, within 3 ulp; asinh -0 = -0.

    log(|x| + sqrt(x² + 1)) = log1p(|x| + x² / (1 + sqrt(x² + 1))), which does not cancel; the
    logarithm of 2 |x| where x² is so large that 1 is lost in it (Kahan 1987, Branch cuts).
    """
    size, one = e.abs(x), constant(e, x, 1.0)
    square = e.mul(size, size)
    root = e.sqrt(e.add(square, one))
    near = e.add(size, e.div(square, e.add(root, one)))
    return copy_sign(e, _log1p_or_log_twice(e, size, near), x)


def acosh(e: Emitter, x: Val) -> Val:
    """The inverse of cosh, within 3 ulp, also near its zero at 1; NaN below 1.

    With t = x - 1, which is exact near 1, it is log1p(t + sqrt(t (t + 2))).
    """
    t = e.sub(x, constant(e, x, 1.0))
    near = e.add(t, e.sqrt(e.mul(t, e.add(t, constant(e, x, 2.0)))))
    one = constant(e, x, 1.0)
    result = _log1p_or_log_twice(e, x, near)
    return e.select(e.compare("lt", x, one), constant(e, x, math.nan), result)


def _log1p_or_log_twice(e: Emitter, x: Val, near: Val) -> Val:
    """log(1 + near), or log x + log 2 for a huge x."""
    huge = e.compare("gt", x, constant(e, x, _HUGE[x.type.kind]))
    result = log1p(e, e.select(huge, x, near))
    return e.select(huge, e.add(result, constant(e, x, float(LN2))), result)


def atanh(e: Emitter, x: Val) -> Val:
    """The inverse of tanh, within 3 ulp; atanh -0 = -0, infinite at 1, NaN beyond.

    log1p(2 |x| / (1 - |x|)) / 2, whose argument does not cancel (Kahan 1987).
    """
    size, one = e.abs(x), constant(e, x, 1.0)
    ratio = e.div(e.add(size, size), e.sub(one, size))
    result = e.mul(log1p(e, ratio), constant(e, x, 0.5))
    outside = e.compare("gt", size, one)
    return copy_sign(e, e.select(outside, constant(e, x, math.nan), result), x)
