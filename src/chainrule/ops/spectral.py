"""Decompositions: eigenvalues, singular values, QR, and the pseudoinverse.

A primitive has one result: what belongs together lies in one array, one part below the other.
Vectors of equal eigenvalues or singular values are not determined, and have no derivative: where
one is asked for, it is NaN. The derivative of the values alone is always right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.linalg import (
    each,
    floating_matrices,
    squares,
    stacked,
    symmetric,
    to_lower,
    triangle,
    triangular,
    turned,
)
from chainrule.ops.record import HOST, LINEAR, NoGradient, Primitive, register

Array = Any


# -- shapes ----------------------------------------------------------------------------------------


def _eigh_type(a: ArrayType, *, lower: bool) -> ArrayType:
    """(..., n, n) -> (..., 1 + n, n): the eigenvalues, the eigenvectors as columns."""
    *stack, n, _ = squares(a).shape
    return a.with_shape((*stack, n + 1, n))  # type: ignore[operator]


def _svd_type(a: ArrayType) -> ArrayType:
    """(..., m, n) -> (..., m + 1 + n, k) with k = min(m, n): U, the singular values, V."""
    *stack, m, n = floating_matrices(a).shape
    return a.with_shape((*stack, m + 1 + n, min(m, n)))  # type: ignore[operator,type-var]


def _completion_type(a: ArrayType) -> ArrayType:
    """(..., m, n) -> (..., p, p - k) with p, k the larger and the smaller of m and n."""
    *stack, m, n = floating_matrices(a).shape
    more, less = max(m, n), min(m, n)  # type: ignore[type-var]
    return a.with_shape((*stack, more, more - less))  # type: ignore[operator]


def _qr_type(a: ArrayType) -> ArrayType:
    """(..., m, n) with m >= n -> (..., m + n, n): Q, R."""
    *stack, m, n = floating_matrices(a).shape
    if m < n:  # type: ignore[operator]
        raise ShapeError(f"expected at least as many rows as columns, got {a}")
    return a.with_shape((*stack, m + n, n))  # type: ignore[operator]


def _pinv_type(a: ArrayType, *, rcond: float) -> ArrayType:
    *stack, m, n = floating_matrices(a).shape
    return a.with_shape((*stack, n, m))


# -- values ----------------------------------------------------------------------------------------


def _eigh(a: Array, lower: bool) -> Array:
    values, vectors = np.linalg.eigh(a, "L" if lower else "U")
    return np.concatenate([values[..., None, :], vectors], axis=-2)


def _svd(a: Array) -> Array:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], turned(vt)], axis=-2)


def _completion(a: Array) -> Array:
    m, n = a.shape[-2:]
    u, _, vt = np.linalg.svd(a)
    return u[..., n:] if m > n else turned(vt)[..., m:]


def _safe_completion(a: Array) -> Array:
    more, less = max(a.shape[-2:]), min(a.shape[-2:])
    return each(_completion, (more, more - less), a)


def _qr(a: Array) -> Array:
    return np.concatenate(np.linalg.qr(a), axis=-2)


def _safe_eigh(a: Array, *, lower: bool) -> Array:
    n = a.shape[-1]
    return each(lambda x: _eigh(x, lower), (n + 1, n), a)


def _safe_svd(a: Array) -> Array:
    m, n = a.shape[-2:]
    return each(_svd, (m + 1 + n, min(m, n)), a)


def _pinv(a: Array, *, rcond: float) -> Array:
    return each(lambda x: np.linalg.pinv(x, rcond), a.shape[:-3:-1], a)


# -- derivatives -----------------------------------------------------------------------------------


def _over(x: Array, gaps: Array, asked: Array) -> Array:
    """x / gaps off the diagonal, 0 on it.

    Where there is no gap: 0 if nothing of the two vectors is asked, and NaN if something is.
    """
    n = gaps.shape[-1]
    none = np.equal(gaps, 0)
    idle = np.logical_and(np.equal(asked, 0), np.equal(turned(asked), 0))
    idle = np.logical_or(idle, np.eye(n, dtype=bool))
    undetermined = np.where(idle, gaps.dtype.type(0), gaps.dtype.type(np.nan))
    return np.where(none, undetermined, x / np.where(none, gaps.dtype.type(1), gaps))


def _gaps(values: Array) -> Array:
    """Element (i, j) is the value j less the value i."""
    return values[..., None, :] - values[..., :, None]


def _eigh_back(g: Array, y: Array, a: Array, *, lower: bool) -> Array:
    """V (diag(g_w) + F ∘ (Vᵀ g_V)) Vᵀ, F = 1 / (w_j - w_i)."""
    w, v = y[..., 0, :], y[..., 1:, :]
    asked = turned(v) @ g[..., 1:, :]
    turn = _over(asked, _gaps(w), asked)
    owed = to_lower((v * g[..., :1, :] + v @ turn) @ turned(v))
    return owed if lower else turned(owed)


def _eigh_forward(tangents: Any, y: Array, a: Array, *, lower: bool) -> Array:
    w, v = y[..., 0, :], y[..., 1:, :]
    inside = turned(v) @ symmetric(tangents[0] if lower else turned(tangents[0])) @ v
    turn = _over(inside, _gaps(w), inside)
    return np.concatenate([_line(inside), v @ turn], axis=-2)


def _line(x: Array) -> Array:
    """The diagonal of each matrix as a row."""
    return np.sum(x * np.eye(x.shape[-1], dtype=x.dtype), axis=-2, keepdims=True)


def _parts(packed: Array, a: Array) -> tuple[Array, Array, Array]:
    """U, the singular values as a row, V."""
    m = a.shape[-2]
    return packed[..., :m, :], packed[..., m : m + 1, :], packed[..., m + 1 :, :]


def _square_gaps(s: Array) -> Array:
    """Differences of squares, without the squares."""
    return _gaps(s[..., 0, :]) * (s + turned(s))


def _outside(u: Array, x: Array, s: Array) -> Array:
    """What of x is no combination of u's columns, over s; nothing where u is a whole basis."""
    if u.shape[-1] == u.shape[-2]:
        return np.zeros_like(x)
    rest = x - u @ (turned(u) @ x)
    none = np.equal(s, 0)
    undetermined = np.where(np.equal(x, 0), s.dtype.type(0), s.dtype.type(np.nan))
    return np.where(none, undetermined, rest / np.where(none, s.dtype.type(1), s))


