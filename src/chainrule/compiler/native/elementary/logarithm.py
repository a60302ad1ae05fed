"""log, log1p, logit, softplus, logaddexp: polynomials in the distance from 1, no division.

The polynomials are our own minimax fits (a linear program in f32 with each coefficient rounded
in turn, Remez in f64) of (log(1 + f) - f) / f**2 for least error relative to log(1 + f).
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.native.elementary.common import (
    LN2,
    Table,
    constant,
    copy_sign,
    from_bits,
    layout,
    parts,
    polynomial,
    to_bits,
)
from chainrule.compiler.native.elementary.exponential import exp_minus
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# sqrt(1/2) <= 1 + f <= sqrt(2); error 4.2e-9 (f32), 2.8e-17 (f64) of log(1 + f).
_LOG1P: Final[Table] = {
    "f32": (
        -0.49999988, 0.33333325, -0.2500161, 0.20002005, -0.16608411, 0.14180854,
        -0.13248068, 0.12912941, -0.076190524,
    ),
    "f64": (
        -0.5000000000000003, 0.33333333333333026, -0.24999999999974928,
        0.20000000000085125, -0.1666666667135451, 0.1428571427962948,
        -0.1249999960457526, 0.11111111098472327, -0.10000017935876127,
        0.09090927458962657, -0.08332864156307289, 0.07691432903443246,
        -0.07149936454915072, 0.06685936299191085, -0.061943751215330405,
        0.05658968072748494, -0.05678056852120294, 0.06529502449128381,
        -0.060062325376640045, 0.026175383225766822,
    ),
}
# 0 <= f <= 1, in f - 1/2; error 7.5e-9 (f32), 1.3e-17 (f64) of log(1 + f).
_UNIT: Final[Table] = {
    "f32": (
        -0.37813956, 0.17922491, -0.093232095, 0.05108803, -0.028900288, 0.016668655,
        -0.010214747, 0.006894176, -0.003221443,
    ),
    "f64": (
        -0.37813956756734246, 0.17922493693603653, -0.09323036636366755,
        0.05108344610558802, -0.028943183164821334, 0.016788742475652804,
        -0.00990990073400968, 0.005929012144249643, -0.00358566599116927,
        0.002187635912074886, -0.0013445069944299725, 0.0008314787315274859,
        -0.0005168190745156203, 0.0003225198061977544, -0.00020293420574715626,
        0.00012934012011986222, -7.906454582688209e-05, 4.4051994335326596e-05,
        -3.33432709570617e-05, 3.3459197764356655e-05, -1.6599988830355635e-05,
    ),
}
# fmt: on

_ROOT_HALF: Final[dict[Kind, int]] = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
_LIFT: Final = 64  # subnormals are multiplied by 2**64 before their exponent is read


def log(e: Emitter, x: Val) -> Val:
    """The natural logarithm, within 2 ulp; log 0 = -inf, NaN below 0, right for subnormals.

    x = 2**k m with sqrt(1/2) <= m < sqrt(2), so that log x = k ln 2 + log(1 + f), f = m - 1
    exact, and k = 0 on both sides of 1, where nothing cancels (Muller, Elementary
    Functions, 3rd ed. 2016). Polynomial ``_LOG1P``.
    """
    return at_the_ends(e, x, assemble(e, *near_one(e, x)), zero_at=0.0)


def log1p(e: Emitter, x: Val) -> Val:
    """log(1 + x), within 2 ulp, also near 0, where it is x.

    k is read from the rounded 1 + x, but f = x 2**-k + (2**-k - 1) from x itself, with one
    rounding: so what the sum lost is not missed (Kahan's correction without his division;
    Goldberg, ACM Computing Surveys 23, 1991, theorem 4). Polynomial ``_LOG1P``.
    """
    result = assemble(e, *_near_one_plus(e, x))
    return at_the_ends(e, x, copy_sign(e, result, x), zero_at=-1.0)


def _near_one_plus(e: Emitter, x: Val) -> tuple[Val, Val]:
    """As ``near_one``, of 1 + x."""
    form, one = layout(x), constant(e, x, 1.0)
    exponent = exponent_of(e, e.add(x, one))
    # Four times 2**-k: at the top of the range 2**-k itself is subnormal.
    four = e.constant(form.one + (2 << form.fraction), exponent.type)
    shrink = e.mul(from_bits(e, e.sub(four, exponent), x.type), constant(e, x, 0.25))
    return e.convert(exponent, x.type.kind), e.fma(x, shrink, e.sub(shrink, one))


def softplus(e: Emitter, x: Val) -> Val:
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|), within 2 ulp.

    No overflow; on the far left it goes over into e**x down to the last subnormal.
    """
    zero = constant(e, x, 0.0)
    top = e.select(e.compare("gt", x, zero), x, zero)
    return e.add(top, _log1p_exp_minus(e, e.abs(x)))


