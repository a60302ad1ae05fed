"""``np.linalg`` on tracers, and SciPy's solvers under names of our own.

Where NumPy raises (a matrix that is singular or not positive definite), so does this while the
numbers are known; compiled code gives NaN instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import LinearAlgebraError, ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import base
from chainrule.tracing.lines import user_line
from chainrule.tracing.norms import floating
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import cast, register_function

Array = Any

_ONE: Final = np.eye(1)
_EIGEN: Final[Any] = type(np.linalg.eigh(_ONE))
_SINGULAR: Final[Any] = type(np.linalg.svd(_ONE))
_QR: Final[Any] = type(np.linalg.qr(_ONE))
_SIGN: Final[Any] = type(np.linalg.slogdet(_ONE))
_UNSET: Final = object()


def _matrices(op: str, x: Any) -> Array:
    """x as a stack of matrices of floating-point numbers."""
    x = floating(x)
    if x.ndim < 2:
        raise ShapeError(f"{op} at {user_line()}: {described(x)}; expected matrices (..., m, n)")
    return x


def _squares(op: str, x: Any) -> Array:
    x = _matrices(op, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{op} at {user_line()}: {described(x)}; expected square matrices (..., n, n)"
        )
    return x


def _checked(op: str, y: Array, why: str, *operands: Array) -> Array:
    """The result, if it is one: NaN made of finite numbers is NumPy's LinAlgError."""
    known = [base(x) for x in (y, *operands)]
    if all(isinstance(x, np.ndarray | np.generic) for x in known):
        result, *inputs = known
        if np.isnan(result).any() and all(np.isfinite(x).all() for x in inputs):
            raise LinearAlgebraError(f"{op} at {user_line()}: {why}")
    return y


_NO_INVERSE: Final = "a matrix is singular"
_NOT_POSITIVE: Final = "a matrix is not positive definite"


def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """The lower factor; it reads the lower triangle, and there the gradient lies (upper: both)."""
    a = _squares("cholesky", a)
    a = _turned(a) if upper else a
    factor = _checked("cholesky", bind("cholesky", a), _NOT_POSITIVE, a)
    return _turned(factor) if upper else factor


def _turned(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def inv(a: Array) -> Array:
    """The inverse of each matrix."""
    a = _squares("inv", a)
    return _checked("inv", bind("inverse", a), _NO_INVERSE, a)


def det(a: Array) -> Array:
    """The determinant of each matrix; its gradient is right at singular ones too."""
    return bind("det", _squares("det", a))


def slogdet(a: Array) -> Any:
    """(sign, log |det|) of each matrix."""
    a = _squares("slogdet", a)
    return _SIGN(bind("detsign", a), bind("logabsdet", a))


def solve(a: Array, b: Array) -> Array:
    """x with a x = b, for b a vector (n,) or matrices (..., n, k)."""
    a, b = _system("solve", a, b)
    return _checked("solve", _by_stacks("solve", a, b), _NO_INVERSE, a, b)


def _system(op: str, a: Any, b: Any) -> tuple[Array, Array]:
    a, b = _squares(op, a), floating(b)
    dtype = np.result_type(a.dtype, b.dtype)
    a, b = cast(a, dtype), cast(b, dtype)
    rows = b.shape[-1 if b.ndim == 1 else -2] if b.ndim else None
    if rows != a.shape[-1]:
        raise ShapeError(
            f"{op} at {user_line()}: {described(a)} and right side {described(b)}: "
            f"expected ({a.shape[-1]},) or (..., {a.shape[-1]}, k)",
            "a stack of vectors is b[..., None]" if b.shape[-1:] == a.shape[-1:] else "",
        )
    return a, b


def _by_stacks(op: str, a: Array, b: Array, **options: bool) -> Array:
    """One system for each element of the broadcast stacks; one matrix for all is solved once."""
    if b.ndim == 1:
        return bind(op, a, np.broadcast_to(b, a.shape[:-1]), **options)
    if a.ndim == 2 and b.ndim > 2:
        behind = np.moveaxis(b, (-2, -1), (0, 1))
        return np.moveaxis(bind(op, a, behind, **options), (0, 1), (-2, -1))
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"{op} at {user_line()}: the stacks of {described(a)} and {described(b)} differ"
        ) from None
    a, b = (np.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b))
    return bind(op, a, b, **options)


