"""erf and gelu: the functions of the normal distribution.

All coefficients are our own minimax fits (a linear program in f32 with each coefficient rounded
in turn, Remez in f64).
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    Table,
    at_most,
    constant,
    copy_sign,
    nearest,
    polynomial,
    twice,
)
from chainrule.compiler.native.elementary.exponential import exp_minus
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# (erf x - x) / x in x**2, |x| <= 0.9 (f32), 1 (f64); error 1.4e-8, 3.2e-17 of erf x.
ERF_SMALL: Final[Table] = {
    "f32": (
        0.12837915, -0.37612516, 0.11282083, -0.026777152, 0.0050096847, -0.0006079741,
    ),
    "f64": (
        0.12837916709551256, -0.3761263890318352, 0.11283791670944184,
        -0.026866170643111312, 0.00522397760611729, -0.0008548325929261211,
        0.00012055293575395945, -1.492471227462154e-05, 1.6447131250034472e-06,
        -1.620631141202946e-07, 1.3710970686911061e-08, -7.779451093673514e-10,
    ),
}
# log2 erfc x, x from there to 3.93 (f32), 5.95 (f64); error 2.5e-9, 2.7e-17 of erf x.
_TAIL: Final[Table] = {
    "f32": (
        -0.00024014965, -1.6270674, -0.91896224, -0.15020438, 0.032194156,
        -0.0044226204, 0.00028597974,
    ),
    "f64": (
        -2.5918708278383607e-07, -1.6279043766795815, -0.918460766201545,
        -0.14823294425814937, 0.027523945667842758, 0.0004046820852088616,
        -0.002552154290073205, 0.0009250396506640277, -6.468130851394493e-05,
        -0.00010150851079783447, 6.497111114579908e-05, -2.382311708722854e-05,
        6.242193512271231e-06, -1.2270312434060058e-06, 1.813396183488904e-07,
        -1.965748058141403e-08, 1.4796341236137171e-09, -6.918510546481103e-11,
        1.514115003492878e-12,
    ),
}
# (2**r - 1) / r, |r| <= 1/2; error 9.4e-8, 2.8e-17 of 2**r.
EXP2: Final[Table] = {
    "f32": (
        0.693147, 0.24022245, 0.05550711, 0.009671392, 0.0013269702,
    ),
    "f64": (
        0.6931471805599453, 0.2402265069591013, 0.05550410866482008,
        0.009618129107594069, 0.0013333558146775043, 0.00015403530457184158,
        1.5252733492883421e-05, 1.3215435243325226e-06, 1.0178199610190908e-07,
        7.073790417090329e-09, 4.4347745521254534e-10,
    ),
}
# The same to 2.0e-9 of 2**r, in f64.
_EXP2_HALF: Final = (
    0.6931472028805135, 0.2402264791130401, 0.05550332410596738,
    0.009618437475595957, 0.0013398899806609222, 0.0001535337681736119,
)
# log2 of g, Phi(-y) = g exp(-y**2 / 2), in y - 7.2 for 0 <= y <= 14.4; error 2.2e-8.
_LOG2_G: Final = (
    -4.20034534855867, -0.19329909765214282, 0.012521266390037996,
    -0.0010472227488454737, 9.545338419831605e-05, -9.001314411801184e-06,
    8.645769154078885e-07, -8.144168444026556e-08, 6.74812796730322e-09,
    -6.535306529524804e-10, 1.0777193346816046e-10, -7.434890244042137e-12,
    -1.1432971487261953e-12, 5.729998903297006e-14, 3.006074336443947e-14,
    -1.844739620094824e-15, -2.5259162497752287e-16, 2.0122812267275248e-17,
)
# (y + 5) g in t = (y - 5) / (y + 5) for 0 <= y <= 38.8; error 2.6e-17.
_G: Final = (
    0.769193049750063, -0.6653825028900566, 0.49530561596997547,
    -0.3135331566713119, 0.16502036617043445, -0.0691186387060744,
    0.02079506679886569, -0.002993376774070303, -0.0007978693881239758,
    0.0005448990950891715, -5.937578678979582e-05, -4.9762972810457266e-05,
    1.668140881064309e-05, 3.981431240834403e-06, -2.769635209234553e-06,
    -3.377458070564689e-07, 4.3346744309091535e-07, 4.3770889589919176e-08,
    -6.590924384038299e-08, -1.0429286075667894e-08, 7.37296000930177e-09,
    2.111382682356129e-09,
)
# fmt: on

_SPLIT: Final[dict[Kind, float]] = {"f32": 0.9, "f64": 1.0}
_ERF_ONE: Final[dict[Kind, float]] = {"f32": 3.93, "f64": 5.95}  # from here on erf rounds to 1
_LOG2_E: Final = 1 / math.log(2)


def erf(e: Emitter, x: Val) -> Val:
    """The error function, within 2 ulp: x + x P(x**2) near 0, 1 - 2**Q(|x|) beyond.

    Q approximates log2 erfc, a nearly quadratic function; its rounding and that of the power
    of two are weighed with erfc / erf, at most 0.26. No division.
    """
    kind = x.type.kind
    square = e.mul(x, x)
    small = e.fma(x, polynomial(e, square, ERF_SMALL[kind]), x)
    size = e.abs(x)
    exponent = polynomial(e, at_most(e, size, _ERF_ONE[kind]), _TAIL[kind])
    k, scale = nearest(e, exponent, 1.0)
    one, r = constant(e, x, 1.0), e.sub(exponent, k)
    power = e.fma(r, polynomial(e, r, EXP2[kind]), one)
    large = e.fma(e.neg(power), scale, one)
    near = e.compare("lt", size, constant(e, x, _SPLIT[kind]))
    return e.select(near, small, copy_sign(e, large, x))


def gelu(e: Emitter, x: Val) -> Val:
    """x Phi(x), Phi the normal distribution function: within 1 ulp in f32, 5 in f64.

    On either side it is max(x, 0) - w(|x|), w(y) = y Phi(-y), and w is computed with relative
    accuracy, down to the last subnormal: x (1 + erf(x / sqrt 2)) / 2 would cancel for x < 0.
    At -inf it is the limit, -0. Hendrycks & Gimpel 2016, Gaussian Error Linear Units.
    """
    zero = constant(e, x, 0.0)
    right = e.select(e.compare("gt", x, zero), x, zero)
    tail = _tail_f32(e, e.abs(x)) if x.type.kind == "f32" else _tail_f64(e, e.abs(x))
    return copy_sign(e, e.sub(right, tail), x)


def _tail_f32(e: Emitter, size: Val) -> Val:
    """w(y) for an f32, in double precision: y 2**(log2 g(y) - y**2 log2(e) / 2).

    In single precision the rounding of y**2 and of g would cost more than 2 ulp.
    """
    y = e.convert(at_most(e, size, 14.4), "f64")
    log2_g = polynomial(e, e.sub(y, constant(e, y, 7.2)), _LOG2_G)
    exponent = e.fma(e.mul(y, y), constant(e, y, -_LOG2_E / 2), log2_g)
    k, scale = nearest(e, exponent, 1.0)
    r = e.sub(exponent, k)
    power = e.fma(r, polynomial(e, r, _EXP2_HALF), constant(e, y, 1.0))
    return e.convert(e.mul(e.mul(y, power), scale), "f32")


def _tail_f64(e: Emitter, size: Val) -> Val:
    """w(y) for an f64: y g(y) exp(-y**2 / 2), the square as a sum of two doubles.

    (y + 5) g(y) is a polynomial in t = (y - 5) / (y + 5) (Shepherd & Laframboise, Math. Comp.
    36, 1981). With u = y / (y + 5) the rest is u, and t = 2 u - 1: what u is off by, the
    polynomial partly takes back.
    """
    y = at_most(e, size, 38.8)
    half, one = constant(e, y, 0.5), constant(e, y, 1.0)
    square = e.mul(y, y)
    rest = e.fma(y, y, e.neg(square))
    density = exp_minus(e, e.mul(square, half), e.mul(rest, half))
    u = e.div(y, e.add(y, constant(e, y, 5.0)))
    t = e.sub(twice(e, u), one)
    return e.mul(e.mul(u, polynomial(e, t, _G, ordered=2)), density)