def logaddexp(e: Emitter, x: Val, y: Val) -> Val:
    """log(e**x + e**y) = max + log(1 + e**-|x - y|): no overflow, equal infinities included.

    The sum is within 2 ulp of the true one for a difference x - y rounded once; where the
    result is near 0, max and logarithm cancel and that is an absolute error, as in NumPy.
    """
    top = e.select(e.compare("gt", x, y), x, y)
    same = e.compare("eq", x, y)  # inf - inf is a NaN
    apart = e.select(same, constant(e, x, 0.0), e.sub(x, y))
    return e.add(top, _log1p_exp_minus(e, e.abs(apart)))


def logit(e: Emitter, p: Val) -> Val:
    """log(p / (1 - p)), within 4 ulp (2 in f64), at its ends and its zero too.

    NaN outside [0, 1].
    With w the smaller of p and 1 - p, which is exact, it is the logarithm of w / (1 - w) below
    1/4 and log1p((2 w - 1) / (1 - w)) between, 2 w - 1 exact too: one polynomial for both.
    """
    one, half = constant(e, p, 1.0), constant(e, p, 0.5)
    upper = e.compare("gt", p, half)
    w = e.select(upper, e.sub(one, p), p)
    rest = e.sub(one, w)
    middle = e.compare("gt", w, constant(e, p, 0.25))
    near = _near_one_plus(e, e.div(e.sub(e.add(w, w), one), rest))
    ratio = e.div(w, rest)
    far = near_one(e, ratio)
    k, f = (e.select(middle, a, b) for a, b in zip(near, far, strict=True))
    result = at_the_ends(e, e.select(middle, one, ratio), assemble(e, k, f), zero_at=0.0)
    result = e.select(e.compare("eq", w, half), constant(e, p, 0.0), result)
    return e.select(upper, e.neg(result), result)


def _log1p_exp_minus(e: Emitter, size: Val) -> Val:
    """log(1 + f) = f + f**2 P(f - 1/2), f = e**-size, size >= 0; polynomial ``_UNIT``.

    In the middle of its interval the polynomial's terms are small; in f they would cancel.
    """
    f = exp_minus(e, size)
    p = polynomial(e, e.sub(f, constant(e, f, 0.5)), _UNIT[size.type.kind])
    return e.fma(e.mul(f, f), p, f)


def near_one(e: Emitter, x: Val) -> tuple[Val, Val]:
    """(k 2**fraction, f): a finite x > 0 is 2**k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2)."""
    tiny = e.compare("lt", x, constant(e, x, layout(x).smallest_normal))
    lifted = e.select(tiny, e.mul(x, constant(e, x, 2.0**_LIFT)), x)
    exponent = exponent_of(e, lifted)
    k = e.convert(exponent, x.type.kind)
    k = e.select(tiny, e.sub(k, constant(e, x, math.ldexp(_LIFT, layout(x).fraction))), k)
    m = from_bits(e, e.sub(to_bits(e, lifted), exponent), x.type)
    return k, e.sub(m, constant(e, x, 1.0))


def exponent_of(e: Emitter, x: Val) -> Val:
    """The k of x = 2**k m, sqrt(1/2) <= m < sqrt(2), as an integer in the exponent's place."""
    form, bits = layout(x), to_bits(e, x)
    above = e.sub(bits, e.constant(_ROOT_HALF[x.type.kind], bits.type))
    return e.and_(above, e.constant(-1 << form.fraction, bits.type))


def assemble(e: Emitter, k: Val, f: Val) -> Val:
    """k ln 2 + log(1 + f), where k comes as k 2**fraction, as ``exponent_of`` leaves it."""
    kind, unit = f.type.kind, 2 ** layout(f).fraction
    result = e.fma(e.mul(f, f), polynomial(e, f, _LOG1P[kind]), f)
    for part in reversed(parts(LN2 / unit, kind, 2 if kind == "f64" else 1)):
        result = e.fma(k, constant(e, f, part), result)
    return result


def at_the_ends(e: Emitter, x: Val, inside: Val, zero_at: float) -> Val:
    """-inf at the zero of the logarithm's argument, NaN below it; inf at inf; NaN of NaN."""
    zero, infinity = constant(e, x, zero_at), constant(e, x, math.inf)
    outside = e.select(
        e.compare("eq", x, zero), constant(e, x, -math.inf), constant(e, x, math.nan)
    )
    inside = e.select(e.compare("gt", x, zero), inside, outside)
    return e.select(e.compare("eq", x, infinity), infinity, inside)
