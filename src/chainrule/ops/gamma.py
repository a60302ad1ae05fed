"""The gamma function, its logarithm and derivatives of any order. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.record import POINTWISE, Primitive, floating, register
from chainrule.ops.scipy_special import special

Array = Any

_HIGHEST = 169
_STIRLING = (
    1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400,
)  # fmt: skip


def _polygamma_type(x: ArrayType, *, order: int) -> ArrayType:
    assert 1 <= order <= _HIGHEST, f"polygamma of order {order}"
    return floating(x)


def _polygamma(x: Array, *, order: int) -> Array:
    """(-1)**(n+1) n! zeta(n + 1, x), infinite at the poles of either side."""
    factor = special.gamma(order + 1.0) * (1.0 if order % 2 else -1.0)
    with np.errstate(all="ignore"):
        value = special.zeta(order + 1.0, np.asarray(x, np.float64)) * factor
        return value.astype(x.dtype)[()]


def _stirling(x: Array) -> Array:
    """log Gamma(x) less Stirling's formula, for x >= 8 (DLMF 5.11.1)."""
    total = np.zeros_like(x)
    for c in reversed(_STIRLING):
        total = total / (x * x) + c
    return total / x


def _large_betaln(p: Array, q: Array) -> Array:
    """log B(p, q) for 0 < p <= q, q >= 8: what the Stirling formulas of q and p + q share is out.

    Didonato & Morris, ACM TOMS 18, 1992, algorithm 708, section 2; SciPy's own cancels.
    """
    s, big = p + q, np.maximum(p, 8)
    part = np.log1p(-p / s)
    lack = _stirling(q) - _stirling(s)
    beside = special.gammaln(p) - p * (np.log(s) - 1) + (q - 0.5) * part + lack
    both = (p - 0.5) * np.log(p / s) + q * part - 0.5 * np.log(q) + 0.5 * np.log(2 * np.pi)
    return np.where(p >= 8, both + lack + _stirling(big), beside)


def _log_gamma(x: Array) -> Array:
    """SciPy's, which is infinite at subnormal numbers."""
    tiny = (x != 0) & (np.abs(x) < 1e-300)
    return np.where(tiny, -np.log(np.abs(np.where(tiny, x, 1))), special.gammaln(x))


def _betaln(a: Array, b: Array) -> Array:
    """log |B(a, b)|, in double precision."""
    p, q = (choose(a, b).astype(np.float64) for choose in (np.minimum, np.maximum))
    large = (p > 0) & (q >= 8)
    with np.errstate(all="ignore"):
        plain = _log_gamma(p) + (_log_gamma(q) - _log_gamma(p + q))
        inside = _large_betaln(np.where(large, p, 8), np.where(large, q, 8))
    value = np.where(large, inside, plain)
    return np.where((p == 0) & (q == q), np.inf, value).astype(a.dtype)[()]


# fmt: off
gammaln = register(Primitive(
    name="gammaln", shape=floating, evaluate=special.gammaln,
    vjp=(lambda g, y, x: g * special.digamma(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("gammaln", x),
    domain=(0.3, 4.0), source="DLMF 5.2.2",
))
gamma = register(Primitive(
    name="gamma", shape=floating, evaluate=special.gamma,
    vjp=(lambda g, y, x: g * y * special.digamma(x),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("gamma", x),
    domain=(0.5, 4.0), source="DLMF 5.2.1 and 5.2.2",
))
betaln = register(Primitive(
    name="betaln", shape=floating, evaluate=_betaln,
    vjp=(lambda g, y, a, b: g * (special.digamma(a) - special.digamma(a + b)),
         lambda g, y, a, b: g * (special.digamma(b) - special.digamma(a + b))),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("betaln", a, b),
    domain=(0.5, 4.0), source="DLMF 5.12.1",
))
digamma = register(Primitive(
    name="digamma", shape=floating, evaluate=special.digamma,
    vjp=(lambda g, y, x: g * bind("polygamma", x, order=1),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("digamma", x),
    domain=(0.3, 4.0), source="DLMF 5.15.1",
))
polygamma = register(Primitive(
    name="polygamma", shape=_polygamma_type, evaluate=_polygamma,
    vjp=(lambda g, y, x, *, order: g * bind("polygamma", x, order=order + 1),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x, *, order: e.call("polygamma", x, order=order),
    domain=(0.5, 4.0), source="DLMF 5.15.1 and 25.11.12",
))
# fmt: on
