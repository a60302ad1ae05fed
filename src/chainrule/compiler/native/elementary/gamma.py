"""gammaln, gamma, betaln: the gamma function and its logarithm.

Below 8 the argument is brought to 1 + u, 0 <= u < 1, by the recurrence, with all factors in one
product; from 8 on it is Stirling's series (DLMF 5.5.1, 5.11.1). The polynomials are our own
minimax fits (Remez); those of u are in u - 1/2.
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
    rarely,
)
from chainrule.compiler.native.elementary.exponential import exp
from chainrule.compiler.native.elementary.logarithm import log, log1p
from chainrule.compiler.native.elementary.power import power
from chainrule.compiler.native.elementary.trigonometric import sine_of_half_turn
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# log Gamma(1 + u) / (u (u - 1)); error 3.8e-9 (f32), 7.4e-18 (f64).
_LOG_GAMMA: Final[Table] = {
    "f32": (
        0.48312895232770814, -0.14595990222914624, 0.06291104773767986, -0.031307991382750255,
        0.016808221194806038, -0.009436491610816004, 0.005325197430589999,
        -0.0031158897245244068, 0.002448340508805566, -0.001526437652249805,
    ),
    "f64": (
        0.4831289505409809, -0.14595989591430594, 0.06291140107456435, -0.03130848750105422,
        0.016797098631279716, -0.00942562244476248, 0.0054464578388405014,
        -0.0032120742227632545, 0.0019229163202397525, -0.0011644113397459995,
        0.0007115189559378999, -0.00043803554383412604, 0.00027131475572420276,
        -0.0001685694352536125, 0.00010534938814721849, -6.794597613252762e-05,
        4.304722905468691e-05, -2.1470378600134654e-05, 1.3149151771611484e-05,
        -1.8542417223065416e-05, 1.216955313519044e-05,
    ),
}
# Gamma(1 + u); error 5.9e-9 (f32), 3.8e-18 (f64).
_GAMMA: Final[Table] = {
    "f32": (
        0.886226923679096, 0.032338289481375564, 0.4148138869594665, -0.10728613565381716,
        0.14462788027329013, -0.07771573296845886, 0.05887092251767057, -0.03628205598295128,
        0.024082675667586494, -0.02370647648184961, 0.016825290538657812,
    ),
    "f64": (
        0.886226925452758, 0.032338397448884865, 0.4148134536883024, -0.10729480456472039,
        0.14464535904440506, -0.07752305230525164, 0.05861030383219511, -0.03800193529611008,
        0.02583760591591544, -0.017222449984991346, 0.011522526860668198,
        -0.007690100282265629, 0.005131488997053946, -0.003423950104339013,
        0.0022839580284049893, -0.0015142944073732445, 0.0010067399880195704,
        -0.0007099867530117326, 0.00048202088429918585, -0.00021196451404532847,
        0.00012666182946341625, -0.00026023693930624, 0.00018417001217540716,
    ),
}
# x times what Stirling's formula lacks of log Gamma(x), in x**-2, x >= 8; error 6.8e-11, 5.8e-19.
_STIRLING: Final[Table] = {
    "f32": (0.08333333326539198, -0.0027776989106110413, 0.0007800578226506356),
    "f64": (
        0.08333333333333333, -0.0027777777777741003, 0.0007936507898350558,
        -0.0005952366068650582, 0.0008414728273730922, -0.001890538285997677, 0.0050692073556176,
    ),
}
# fmt: on

_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2 * math.pi)
_LARGE: Final = 8
_LOG_PI: Final = math.log(math.pi)


def gammaln(e: Emitter, x: Val) -> Val:
    """log |Gamma(x)|: within 2 ulp in f32 and 8 ulp in f64 for x > 0, zeros at 1 and 2 included.

    Below 0 by reflection (DLMF 5.5.3), with that error of log pi near the zeros. It is inf at the
    poles, and -inf at -inf as in SciPy.
    """
    return in_double(e, _gammaln, x)


def _gammaln(e: Emitter, kind: Kind, x: Val) -> Val:
    zero = constant(e, x, 0.0)
    negative, size = e.compare("lt", x, zero), e.abs(x)
    result = _log_gamma(e, kind, size, negative)

    def reflected() -> list[Val]:
        """log(pi / |sin(pi x)|) - log Gamma(1 - x)."""
        f = e.abs(fraction_of(e, size))
        at_pole, infinity = e.compare("eq", f, zero), constant(e, x, math.inf)
        tiny = e.compare("lt", f, constant(e, x, 2.0**-900))  # pi f may be subnormal
        sine = e.select(tiny, f, sine_of_half_turn(e, f))
        log_pi = e.select(tiny, zero, constant(e, x, _LOG_PI))
        value = e.sub(log_pi, e.add(log(e, sine), result))
        pole = e.select(e.compare("lt", size, infinity), infinity, x)
        return [e.select(at_pole, pole, value)]

    return rarely(e, negative, [result], reflected)[0]


def fraction_of(e: Emitter, x: Val) -> Val:
    """x less the nearest integer; 0 of an infinity."""
    f = e.sub(x, e.intrinsic("rint", x))
    infinite = e.compare("eq", x, constant(e, x, math.inf))
    return e.select(infinite, constant(e, x, 0.0), f)


def remainder_of_one(e: Emitter, a: Val) -> tuple[Val, Val]:
    """(u, u - 1/2) for a >= 0: u = a less its floor, taken as 0 from 8 on."""
    large = e.compare("ge", a, constant(e, a, float(_LARGE)))
    inside = e.select(large, constant(e, a, 0.0), a)
    u = e.sub(inside, e.intrinsic("floor", inside))
    return u, e.sub(u, constant(e, a, 0.5))


def _factors(e: Emitter, a: Val) -> Val:
    """(a - 1) (a - 2) ... down to 1 + u, for a < 8; 1 if there is none."""
    one = constant(e, a, 1.0)
    result = one
    for k in range(1, _LARGE - 1):
        there = e.compare("ge", a, constant(e, a, k + 1.0))
        result = e.mul(result, e.select(there, e.sub(a, constant(e, a, float(k))), one))
    return result


def _log_gamma(e: Emitter, kind: Kind, a: Val, above: Val) -> Val:
    """log Gamma(a) for a >= 0, or where ``above`` holds log Gamma(1 + a), with one logarithm."""
    one, half = constant(e, a, 1.0), constant(e, a, 0.5)
    large = e.compare("ge", a, constant(e, a, float(_LARGE)))
    tiny = e.compare("lt", a, one)
    u, centred = remainder_of_one(e, a)
    base = e.mul(e.mul(u, e.sub(u, one)), polynomial(e, centred, _LOG_GAMMA[kind]))
    shifted = e.select(above, e.mul(a, _factors(e, a)), _factors(e, a))
    shifted = e.select(tiny, e.select(above, one, a), shifted)
    logarithm = log(e, e.select(large, a, shifted))
    small = e.add(base, e.select(e.xor(tiny, e.and_(tiny, above)), e.neg(logarithm), logarithm))
    side = e.select(above, half, e.neg(half))
    line = e.fma(e.add(a, side), e.sub(logarithm, one), constant(e, a, _HALF_LOG_TWO_PI))
    result = e.add(line, e.add(side, stirling(e, kind, a)))
    infinite = e.compare("eq", a, constant(e, a, math.inf))
    return e.select(infinite, a, e.select(large, result, small))


def stirling(e: Emitter, kind: Kind, a: Val) -> Val:
    """log Gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2) for a >= 8."""
    inverse = e.div(constant(e, a, 1.0), a)
    return e.mul(polynomial(e, e.mul(inverse, inverse), _STIRLING[kind]), inverse)


def gamma(e: Emitter, x: Val) -> Val:
    """Gamma(x): within 1 ulp in f32, 8 ulp in f64; infinite at 0, NaN at the other poles.

    From 8 on the power of Stirling's formula is the square of one that does not overflow, with
    an exponent that is exact, x / 2 - 1/4.
    """
    return in_double(e, _gamma, x)


def _gamma(e: Emitter, kind: Kind, x: Val) -> Val:
    zero, one = constant(e, x, 0.0), constant(e, x, 1.0)
    a = at_most(e, e.abs(x), 190.0)
    large = e.compare("ge", a, constant(e, x, float(_LARGE)))
    _, centred = remainder_of_one(e, a)
    base = polynomial(e, centred, _GAMMA[kind])
    tiny = e.compare("lt", a, one)
    small = e.mul(base, _factors(e, a))
    small = e.select(tiny, e.div(base, a), small)
    root, rest = _stirling_parts(e, kind, a)
    positive = e.select(large, e.mul(e.mul(root, rest), root), small)
    over = e.compare("gt", a, constant(e, x, 172.0))
    positive = e.select(over, constant(e, x, math.inf), positive)

    def reflected() -> list[Val]:
        """-pi / (a sin(pi a) Gamma(a)), the large factors of Gamma one after the other."""
        f = fraction_of(e, e.abs(x))
        whole = e.intrinsic("rint", a)
        half = e.mul(whole, constant(e, x, 0.5))
        uneven = e.compare("ne", e.intrinsic("rint", half), half)
        sine = sine_of_half_turn(e, f)
        sine = e.select(uneven, sine, e.neg(sine))
        outer = e.div(constant(e, x, math.pi), e.mul(a, sine))
        by_parts = e.div(e.div(e.div(outer, root), rest), root)
        value = e.select(large, by_parts, e.div(outer, positive))
        value = e.select(tiny, e.div(e.div(constant(e, x, math.pi), sine), base), value)
        at_pole = e.compare("eq", f, zero)
        return [e.select(at_pole, constant(e, x, math.nan), value)]

    positive = e.select(e.compare("eq", a, zero), e.div(one, x), positive)
    return rarely(e, e.compare("lt", x, zero), [positive], reflected)[0]


def _stirling_parts(e: Emitter, kind: Kind, a: Val) -> tuple[Val, Val]:
    """(p, q): Gamma(a) = p q p for 8 <= a; p = a**(a / 2 - 1/4)."""
    a = e.select(e.compare("gt", a, constant(e, a, 8.0)), a, constant(e, a, 8.0))
    root = power(e, a, e.fma(a, constant(e, a, 0.5), constant(e, a, -0.25)))
    lack = stirling(e, kind, a)
    series = [1 / math.factorial(k) for k in range(4 if kind == "f32" else 8)]
    rest = e.mul(exp(e, e.neg(a)), polynomial(e, lack, series))
    return root, e.mul(rest, constant(e, a, math.sqrt(2 * math.pi)))


def betaln(e: Emitter, a: Val, b: Val) -> Val:
    """log |B(a, b)|, within 8 ulp of the largest of its terms; the large ones do not cancel.

    Didonato & Morris, ACM TOMS 18, 1992, algorithm 708, section 2.
    For 0 < p <= q and s = p + q: the sum of three log Gamma for q < 8; else with what Stirling's
    formulas of q and s do not share, and for p >= 8 of p too.
    """
    a, b = e.match(a, b)
    return in_double(e, _betaln, a, b)


def _betaln(e: Emitter, kind: Kind, a: Val, b: Val) -> Val:
    p, q = e.smaller(a, b), e.larger(a, b)
    s, half, one = e.add(p, q), constant(e, p, 0.5), constant(e, p, 1.0)
    large = constant(e, p, float(_LARGE))
    log_p = _gammaln(e, kind, p)
    plain = e.add(log_p, e.sub(_gammaln(e, kind, q), _gammaln(e, kind, s)))
    small = e.or_(e.compare("lt", q, large), e.compare("le", p, constant(e, p, 0.0)))
    part = e.div(p, s)
    share = log1p(e, e.neg(part))
    lack = e.sub(stirling(e, kind, q), stirling(e, kind, s))
    beside = e.add(log_p, e.fma(e.neg(p), e.sub(log(e, s), one), lack))
    beside = e.fma(e.sub(q, half), share, beside)
    both = e.fma(e.sub(p, half), log(e, part), e.mul(q, share))
    both = e.fma(log(e, q), e.neg(half), e.add(both, constant(e, p, _HALF_LOG_TWO_PI)))
    both = e.add(both, e.add(lack, stirling(e, kind, p)))
    result = e.select(small, plain, e.select(e.compare("ge", p, large), both, beside))
    at_pole = e.and_(e.compare("eq", p, constant(e, p, 0.0)), e.compare("eq", q, q))
    return e.select(at_pole, constant(e, p, math.inf), result)