def _svd_back(g: Array, y: Array, a: Array) -> Array:
    """Townsend 2016, 3: of U, s and V together."""
    u, s, v = _parts(y, a)
    gu, gs, gv = _parts(g, a)
    gaps = _square_gaps(s)
    left, right = turned(u) @ gu, turned(v) @ gv
    left, right = (_over(x - turned(x), gaps, x) for x in (left, right))
    middle = left * s + turned(s) * right
    inside = (u * gs + u @ middle) @ turned(v)
    return inside + _outside(u, gu, s) @ turned(v) + u @ turned(_outside(v, gv, s))


def _svd_forward(tangents: Any, y: Array, a: Array) -> Array:
    u, s, v = _parts(y, a)
    (da,), gaps = tangents, _square_gaps(s)
    inside = turned(u) @ da @ v
    left, right = inside * s, turned(s) * inside
    du = u @ _over(left + turned(left), gaps, inside) + _outside(u, da @ v, s)
    dv = v @ _over(right + turned(right), gaps, inside) + _outside(v, turned(da) @ u, s)
    return np.concatenate([du, _line(inside), dv], axis=-2)


def _qr_parts(packed: Array) -> tuple[Array, Array]:
    n = packed.shape[-1]
    return packed[..., :-n, :], packed[..., -n:, :]


def _qr_back(g: Array, y: Array, a: Array) -> Array:
    """Walter & Lehmann 2012: of Q and R together."""
    if not a.shape[-1]:
        return np.zeros_like(a)
    (q, r), (gq, gr) = _qr_parts(y), _qr_parts(g)
    gr = gr * triangle(r.shape[-1], r.dtype, lower=False)
    owed = gq + q @ symmetric(r @ turned(gr) - turned(gq) @ q)
    return turned(triangular(r, turned(owed), lower=False))


def _qr_forward(tangents: Any, y: Array, a: Array) -> Array:
    if not a.shape[-1]:
        return np.zeros_like(y)
    q, r = _qr_parts(y)
    over = turned(triangular(r, turned(tangents[0]), lower=False, transposed=True))
    inside = turned(q) @ over
    below = inside * triangle(r.shape[-1], r.dtype, diagonal=0.0)
    turn = below - turned(below)
    dq = q @ turn + over - q @ inside
    return np.concatenate([dq, (inside - turn) @ r], axis=-2)


def _without(x: Array, left: Array, right: Array) -> Array:
    """x - left right x: the part of x that a projection drops."""
    return x - left @ (right @ x)


def _pinv_back(g: Array, p: Array, a: Array, *, rcond: float) -> Array:
    """Golub & Pereyra 1973, 4.12, transposed."""
    t = turned(g)
    low = _without(t @ p @ turned(p), a, p)
    high = turned(_without(turned(turned(p) @ p @ t), turned(a), turned(p)))
    return low + high - turned(p) @ g @ turned(p)


def _pinv_forward(tangents: Any, p: Array, a: Array, *, rcond: float) -> Array:
    t = turned(tangents[0])
    low = turned(_without(turned(p @ turned(p) @ t), turned(p), turned(a)))
    high = _without(t @ turned(p) @ p, p, a)
    return low + high - p @ tangents[0] @ p


# fmt: off
eigh = register(Primitive(
    name="eigh", shape=_eigh_type, evaluate=_safe_eigh,
    vjp=(_eigh_back,), jvp=_eigh_forward, batched=stacked("eigh"), lower=HOST,
    domain=(-1.0, 1.0), source="Giles 2008, Collected matrix derivative results, 3.1",
))
svd = register(Primitive(
    name="svd", shape=_svd_type, evaluate=_safe_svd,
    vjp=(_svd_back,), jvp=_svd_forward, batched=stacked("svd"), lower=HOST,
    domain=(-1.0, 1.0), source="Townsend 2016, Differentiating the singular value decomposition",
))
svd_completion = register(Primitive(
    name="svd_completion", shape=_completion_type, evaluate=_safe_completion,
    vjp=NoGradient("columns that complete a basis may be any; use full_matrices=False"),
    jvp=LINEAR, batched=stacked("svd_completion"), lower=HOST,
    domain=(-1.0, 1.0), source="the columns of U (V) that belong to no singular value",
))
qr = register(Primitive(
    name="qr", shape=_qr_type, evaluate=_qr,
    vjp=(_qr_back,), jvp=_qr_forward, batched=stacked("qr"), lower=HOST,
    domain=(-1.0, 1.0), source="Walter & Lehmann 2012, On evaluating higher-order derivatives of "
                               "the QR decomposition",
))
pinv = register(Primitive(
    name="pinv", shape=_pinv_type, evaluate=_pinv,
    vjp=(_pinv_back,), jvp=_pinv_forward, batched=stacked("pinv"), lower=HOST,
    domain=(-1.0, 1.0), source="Golub & Pereyra 1973, The differentiation of pseudo-inverses, 4.12",
))
# fmt: on
