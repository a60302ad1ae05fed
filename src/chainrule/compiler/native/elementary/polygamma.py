"""digamma and polygamma: the derivatives of log Gamma."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Final

from chainrule.compiler.native.elementary.common import (
    Table,
    constant,
    in_double,
    polynomial,
    rarely,
)
from chainrule.compiler.native.elementary.gamma import fraction_of, remainder_of_one
from chainrule.compiler.native.elementary.logarithm import log
from chainrule.compiler.native.elementary.trigonometric import sine_of_half_turn
from chainrule.compiler.native.emit import Emitter, Kind, Val

# fmt: off
# psi(1 + u) / (u - u0), 0 <= u <= 1, in u - 1/2, psi(1 + u0) = 0; error 6.5e-10, 2.5e-18.
_PSI: Final[Table] = {
    "f32": (
        0.9510558754192578, -0.42362741945174287, 0.24054265844381106, -0.1484051546783551,
        0.09498070989147214, -0.06191418332861043, 0.040894762824816126,
        -0.02708902480193571, 0.01690973059483278, -0.011147190434347953,
        0.011231948800646162, -0.007622960421866255,
    ),
    "f64": (
        0.9510558760318328, -0.4236274212814606, 0.24054248424078722, -0.14840492305388017,
        0.0949887244528518, -0.0619221332755521, 0.040760833943286084,
        -0.026975796657247798, 0.017907248238460523, -0.011908220161481556,
        0.007927023280233205, -0.005279936526195671, 0.003518089193030967,
        -0.002345500741949348, 0.0015635001284586753, -0.001036427302942144,
        0.0006902963248710082, -0.00048604966070130764, 0.0003258423213443885,
        -0.00014462959099610507, 9.335424508884955e-05, -0.00017835384246884018,
        0.00012113383777010815,
    ),
}
# (log x - 1 / (2 x) - psi(x)) x**2 in x**-2, x >= 8; error 4.7e-10, 8.3e-18.
_SERIES: Final[Table] = {
    "f32": (0.08333333286343995, -0.008332786763697008, 0.0038737923902892025),
    "f64": (
        0.08333333333333333, -0.008333333333280445, 0.003968253913286293,
        -0.004166645183467648, 0.007571733813768749, -0.0207004898033967, 0.0636747095875345,
    ),
}
# fmt: on
#: The zero of psi less 1, in two parts.
_ZERO: Final = (0.46163214496836236, -1.5522348162858677e-17)
_LARGE: Final = 8
#: The largest order whose factorial is a double.
HIGHEST_ORDER: Final = 169


def digamma(e: Emitter, x: Val) -> Val:
    """psi(x): within 1 ulp in f32 and 8 ulp in f64 for x > 0, the zero at 1.46 included.

    Below 8 by the recurrence from psi(1 + u), all its quotients as one; then by the asymptotic
    series (DLMF 5.5.2, 5.11.2). Below 0 by reflection (DLMF 5.5.4), with an error of that size
    relative to pi cot(pi x); -+inf at +-0, NaN at the other poles.
    """
    return in_double(e, _digamma, x)


def _digamma(e: Emitter, kind: Kind, x: Val) -> Val:
    zero, one, half = (constant(e, x, c) for c in (0.0, 1.0, 0.5))
    negative, a = e.compare("lt", x, zero), e.abs(x)
    inverse = e.div(one, a)
    u, centred = remainder_of_one(e, a)
    off = e.sub(e.sub(u, constant(e, x, _ZERO[0])), constant(e, x, _ZERO[1]))
    base = e.mul(off, polynomial(e, centred, _PSI[kind], ordered=1))
    tiny = e.compare("lt", a, one)
    below, above = e.select(negative, zero, e.neg(inverse)), e.select(negative, inverse, zero)
    own = e.select(tiny, below, above)
    small = e.add(own, e.add(base, _quotients(e, a)))
    square = e.mul(inverse, inverse)
    series = e.mul(square, polynomial(e, square, _SERIES[kind]))
    side = e.mul(inverse, e.select(negative, half, e.neg(half)))
    large = e.add(log(e, a), e.sub(side, series))
    result = e.select(e.compare("ge", a, constant(e, x, float(_LARGE))), large, small)

    def reflected() -> list[Val]:
        """psi(1 - x) - pi cot(pi x); at a pole 1 / 0 - 1 / 0."""
        return [e.add(result, e.mul(_cotangent(e, a), constant(e, x, math.pi)))]

    result = e.select(e.compare("eq", a, zero), e.div(constant(e, x, -1.0), x), result)
    return rarely(e, negative, [result], reflected)[0]


def _quotients(e: Emitter, a: Val) -> Val:
    """1 / (a - 1) + 1 / (a - 2) + ... down to 1 / (1 + u), a < 8, by one division."""
    one, zero = constant(e, a, 1.0), constant(e, a, 0.0)
    above, below = zero, one
    for k in range(1, _LARGE - 1):
        there = e.compare("ge", a, constant(e, a, k + 1.0))
        factor = e.sub(a, constant(e, a, float(k)))
        above = e.select(there, e.fma(above, factor, below), above)
        below = e.select(there, e.mul(below, factor), below)
    return e.div(above, below)


def _cotangent(e: Emitter, a: Val) -> Val:
    """cot(pi a) for a >= 0, NaN at whole numbers and at infinity."""
    f = fraction_of(e, a)
    zero = constant(e, a, 0.0)
    other = sine_of_half_turn(e, e.sub(constant(e, a, 0.5), e.abs(f)))
    value = e.div(other, sine_of_half_turn(e, f))
    return e.select(e.compare("eq", f, zero), constant(e, a, math.nan), value)


# -- higher orders -------------------------------------------------------------------------------


def polygamma(e: Emitter, x: Val, *, order: int) -> Val:
    """The derivative of this order (1 or more) of psi: within 1 ulp in f32, 8 ulp in f64, x > 0.

    (-1)**(n+1) n! zeta(n + 1, x) by the sum of Euler and Maclaurin (DLMF 25.11.15, 25.11.43):
    all its terms but small ones are positive. Below 0 by reflection (DLMF 5.15.6).
    """
    return in_double(e, lambda e, kind, y: _polygamma(e, kind, y, order), x)


def _polygamma(e: Emitter, kind: Kind, x: Val, order: int) -> Val:
    zero, one = constant(e, x, 0.0), constant(e, x, 1.0)
    negative, a = e.compare("lt", x, zero), e.abs(x)
    q = e.select(negative, e.add(a, one), a)
    sign = 1.0 if order % 2 else -1.0
    result = e.mul(_zeta(e, kind, q, order + 1), constant(e, x, sign * math.factorial(order)))

    def reflected() -> list[Val]:
        """(-1)**n psi_n(1 - x) - pi**(n+1) P(cot(pi x)), P(cot u) the n-th derivative of cot u."""
        cotangent = e.neg(_cotangent(e, a))
        factor = math.pi ** (order + 1)
        coefficients = [c * factor for c in _derivative_of_cotangent(order)]
        # In order: beside an infinite cotangent a sum of zeros alone would be a NaN.
        terms = polynomial(e, cotangent, coefficients, ordered=len(coefficients) - 1)
        value = e.sub(e.mul(result, constant(e, x, -sign)), terms)
        at_pole = e.compare("eq", fraction_of(e, a), zero)
        return [e.select(at_pole, constant(e, x, sign * math.inf), value)]

    return rarely(e, negative, [result], reflected)[0]


@cache
def _derivative_of_cotangent(order: int) -> tuple[int, ...]:
    """P with P(cot u) = (d/du)**order cot u: P' -> -(1 + c²) P'."""
    p = [0, 1]
    for _ in range(order):
        d = [k * c for k, c in enumerate(p)][1:]
        p = [-x - y for x, y in zip([*d, 0, 0], [0, 0, *d], strict=True)]
    return tuple(p)


def _zeta(e: Emitter, kind: Kind, q: Val, s: int) -> Val:
    """The sum of (q + k)**-s over k = 0, 1, ..."""
    one = constant(e, q, 1.0)
    count, series = _plan(s, 1e-9 if kind == "f32" else 2e-18)
    total = constant(e, q, 0.0)
    for k in reversed(range(count)):
        total = e.add(total, _whole_power(e, e.div(one, e.add(q, constant(e, q, float(k)))), s))
    inverse = e.div(one, e.add(q, constant(e, q, float(count))))
    lower = _whole_power(e, inverse, s - 1)
    rest = e.fma(polynomial(e, e.mul(inverse, inverse), series), inverse, constant(e, q, 0.5))
    rest = e.fma(rest, inverse, constant(e, q, 1 / (s - 1)))
    return e.add(total, e.mul(lower, rest))


@cache
def _plan(s: int, error: float) -> tuple[int, tuple[float, ...]]:
    """How many terms to add up, and the coefficients of the series for the rest."""
    for count in range(6, 200):
        series: list[float] = []
        for j in range(1, 14):
            term = _series_term(s, j)
            if abs(term) * (s - 1) * float(count) ** (-2 * j) < error and j > 1:
                return count, tuple(series)
            series.append(term)
    raise AssertionError(s)


@cache
def _series_term(s: int, j: int) -> float:
    """B(2j) s (s + 1) ... (s + 2j - 2) / (2j)!."""
    rising = math.prod(range(s, s + 2 * j - 1))
    return float(_bernoulli(2 * j) * rising / math.factorial(2 * j))


@cache
def _bernoulli(n: int) -> Fraction:
    if n == 0:
        return Fraction(1)
    return -sum(
        (Fraction(math.comb(n + 1, k)) * _bernoulli(k) for k in range(n)), start=Fraction(0)
    ) / (n + 1)


def _whole_power(e: Emitter, x: Val, n: int) -> Val:
    """x**n, n >= 0, by squaring."""
    result: Val | None = None
    while n:
        if n & 1:
            result = x if result is None else e.mul(result, x)
        n >>= 1
        x = e.mul(x, x) if n else x
    return constant(e, x, 1.0) if result is None else result
