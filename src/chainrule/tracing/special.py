"""SciPy's special ufuncs on tracers, and ``polygamma``, which SciPy has not as a ufunc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import TraceError
from chainrule.ops import PRIMITIVES, bind
from chainrule.ops.scipy_special import special
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import cast, register_ufunc
from chainrule.tracing.ufuncs import _array, _floating, alike, elementwise, softplus

Array = Any


def log_expit(x: Array) -> Array:
    """log of the sigmoid, which is minus softplus of minus x."""
    return -softplus(-x)


def entr(x: Array) -> Array:
    """-x log x, 0 at 0 and -inf below."""
    x = cast(x, _floating(x))
    inside = np.where(np.less(x, 0), x * 0, x)
    return np.where(np.less(x, 0), x.dtype.type(-np.inf), -special.xlogy(inside, inside))


def rel_entr(x: Array, y: Array) -> Array:
    """x log(x / y); 0 at x = 0 <= y, inf where x or y has no such logarithm."""
    x, y = alike("rel_entr", x, y, dtype=_floating(x, y))
    inside = np.logical_and(np.greater_equal(x, 0), np.greater(y, 0))
    none = np.logical_and(np.equal(x, 0), np.equal(y, 0))
    above, below = np.where(inside, x, x * 0 + 1), np.where(inside, y, y * 0 + 1)
    value = special.xlogy(above, above / below)
    number = np.logical_not(np.logical_or(np.isnan(x), np.isnan(y)))
    outside = np.where(number, x.dtype.type(np.inf), x.dtype.type(np.nan))
    return np.where(inside, value, np.where(none, x.dtype.type(0), outside))


def kl_div(x: Array, y: Array) -> Array:
    """x log(x / y) - x + y, the terms of a divergence of measures."""
    x, y = alike("kl_div", x, y, dtype=_floating(x, y))
    value = rel_entr(x, y)
    return np.where(np.isfinite(value), value - x + y, value)


def huber(delta: Array, r: Array) -> Array:
    """r² / 2 for |r| <= delta, linear beyond; inf for a negative delta."""
    delta, r = alike("huber", delta, r, dtype=_floating(delta, r))
    size = np.absolute(r)
    small = np.less_equal(size, delta)
    inside = np.where(small, r, r * 0)
    value = np.where(small, 0.5 * inside * inside, delta * (size - 0.5 * delta))
    return np.where(np.less(delta, 0), r.dtype.type(np.inf), value)


def pseudo_huber(delta: Array, r: Array) -> Array:
    """delta² (sqrt(1 + (r / delta)²) - 1) as r² / (1 + sqrt(...)), which does not cancel."""
    delta, r = alike("pseudo_huber", delta, r, dtype=_floating(delta, r))
    positive = np.greater(delta, 0)
    ratio = r / np.where(positive, delta, delta * 0 + 1)
    value = r * (r / (1 + np.hypot(ratio * 0 + 1, ratio)))
    value = np.where(positive, value, r * 0)
    return np.where(np.less(delta, 0), r.dtype.type(np.inf), value)


def cosm1(x: Array) -> Array:
    """cos x - 1 as -2 sin²(x / 2), which does not cancel."""
    half = np.sin(x * 0.5)
    return -2 * half * half


def polygamma(n: Any, x: Array) -> Array:
    """The derivative of order n of digamma, on arrays and under every transform.

    Example:
        >>> polygamma(1, np.array(1.0))  # π² / 6
        np.float64(1.644934066848...)
    """
    if not isinstance(n, int | np.integer) or not 0 <= n < 170:
        raise TraceError(
            f"polygamma of order {n} at {user_line()}: expected a plain number from 0 to 169"
        )
    x = _array(x)
    x = cast(x, _floating(x))
    return bind("polygamma", x, order=int(n)) if n else special.digamma(x)


_ONE: Final[dict[str, str]] = {
    "expit": "sigmoid", "psi": "digamma",
    **{name: name for name in (
        "erf", "erfc", "erfcx", "erfinv", "ndtr", "ndtri", "log_ndtr", "logit", "gammaln", "gamma",
        "digamma", "betaln", "xlogy", "xlog1py", "log1p", "expm1", "exp2", "cbrt",
    )},
}  # fmt: skip
_COMPOSED: Final[dict[str, Callable[..., Array]]] = {
    "log_expit": log_expit, "softplus": softplus, "entr": entr, "rel_entr": rel_entr,
    "kl_div": kl_div, "huber": huber, "pseudo_huber": pseudo_huber, "cosm1": cosm1,
    "exp10": lambda x: np.power(10.0, x),
    "erfcinv": lambda x: special.ndtri(x * 0.5) * -(0.5**0.5),
    "loggamma": lambda x: special.gammaln(np.where(np.less(x, 0), np.nan, x)),
}  # fmt: skip


def _primitive(op: str) -> Callable[..., Array]:
    assert op in PRIMITIVES, op
    return lambda *operands: elementwise(op, *operands, floating=True)


for _name, _op in _ONE.items():
    register_ufunc(getattr(special, _name), _primitive(_op))
for _name, _rule in _COMPOSED.items():
    if hasattr(special, _name):  # an older SciPy has no softplus
        register_ufunc(getattr(special, _name), _rule)
