"""Polynomials by their coefficients, the highest power first, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.tracing.joining import concatenate
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, atleast_1d, described
from chainrule.tracing.tracer import cast, register_named

Array = Any


def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of each element, a row each."""
    x = as_array(x)
    if x.ndim != 1:
        raise ShapeError(f"vander at {user_line()}: expected a vector, got {described(x)}")
    x = cast(x, np.promote_types(x.dtype, int))
    columns = len(x) if N is None else N
    powers = [np.ones_like(x)]
    for _ in range(columns - 1):
        powers.append(powers[-1] * x)
    powers = powers[:columns]
    if not powers:
        return np.zeros((len(x), 0), x.dtype)
    return np.stack(powers if increasing else powers[::-1], axis=1)


def polyval(p: Array, x: Array) -> Array:
    """The polynomial with these coefficients, the highest power first."""
    p, x = as_array(p), as_array(x)
    total: Array = x * p.dtype.type(0)
    for k in range(len(p)):
        total = total * x + p[k]
    return total


def _as_long(a: Array, b: Array) -> tuple[Array, Array]:
    a, b = atleast_1d(as_array(a), as_array(b))
    size = max(len(a), len(b))
    return tuple(np.pad(p, (size - len(p), 0)) for p in (a, b))  # type: ignore[return-value]


def polyadd(a1: Array, a2: Array) -> Array:
    """The sum of two polynomials."""
    a, b = _as_long(a1, a2)
    return a + b


def polysub(a1: Array, a2: Array) -> Array:
    """The difference of two polynomials."""
    a, b = _as_long(a1, a2)
    return a - b


def polymul(a1: Array, a2: Array) -> Array:
    """The product of two polynomials."""
    return np.convolve(as_array(a1), as_array(a2))


def polyder(p: Array, m: int = 1) -> Array:
    """The m-th derivative of a polynomial."""
    p = as_array(p)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


def polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    """The m-th integral of a polynomial, with these constants (0 by default)."""
    p = as_array(p)
    constants = np.zeros(m) if k is None else np.broadcast_to(np.atleast_1d(k), (m,))
    for constant in constants:
        p = concatenate([p / np.arange(len(p), 0, -1), np.asarray([constant])])
    return p


register_named({
    "vander": vander, "polyval": polyval, "polyadd": polyadd, "polysub": polysub,
    "polymul": polymul, "polyder": polyder, "polyint": polyint,
})  # fmt: skip
