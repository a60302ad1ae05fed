"""Solving with matrices: triangular and general systems, Cholesky, inverse, determinant.

All take stacks (..., n, n). A matrix that has no result (not positive definite, singular) gives
NaN in its place, in both meanings: native code cannot raise, and its neighbours are not at fault.
The tracing floor raises where the numbers are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.record import HOST, Primitive, register

Array = Any

#: Triangular systems up to this size are not cut in two.
_BLOCK = 48


# -- shapes ----------------------------------------------------------------------------------------


def floating_matrices(a: ArrayType) -> ArrayType:
    """(..., m, n) of a floating dtype, with m and n known."""
    if not a.is_float:
        raise DTypeError(f"expected f32 or f64, got {a}", "convert with .astype(np.float64)")
    if a.rank < 2 or not all(isinstance(n, int) for n in a.shape[-2:]):
        raise ShapeError(f"expected matrices (..., n, n), got {a}")
    return a


def squares(a: ArrayType) -> ArrayType:
    """(..., n, n) -> (..., n, n)."""
    if floating_matrices(a).shape[-1] != a.shape[-2]:
        raise ShapeError(f"expected square matrices (..., n, n), got {a}")
    return a


def _numbers(a: ArrayType) -> ArrayType:
    """(..., n, n) -> (...)."""
    return a.with_shape(squares(a).shape[:-2])


def _solved(a: ArrayType, b: ArrayType, **_: bool) -> ArrayType:
    """(s..., n, n), (s..., n, free...) -> (s..., n, free...)."""
    shared = squares(a).shape[:-1]
    if a.dtype != b.dtype or b.shape[: len(shared)] != shared:
        raise ShapeError(f"{a} does not fit a right side {b}: expected (..., n, n), (..., n, k)")
    return b


# -- values ----------------------------------------------------------------------------------------


def each(f: Callable[..., Array], shape: tuple[int, ...], *arrays: Array) -> Array:
    """f of a stack; a matrix that NumPy refuses gives NaN of ``shape`` and the others theirs."""
    try:
        return f(*arrays)
    except np.linalg.LinAlgError:
        a = arrays[0]
        if a.ndim == 2:
            return np.full(shape, np.nan, a.dtype)
        return np.stack([each(f, shape, *row) for row in zip(*arrays, strict=True)])


def _square_each(f: Callable[..., Array]) -> Callable[..., Array]:
    return lambda a: each(f, a.shape[-2:], a)


def _flat(a: Array, b: Array) -> Array:
    """The right side with its free axes in one."""
    return np.reshape(b, (*a.shape[:-1], -1) if b.size else (*a.shape[:-1], 0))


def _solve(a: Array, b: Array) -> Array:
    right = _flat(a, b)
    return np.reshape(each(np.linalg.solve, right.shape[-2:], a, right), b.shape)


def _solve_triangular(a: Array, b: Array, *, lower: bool, transposed: bool) -> Array:
    right = _flat(a, b)
    a = turned(a) if transposed else a
    if lower != transposed:  # read from the end, a lower triangle is an upper one
        solved = _solve_upper(a[..., ::-1, ::-1], right[..., ::-1, :])[..., ::-1, :]
    else:
        solved = _solve_upper(a, right)
    return np.reshape(solved, b.shape)


def _solve_upper(a: Array, b: Array) -> Array:
    """From the last rows to the first.

    A triangular block has nothing to eliminate: what LAPACK does for a general one is then to
    substitute backwards.
    """
    n = a.shape[-1]
    if n <= _BLOCK:
        return each(np.linalg.solve, b.shape[-2:], np.triu(a), b)
    half = n // 2
    below = _solve_upper(a[..., half:, half:], b[..., half:, :])
    rest = b[..., :half, :] - a[..., :half, half:] @ below
    return np.concatenate([_solve_upper(a[..., :half, :half], rest), below], axis=-2)


def _cofactor(a: Array) -> Array:
    """det(a) a⁻ᵀ, also of singular matrices: U diag(products of the other singular values) Vᵀ."""
    packed = each(_svd_parts, (2 * a.shape[-1] + 1, a.shape[-1]), a)
    n = a.shape[-1]
    u, others, v = packed[..., :n, :], packed[..., n, :], packed[..., n + 1 :, :]
    return (u * others[..., None, :]) @ turned(v)


def _svd_parts(a: Array) -> Array:
    """U, the signed products of all but one singular value, V: one below the other."""
    u, s, vt = np.linalg.svd(a)
    n = a.shape[-1]
    rows = np.where(np.eye(n, dtype=bool), np.ones((), a.dtype), s[..., None, :])
    sign = np.linalg.det(u) * np.linalg.det(vt)
    others = np.prod(rows, axis=-1) * np.sign(sign)[..., None]
    return np.concatenate([u, others[..., None, :], turned(vt)], axis=-2)


# -- derivatives -----------------------------------------------------------------------------------


def turned(x: Array) -> Array:
    """The transpose of each matrix."""
    return np.swapaxes(x, -1, -2)


def triangle(n: int, dtype: np.dtype, lower: bool = True, diagonal: float = 1.0) -> Array:
    """Ones in a triangle, ``diagonal`` on the diagonal, zeros elsewhere."""
    ones = np.tri(n, n, -1, dtype)
    return (ones if lower else ones.T) + np.eye(n, dtype=dtype) * dtype.type(diagonal)


def symmetric(a: Array) -> Array:
    """The symmetric matrix whose lower triangle a has."""
    n = a.shape[-1]
    return a * triangle(n, a.dtype) + turned(a * triangle(n, a.dtype, diagonal=0.0))


def to_lower(s: Array) -> Array:
    """The adjoint of ``symmetric``: what a symmetric matrix owes to the triangle that is read."""
    return (s + turned(s)) * triangle(s.shape[-1], s.dtype, diagonal=0.5)


def triangular(a: Array, b: Array, lower: bool = True, transposed: bool = False) -> Array:
    """``solve_triangular`` as a rule writes it."""
    return bind("solve_triangular", a, b, lower=lower, transposed=transposed)


def _cholesky_back(g: Array, y: Array, a: Array) -> Array:
    """L⁻ᵀ Φ(Lᵀ g) L⁻¹, where Φ takes the lower triangle and half of the diagonal."""
    half = (turned(y) @ g) * triangle(y.shape[-1], y.dtype, diagonal=0.5)
    left = triangular(y, half, transposed=True)
    return to_lower(triangular(y, turned(left), transposed=True))


def _cholesky_forward(tangents: Any, y: Array, a: Array) -> Array:
    left = triangular(y, symmetric(tangents[0]))
    middle = triangular(y, turned(left))
    return y @ (middle * triangle(y.shape[-1], y.dtype, diagonal=0.5))


def _outer(a: Array, x: Array, y: Array) -> Array:
    """x yᵀ for each matrix of the stack a, summed over all that stands behind the rows."""
    stack, free = tuple(range(a.ndim - 2)), tuple(range(a.ndim - 1, x.ndim))
    return bind("dot", x, y, a_axes=free, b_axes=free, a_batch=stack, b_batch=stack)


def _times(a: Array, x: Array, transposed: bool = False) -> Array:
    """a x (aᵀ x) for each matrix of the stack."""
    stack, last = tuple(range(a.ndim - 2)), a.ndim - 1
    axis = last - 1 if transposed else last
    return bind("dot", a, x, a_axes=(axis,), b_axes=(last - 1,), a_batch=stack, b_batch=stack)


def _triangular_to_a(
    g: Array, y: Array, a: Array, b: Array, *, lower: bool, transposed: bool
) -> Array:
    owed = triangular(a, g, lower, not transposed)
    slope = _outer(a, y, owed) if transposed else _outer(a, owed, y)
    return -slope * triangle(a.shape[-1], a.dtype, lower)


def _triangular_forward(
    tangents: Any, y: Array, a: Array, b: Array, *, lower: bool, transposed: bool
) -> Array:
    da, db = tangents
    terms = [] if db is None else [db]
    if da is not None:
        terms.append(-_times(da * triangle(a.shape[-1], a.dtype, lower), y, transposed))
    return triangular(a, sum(terms[1:], terms[0]), lower, transposed)


def _solve_to_a(g: Array, y: Array, a: Array, b: Array) -> Array:
    return -_outer(a, bind("solve", turned(a), g), y)


def _solve_forward(tangents: Any, y: Array, a: Array, b: Array) -> Array:
    da, db = tangents
    terms = [] if db is None else [db]
    terms += [] if da is None else [-_times(da, y)]
    return bind("solve", a, sum(terms[1:], terms[0]))


def _per_matrix(g: Array) -> Array:
    """One number per matrix, ready to multiply it."""
    return np.expand_dims(g, (-2, -1))


def _sum_with(weights: Array, tangent: Array) -> Array:
    return np.sum(weights * tangent, axis=(-2, -1))


def _cofactor_slope(a: Array, x: Array) -> Array:
    """The derivative of the cofactors along x, which is its own adjoint.

    By the inverse where there is a good one, else by singular values, which need none.
    """
    packed = bind("svd", a)
    n = a.shape[-1]
    s = packed[..., n, :]
    good = np.expand_dims(s[..., -1] > s[..., 0] * float(np.finfo(a.dtype).eps) ** 0.5, (-2, -1))
    safe = np.where(good, a, np.eye(n, dtype=a.dtype))
    inverse = bind("inverse", safe)
    share = _per_matrix(np.sum(turned(inverse) * x, axis=(-2, -1)))
    smooth = share * turned(inverse) - turned(inverse @ x @ inverse)
    smooth = _per_matrix(bind("det", safe)) * smooth
    return np.where(good, smooth, _singular_slope(packed, x))


def _singular_slope(packed: Array, x: Array) -> Array:
    """In the basis of the singular vectors: products of all but two singular values."""
    n = packed.shape[-1]
    u, s, v = packed[..., :n, :], packed[..., n, :], packed[..., n + 1 :, :]
    i, j, k = np.ogrid[:n, :n, :n]
    spread = np.where((k == i) | (k == j), np.ones((), s.dtype), s[..., None, None, :])
    pairs = bind("prod", spread, axes=(spread.ndim - 1,)) * (1 - np.eye(n, dtype=s.dtype))
    inside = turned(u) @ x @ v
    line = np.sum(inside * np.eye(n, dtype=s.dtype), axis=-2)
    sums = np.sum(pairs * line[..., None, :], axis=-1)
    middle = sums[..., None] * np.eye(n, dtype=s.dtype) - pairs * turned(inside)
    sign = bind("detsign", u) * bind("detsign", v)
    return _per_matrix(sign) * (u @ middle @ turned(v))


# -- one more axis ---------------------------------------------------------------------------------


def stacked(op: str) -> Callable[..., Array]:
    """A stack of stacks is a stack."""
    return lambda size, mapped, a, **attributes: bind(op, a, **attributes)


def _system_batched(op: str) -> Callable[..., Array]:
    """Many right sides of one matrix are more of its free axes; else one matrix for each."""

    def rule(size: int, mapped: tuple[bool, ...], a: Array, b: Array, **attributes: bool) -> Array:
        if not mapped[0]:
            return np.moveaxis(bind(op, a, np.moveaxis(b, 0, -1), **attributes), -1, 0)
        if not mapped[1]:
            b = np.broadcast_to(b, (size, *b.shape))
        return bind(op, a, b, **attributes)

    return rule


# fmt: off
cholesky = register(Primitive(
    name="cholesky", shape=squares, evaluate=_square_each(np.linalg.cholesky),
    vjp=(_cholesky_back,), jvp=_cholesky_forward, batched=stacked("cholesky"), lower=HOST,
    domain=(-1.0, 1.0), source="Murray 2016, Differentiation of the Cholesky decomposition, 3.1",
))
solve_triangular = register(Primitive(
    name="solve_triangular", shape=_solved, evaluate=_solve_triangular,
    vjp=(_triangular_to_a,
         lambda g, y, a, b, *, lower, transposed: triangular(a, g, lower, not transposed)),
    jvp=_triangular_forward, batched=_system_batched("solve_triangular"), lower=HOST,
    domain=(-1.0, 1.0), source="Giles 2008, Collected matrix derivative results, 2.3",
))
solve = register(Primitive(
    name="solve", shape=_solved, evaluate=_solve,
    vjp=(_solve_to_a, lambda g, y, a, b: bind("solve", turned(a), g)),
    jvp=_solve_forward, batched=_system_batched("solve"), lower=HOST,
    domain=(-1.0, 1.0), source="Giles 2008, Collected matrix derivative results, 2.3",
))
inverse = register(Primitive(
    name="inverse", shape=squares, evaluate=_square_each(np.linalg.inv),
    vjp=(lambda g, y, a: -turned(y) @ g @ turned(y),),
    jvp=lambda tangents, y, a: -(y @ tangents[0] @ y),
    batched=stacked("inverse"), lower=HOST,
    domain=(-1.0, 1.0), source="Giles 2008, Collected matrix derivative results, 2.2.3",
))
logabsdet = register(Primitive(
    name="logabsdet", shape=_numbers, evaluate=lambda a: np.linalg.slogdet(a)[1],
    vjp=(lambda g, y, a: _per_matrix(g) * turned(bind("inverse", a)),),
    jvp=lambda tangents, y, a: _sum_with(turned(bind("inverse", a)), tangents[0]),
    batched=stacked("logabsdet"), lower=HOST,
    domain=(-1.0, 1.0), source="Petersen & Pedersen, The Matrix Cookbook, 2.1.4",
))
detsign = register(Primitive(
    name="detsign", shape=_numbers, evaluate=lambda a: np.linalg.slogdet(a)[0],
    vjp=(lambda g, y, a: np.zeros_like(a),),
    jvp=lambda tangents, y, a: np.zeros_like(y), batched=stacked("detsign"), lower=HOST,
    domain=(-1.0, 1.0), source="constant but at singular matrices, where it is taken to be flat",
))
det = register(Primitive(
    name="det", shape=_numbers, evaluate=np.linalg.det,
    vjp=(lambda g, y, a: _per_matrix(g) * bind("cofactor", a),),
    jvp=lambda tangents, y, a: _sum_with(bind("cofactor", a), tangents[0]),
    batched=stacked("det"), lower=HOST,
    domain=(-1.0, 1.0), source="Jacobi's formula; singular matrices have cofactors too",
))
cofactor = register(Primitive(
    name="cofactor", shape=squares, evaluate=_cofactor,
    vjp=(lambda g, y, a: _cofactor_slope(a, g),),
    jvp=lambda tangents, y, a: _cofactor_slope(a, tangents[0]),
    batched=stacked("cofactor"), lower=HOST,
    domain=(-1.0, 1.0), source="det(a) a⁻ᵀ, extended to singular matrices by continuity",
))
# fmt: on