def solve_triangular(
    a: Array, b: Array, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """x with a x = b (aᵀ x = b with ``trans=1`` or ``"T"``), for a triangular a.

    What ``scipy.linalg.solve_triangular`` does, on arrays and on traced values; the other triangle
    is not read.

    Shapes:
        a: (..., n, n), b: (n,) or (..., n, k) -> as b, with the stacks of both.

    Raises:
        ShapeError: shapes that do not fit. LinearAlgebraError: a zero on the diagonal.

    Source:
        Golub & Van Loan, Matrix Computations, 3.1.

    Example:
        >>> solve_triangular(np.array([[2.0, 0.0], [1.0, 4.0]]), np.array([2.0, 9.0]), lower=True)
        array([1., 2.])
    """
    if trans not in (0, 1, "N", "T"):
        raise TraceError(
            f"solve_triangular at {user_line()}: trans={trans!r}; expected 0, 1, 'N', 'T'"
        )
    a, b = _system("solve_triangular", a, b)
    if unit_diagonal:
        one = np.eye(a.shape[-1], dtype=a.dtype)
        a = a * (1 - one) + one
    options = {"lower": bool(lower), "transposed": trans in (1, "T")}
    x = _by_stacks("solve_triangular", a, b, **options)
    return _checked("solve_triangular", x, "there is a zero on the diagonal", a, b)


def cho_solve(factor: tuple[Array, bool], b: Array) -> Array:
    """x with a x = b, from ``(c, lower)`` with c the Cholesky factor of a.

    What ``scipy.linalg.cho_solve`` does, on arrays and on traced values.

    Shapes:
        c: (..., n, n), b: (n,) or (..., n, k) -> as b, with the stacks of both.

    Example:
        >>> c = np.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
        >>> cho_solve((c, True), np.array([8.0, 12.0]))
        array([1., 2.])
    """
    c, lower = factor
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    if first.ndim > as_array(b).ndim == 1:  # a stack of vectors
        return solve_triangular(c, first[..., None], trans=1 if lower else 0, lower=lower)[..., 0]
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


def _eigen(op: str, a: Any, UPLO: str) -> Array:
    if UPLO.upper() not in ("L", "U"):
        raise TraceError(f"{op} at {user_line()}: UPLO={UPLO!r}; expected 'L' or 'U'")
    a = _squares(op, a)
    packed = bind("eigh", a, lower=UPLO.upper() == "L")
    return _checked(op, packed, "the eigenvalues did not converge", a)


def eigh(a: Array, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of symmetric matrices, read from one triangle.

    Vectors of equal eigenvalues are not determined: a gradient through them is NaN.
    """
    packed = _eigen("eigh", a, UPLO)
    return _EIGEN(packed[..., 0, :], packed[..., 1:, :])


def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    """The eigenvalues of symmetric matrices, in ascending order."""
    return _eigen("eigvalsh", a, UPLO)[..., 0, :]


def _no_eigenvalues(a: Array) -> Array:
    raise TraceError(
        f"np.linalg.eig at {user_line()}: eigenvalues of a general matrix are complex numbers, "
        "which cannot be traced",
        "np.linalg.eigh and eigvalsh take symmetric matrices; np.linalg.svd any",
    )


def _triangle_mirrored(x: Array) -> Array:
    """The symmetric matrix that the lower triangle says, as ``hermitian=True`` reads it."""
    lower = np.tri(x.shape[-1], dtype=x.dtype)
    return x * lower + _turned(x * (lower - np.eye(x.shape[-1], dtype=x.dtype)))


def svd(
    a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """(U, singular values, Vᵀ), or the singular values alone.

    With ``full_matrices=True``, the columns of U or rows of Vᵀ that belong to no singular value are
    any basis of what is left: a gradient through that factor is an error.
    """
    a = _matrices("svd", a)
    a = _triangle_mirrored(a) if hermitian else a
    m, n = a.shape[-2:]
    packed = _checked("svd", bind("svd", a), "the singular values did not converge", a)
    u, s, v = packed[..., :m, :], packed[..., m, :], packed[..., m + 1 :, :]
    if not compute_uv:
        return s
    if full_matrices and m != n:
        rest = bind("svd_completion", a)
        u, v = (
            (np.concatenate([u, rest], axis=-1), v)
            if m > n
            else (u, np.concatenate([v, rest], axis=-1))
        )
    return _SINGULAR(u, s, _turned(v))


def svdvals(x: Array, /) -> Array:
    """The singular values, in descending order."""
    return svd(x, compute_uv=False)


def qr(a: Array, mode: str = "reduced") -> Any:
    """(Q, R) with orthonormal columns and an upper triangle; ``mode="r"``: R alone."""
    a = _matrices("qr", a)
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and m > n):
        raise TraceError(
            f"np.linalg.qr at {user_line()}: mode={mode!r} of {described(a)} cannot be traced",
            "mode='reduced' and mode='r' can",
        )
    packed = bind("qr", a if m >= n else a[..., :, :m])
    q, r = packed[..., :m, :], packed[..., m:, :]
    if m < n:  # the columns behind the first square are only turned
        r = np.concatenate([r, _turned(q) @ a[..., :, m:]], axis=-1)
    return r if mode == "r" else _QR(q, r)


def pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSET) -> Array:
    """The pseudoinverse; singular values below ``rcond`` times the largest count as 0."""
    a = _matrices("pinv", a)
    a = _triangle_mirrored(a) if hermitian else a
    if rcond is None:
        rcond = 1e-15 if rtol is _UNSET else _relative_tolerance(a) if rtol is None else rtol
    y = bind("pinv", a, rcond=float(rcond))
    return _checked("pinv", y, "the singular values did not converge", a)


def _relative_tolerance(a: Array) -> float:
    return float(max(a.shape[-2:]) * np.finfo(a.dtype).eps)


def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Any, Array]:
    """(x, sums of squared residuals, rank, singular values) of a x ≈ b.

    The rank is taken to be full where the numbers are not known.
    """
    a, b = _matrices("lstsq", a), floating(b)
    m, n = a.shape[-2:]
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != m:
        raise ShapeError(
            f"lstsq at {user_line()}: {described(a)} and {described(b)}; expected (m, n) and (m,) "
            "or (m, k)"
        )
    eps = float(np.finfo(a.dtype).eps)
    cut = eps * max(m, n) if rcond is None else eps if rcond < 0 else float(rcond)
    x = bind("pinv", a, rcond=cut) @ b
    known, values = base(a), svdvals(a)
    rank = min(m, n)
    if isinstance(known, np.ndarray) and known.ndim == 2:
        rank = int(np.linalg.matrix_rank(known, rtol=cut))
    rest = b - a @ x
    residuals = np.sum(rest * rest, axis=0, keepdims=b.ndim == 1)
    return x, residuals if rank == n < m else np.zeros(0, a.dtype), rank, values


def matrix_power(a: Array, n: int) -> Array:
    """The matrix times itself, by squaring; a negative n inverts."""
    a = _squares("matrix_power", as_array(a)) if n < 0 else as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"matrix_power at {user_line()}: {described(a)}; expected (..., n, n)")
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    square, result = inv(a) if n < 0 else a, None
    n = abs(n)
    while n:
        if n & 1:
            result = square if result is None else result @ square
        n >>= 1
        square = square @ square if n else square
    return result


def matrix_rank(A: Array, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """How many singular values are above the tolerance: whole numbers, without gradient."""
    a = floating(A)
    if a.ndim < 2:
        return np.any(np.not_equal(a, 0)).astype(np.int64)
    s = svd(a, compute_uv=False, hermitian=hermitian)
    if tol is None:
        rtol = _relative_tolerance(a) if rtol is None else rtol
        tol = np.max(s, axis=-1, keepdims=True) * rtol
    else:
        tol = np.expand_dims(tol, -1)
    return np.sum(np.greater(s, tol), axis=-1)


def cond(x: Array, p: Any = None) -> Array:
    """The condition number in a norm, by default the ratio of the extreme singular values."""
    x = _matrices("cond", x)
    if p in (None, 2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    norm = np.linalg.norm
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    """x with tensordot(a, x, x.ndim) = b."""
    a, b = floating(a), floating(b)
    if axes is not None:
        a = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    shape = a.shape[b.ndim :]
    count = math.prod(shape)
    if math.prod(b.shape) != count:
        raise ShapeError(
            f"tensorsolve at {user_line()}: {described(a)} and {described(b)} do not fit"
        )
    return np.reshape(solve(np.reshape(a, (-1, count)), np.ravel(b)), shape)


def tensorinv(a: Array, ind: int = 2) -> Array:
    """The inverse of ``tensordot(a, ., ind)``."""
    a = floating(a)
    rows, columns = a.shape[:ind], a.shape[ind:]
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise ShapeError(f"tensorinv at {user_line()}: {described(a)} is not square for ind={ind}")
    return np.reshape(inv(np.reshape(a, (math.prod(rows), -1))), columns + rows)


_MEANINGS: dict[Any, Callable[..., Any]] = {
    np.linalg.cholesky: cholesky, np.linalg.inv: inv, np.linalg.det: det,
    np.linalg.slogdet: slogdet, np.linalg.solve: solve, np.linalg.eigh: eigh,
    np.linalg.eigvalsh: eigvalsh, np.linalg.svd: svd, np.linalg.svdvals: svdvals,
    np.linalg.qr: qr, np.linalg.pinv: pinv, np.linalg.lstsq: lstsq,
    np.linalg.matrix_power: matrix_power, np.linalg.matrix_rank: matrix_rank,
    np.linalg.cond: cond, np.linalg.tensorsolve: tensorsolve, np.linalg.tensorinv: tensorinv,
    np.linalg.eig: _no_eigenvalues, np.linalg.eigvals: _no_eigenvalues,
}  # fmt: skip
for _function, _rule in _MEANINGS.items():
    register_function(_function, _rule)
