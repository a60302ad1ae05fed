"""The tails of the normal distribution: erfc, erfcx, ndtr, log_ndtr and the hazard rate.

All come from one function, m(y) = phi(y) / Phi(-y) for y >= 0 (phi the density, Phi the
distribution function of the normal distribution), the inverse of Mills' ratio. It is y + E(y),
where (y + 3) E(y) is a polynomial in (y - 3) / (y + 3) (Shepherd & Laframboise, Math. Comp. 36,
1981), our own minimax fit over all y >= 0. So nothing cancels, however far in the tail.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    Table,
    at_most,
    constant,
    in_double,
    polynomial,
)
from chainrule.compiler.native.elementary.exponential import exp, exp_minus
from chainrule.compiler.native.elementary.logarithm import log1p
from chainrule.compiler.native.elementary.normal import ERF_SMALL
from chainrule.compiler.native.elementary.pairs import product
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# (y + 3) E(y) in (y - 3) / (y + 3); error 4.9e-9 (f32), 3.3e-18 (f64) of it.
_EXCESS: Final[Table] = {
    "f32": (
        1.6985919218716667, -0.8415387484091179, 0.01716395454854397, 0.1856976747445079,
        -0.02544867517499419, -0.05461653169831474, 0.007791359344739446,
        0.018319682714024715, -0.0012394800114105928, -0.006082380283678597,
        -0.0001073986178775677, 0.0016379116436390992, 7.516739725662265e-05,
        -0.000244453263764756,
    ),
    "f64": (
        1.698591929582619, -0.8415387946870332, 0.01716314677430598, 0.18569957991791478,
        -0.02543475064134344, -0.05463860594439201, 0.0076997623117841954,
        0.01843122499827529, -0.0009428858422320719, -0.006371543768327656,
        -0.0006340018629709016, 0.002043526202923706, 0.0006121215514110129,
        -0.0005421554434051103, -0.0003228614142112217, 9.186930264015126e-05,
        0.0001221957125440918, 5.390702182144374e-06, -3.2749125938055334e-05,
        -1.04748992162098e-05, 4.906840853201674e-06, 3.669043911124401e-06,
        3.2392813640176036e-07, -4.573677545041051e-07, -3.747758897542457e-07,
        -1.2078942369718515e-07, 8.55542570642129e-08, 5.94355017483298e-08,
        -7.389027502630594e-09, -7.908094632540937e-09,
    ),
}
# fmt: on

_ROOT_TWO: Final = math.sqrt(2)
_ROOT_TWO_PI: Final = math.sqrt(2 * math.pi)
_ROOT_TWO_OVER_PI: Final = math.sqrt(2 / math.pi)
#: Up to here the series of erf gives Phi(-y) without cancellation.
_NEAR: Final = 0.7
#: From here on Phi(-y) is 0, and erfc x from sqrt(1/2) of it.
_LOWEST: Final = 38.8


def ndtr(e: Emitter, x: Val) -> Val:
    """Phi(x), the normal distribution function, within 3 ulp down to the last subnormal."""
    return in_double(e, _ndtr, x)


def erfc(e: Emitter, x: Val) -> Val:
    """1 - erf x, within 3 ulp down to the last subnormal, also where erf x rounds to 1."""
    return in_double(e, _erfc, x)


def erfcx(e: Emitter, x: Val) -> Val:
    """exp(x²) erfc x, within 4 ulp; it falls like 1 / x on the right."""
    return in_double(e, _erfcx, x)


def log_ndtr(e: Emitter, x: Val) -> Val:
    """log Phi(x), within 4 ulp: -x² / 2 - log(sqrt(2 pi) m) on the left, log1p on the right."""
    return in_double(e, _log_ndtr, x)


def normal_hazard(e: Emitter, x: Val) -> Val:
    """phi(x) / Phi(x), the derivative of log_ndtr, within 4 ulp; about -x far on the left."""
    return in_double(e, _hazard, x)


def normal_hazard_excess(e: Emitter, x: Val) -> Val:
    """x + phi(x) / Phi(x), within 4 ulp; about -1 / x far on the left, where a sum cancels."""
    return in_double(e, _hazard_excess, x)


def _excess(e: Emitter, kind: Kind, y: Val) -> Val:
    """E(y) = m(y) - y for y >= 0; 0 at infinity."""
    inverse = e.div(constant(e, y, 1.0), e.add(y, constant(e, y, 3.0)))
    t = e.fma(inverse, constant(e, y, -6.0), constant(e, y, 1.0))
    return e.mul(polynomial(e, t, _EXCESS[kind], ordered=1), inverse)


def _upper(e: Emitter, kind: Kind, y: Val) -> Val:
    """Phi(-y) for y >= 0: exp(-y² / 2) / (m sqrt(2 pi)), near 0 from the odd series of erf."""
    y = at_most(e, y, _LOWEST)
    half = constant(e, y, 0.5)
    tail = e.mul(_bell(e, y), e.div(constant(e, y, 1 / _ROOT_TWO_PI), _hazard_of_tail(e, kind, y)))
    x = e.mul(y, constant(e, y, math.sqrt(0.5)))
    near = e.fma(_erf_near(e, kind, x), e.neg(half), half)
    return e.select(e.compare("lt", y, constant(e, y, _NEAR)), near, tail)


def _hazard_of_tail(e: Emitter, kind: Kind, y: Val) -> Val:
    """m(y) for y >= 0."""
    return e.add(y, _excess(e, kind, y))


def _bell(e: Emitter, y: Val) -> Val:
    """exp(-y² / 2), the square as a sum of two doubles."""
    square, rest = product(e, y, y)
    half = constant(e, y, 0.5)
    return exp_minus(e, e.mul(square, half), e.mul(rest, half))


def _erf_near(e: Emitter, kind: Kind, x: Val) -> Val:
    """erf x for |x| <= 0.9."""
    return e.fma(x, polynomial(e, e.mul(x, x), ERF_SMALL[kind]), x)


def _ndtr(e: Emitter, kind: Kind, x: Val) -> Val:
    tail = _upper(e, kind, e.abs(x))
    right = e.sub(constant(e, x, 1.0), tail)
    return e.select(e.compare("gt", x, constant(e, x, 0.0)), right, tail)


def _erfc(e: Emitter, kind: Kind, x: Val) -> Val:
    """The square is that of x itself: exp would magnify the rounding of sqrt(2) x."""
    one, size = constant(e, x, 1.0), at_most(e, e.abs(x), _LOWEST / _ROOT_TWO)
    square, rest = product(e, size, size)
    m = _hazard_of_tail(e, kind, e.mul(size, constant(e, x, _ROOT_TWO)))
    tail = e.mul(exp_minus(e, square, rest), e.div(constant(e, x, _ROOT_TWO_OVER_PI), m))
    left = e.sub(constant(e, x, 2.0), tail)
    far = e.select(e.compare("lt", x, constant(e, x, 0.0)), left, tail)
    near = e.sub(one, _erf_near(e, kind, x))
    return e.select(e.compare("lt", size, constant(e, x, _NEAR / _ROOT_TWO)), near, far)


def _erfcx(e: Emitter, kind: Kind, x: Val) -> Val:
    size = e.abs(x)
    excess = _excess(e, kind, e.mul(size, constant(e, x, _ROOT_TWO)))
    m = e.fma(excess, constant(e, x, 1 / _ROOT_TWO), size)
    right = e.div(constant(e, x, 1 / math.sqrt(math.pi)), m)
    bounded = at_most(e, size, 27.0)
    square, rest = product(e, bounded, bounded)
    left = e.fma(exp(e, square, rest), constant(e, x, 2.0), e.neg(right))
    return e.select(e.compare("lt", x, constant(e, x, 0.0)), left, right)


def _log_ndtr(e: Emitter, kind: Kind, x: Val) -> Val:
    """On the far left log1p(sqrt(2 pi) m - 1): the product is at least 2, nothing cancels."""
    one, zero, y = constant(e, x, 1.0), constant(e, x, 0.0), e.abs(x)
    left = e.compare("lt", x, zero)
    far = e.compare("lt", x, constant(e, x, -_NEAR))
    square, rest = product(e, e.mul(y, constant(e, x, 0.5)), y)
    finite = e.compare("lt", square, constant(e, x, math.inf))
    rest = e.select(finite, rest, zero)
    scaled = e.fma(_hazard_of_tail(e, kind, y), constant(e, x, _ROOT_TWO_PI), e.neg(one))
    tail = _upper(e, kind, y)
    near = e.select(left, e.sub(tail, one), e.neg(tail))
    logarithm = log1p(e, e.select(far, scaled, near))
    return e.select(far, e.sub(e.neg(square), e.add(logarithm, rest)), logarithm)


def _hazard(e: Emitter, kind: Kind, x: Val) -> Val:
    zero = constant(e, x, 0.0)
    y = e.abs(x)
    left = _hazard_of_tail(e, kind, y)
    return e.select(e.compare("lt", x, zero), left, _right_hazard(e, kind, y))


def _hazard_excess(e: Emitter, kind: Kind, x: Val) -> Val:
    zero = constant(e, x, 0.0)
    y = e.abs(x)
    right = e.add(_right_hazard(e, kind, y), y)
    return e.select(e.compare("lt", x, zero), _excess(e, kind, y), right)


def _right_hazard(e: Emitter, kind: Kind, y: Val) -> Val:
    """phi(y) / Phi(y) for y >= 0."""
    near, one = at_most(e, y, _LOWEST), constant(e, y, 1.0)
    density = e.mul(_bell(e, near), constant(e, y, 1 / _ROOT_TWO_PI))
    return e.div(density, e.sub(one, _upper(e, kind, near)))
