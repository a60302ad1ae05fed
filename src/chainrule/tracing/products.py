"""NumPy's matrix products and their kin on tracers, each a contraction."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.contraction import (
    Labels,
    broadcast_labels,
    check_broadcast,
    check_same,
    common,
    contract,
)
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import register_function, register_ufunc

Array = Any


def matmul(a: Array, b: Array) -> Array:
    """``a @ b``: (..., n, k) and (..., k, m) to (..., n, m); a vector is one row or column.

    Raises:
        ShapeError: the inner sizes differ, or the stacks do not broadcast.
    """
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"matmul at {user_line()}: {described(a)} @ {described(b)}: a number is no matrix",
            "use a * b",
        )
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise _inner_differ(a, b)
    if a.ndim <= 2 and b.ndim <= 2 and a.dtype == b.dtype and a.dtype.kind == "f":
        return bind("dot", a, b, a_axes=(a.ndim - 1,), b_axes=(0,), a_batch=(), b_batch=())
    rows, columns = ("n",) * (a.ndim > 1), ("m",) * (b.ndim > 1)
    return _stacked("matmul", a, (*rows, "k"), b, ("k", *columns), rows + columns)


def _inner_differ(a: Array, b: Array) -> ShapeError:
    n, m = a.shape[-1], b.shape[-2 if b.ndim > 1 else 0]
    hint = ""
    if b.ndim > 1 and n == b.shape[-1]:
        turned = "b.T" if b.ndim == 2 else "b.mT"
        shape = (*b.shape[:-2], b.shape[-1], b.shape[-2])
        hint = f"the second operand transposed is {shape}; a @ {turned} fits"
    return ShapeError(
        f"matmul at {user_line()}: inner sizes differ: {described(a)} @ {described(b)}: "
        f"{n} is not {m}",
        hint,
    )


def _stacked(op: str, a: Array, a_core: Labels, b: Array, b_core: Labels, out: Labels) -> Array:
    """One contraction for each element of the broadcast stacks before the core axes."""
    left, right = a.shape[: a.ndim - len(a_core)], b.shape[: b.ndim - len(b_core)]
    check_broadcast(op, user_line(), a, b, left, right)
    stack = broadcast_labels(max(len(left), len(right)))
    return contract(
        a, (*broadcast_labels(len(left)), *a_core),
        b, (*broadcast_labels(len(right)), *b_core), (*stack, *out),
    )  # fmt: skip


def vecdot(a: Array, b: Array, axis: int = -1) -> Array:
    """Σ a b along one axis, the others broadcast."""
    a, b = (np.moveaxis(as_array(x), axis, -1) if axis != -1 else as_array(x) for x in (a, b))
    check_same("vecdot", user_line(), a, b, a.shape[-1], b.shape[-1])
    return _stacked("vecdot", a, ("k",), b, ("k",), ())


def matvec(a: Array, b: Array) -> Array:
    """(..., n, k) and (..., k) to (..., n)."""
    a, b = as_array(a), as_array(b)
    check_same("matvec", user_line(), a, b, a.shape[-1], b.shape[-1])
    return _stacked("matvec", a, ("n", "k"), b, ("k",), ("n",))


def vecmat(a: Array, b: Array) -> Array:
    """(..., k) and (..., k, m) to (..., m)."""
    a, b = as_array(a), as_array(b)
    check_same("vecmat", user_line(), a, b, a.shape[-1], b.shape[-2])
    return _stacked("vecmat", a, ("k",), b, ("k", "m"), ("m",))


def dot(a: Array, b: Array, out: None = None) -> Array:
    """``np.dot``: the last axis of a with the last but one of b (the only one of a vector)."""
    refuse_out("dot", out)
    a, b = as_array(a), as_array(b)
    if 0 in (a.ndim, b.ndim):
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def inner(a: Array, b: Array) -> Array:
    """Sums of products along the last axes."""
    a, b = as_array(a), as_array(b)
    return a * b if 0 in (a.ndim, b.ndim) else tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def vdot(a: Array, b: Array) -> Array:
    """The sum of the products of all elements, in row-major order."""
    return tensordot(np.ravel(as_array(a)), np.ravel(as_array(b)), 1)


def outer(a: Array, b: Array, out: None = None) -> Array:
    """Every product of an element of a with one of b."""
    refuse_out("outer", out)
    return np.ravel(as_array(a))[:, None] * np.ravel(as_array(b))[None, :]


def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Sums over pairs of axes: the last ``axes`` of a with the first of b, or (of a, of b).

    Raises:
        ShapeError: the sizes of a pair differ.
    """
    a, b = common(a, b)
    left, right = _pairs(a, b, axes)
    for i, j in zip(left, right, strict=True):
        check_same("tensordot", user_line(), a, b, a.shape[i], b.shape[j])
    a_labels = [("a", k) for k in range(a.ndim)]
    b_labels = [("b", k) for k in range(b.ndim)]
    for i, j in zip(left, right, strict=True):
        b_labels[j] = a_labels[i]
    out = [x for x in (*a_labels, *b_labels) if (x in a_labels) != (x in b_labels)]
    return contract(a, tuple(a_labels), b, tuple(b_labels), tuple(out))


def _pairs(a: Array, b: Array, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot at {user_line()}: {axes} axes of {described(a)} and {described(b)}"
            )
        return tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    left, right = axes
    left, right = normalize_axis_tuple(left, a.ndim), normalize_axis_tuple(right, b.ndim)
    if len(left) != len(right):
        raise ShapeError(f"tensordot at {user_line()}: axes {left} of a, {right} of b do not pair")
    return left, right


def kron(a: Array, b: Array) -> Array:
    """The Kronecker product: every element of a times the whole of b, laid side by side."""
    a, b = as_array(a), as_array(b)
    rank = max(a.ndim, b.ndim)
    a, b = (np.reshape(x, (1,) * (rank - x.ndim) + x.shape) for x in (a, b))
    left = np.expand_dims(a, tuple(range(1, 2 * rank, 2)))
    right = np.expand_dims(b, tuple(range(0, 2 * rank, 2)))
    sizes = tuple(n * m for n, m in zip(a.shape, b.shape, strict=True))
    return np.reshape(left * right, sizes)


def multi_dot(arrays: Sequence[Array], *, out: None = None) -> Array:
    """The product of several matrices in the order that costs least; the ends may be vectors.

    Raises:
        ShapeError: fewer than two arrays, or inner sizes that differ.
    """
    refuse_out("linalg.multi_dot", out)
    factors = [as_array(x) for x in arrays]
    if len(factors) < 2:
        raise ShapeError(f"multi_dot at {user_line()}: {len(factors)} arrays; expected two or more")
    for x, y in itertools.pairwise(factors):
        if x.shape[-1:] != y.shape[:1]:
            raise _inner_differ(x, y)
    sizes = [1 if factors[0].ndim == 1 else factors[0].shape[0]]
    sizes += [1 if x.ndim == 1 and k else x.shape[-1] for k, x in enumerate(factors)]
    return _in_order(factors, _cheapest(sizes), 0, len(factors) - 1)


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of factors (Cormen et al., Introduction to Algorithms, 15.2)."""
    count = len(sizes) - 1
    cost = {(k, k): 0 for k in range(count)}
    cut = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            ways = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            cut[i, j] = min(ways, key=lambda k: ways[k])
            cost[i, j] = ways[cut[i, j]]
    return cut


def _in_order(factors: list[Array], cut: dict[tuple[int, int], int], i: int, j: int) -> Array:
    if i == j:
        return factors[i]
    k = cut[i, j]
    return matmul(_in_order(factors, cut, i, k), _in_order(factors, cut, k + 1, j))


def cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """The vector product of vectors of three.

    Raises:
        ShapeError: vectors of another length.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (np.moveaxis(as_array(x), k, -1) for x, k in ((a, axisa), (b, axisb)))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(
            f"cross at {user_line()}: {described(a)} and {described(b)}; expected vectors of 3",
            "in the plane, a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0] is the area",
        )
    left, right = ([x[..., k] for k in range(3)] for x in (a, b))
    parts = [left[k - 2] * right[k - 1] - left[k - 1] * right[k - 2] for k in range(3)]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements (i, i + offset) of two axes, along a new last axis."""
    first, second = normalize_axis_index(axis1, x.ndim), normalize_axis_index(axis2, x.ndim)
    if first == second:
        raise ShapeError(f"diagonal at {user_line()}: axis {axis1} twice; expected two axes")
    n, m = x.shape[first], x.shape[second]
    rest = [k for k in range(x.ndim) if k not in (first, second)]
    stack = tuple(x.shape[k] for k in rest)
    start = offset if offset >= 0 else -offset * m
    count = max(0, min(n, m - offset) if offset >= 0 else min(n + offset, m))
    line = np.reshape(np.transpose(x, (*rest, first, second)), (*stack, n * m))
    return bind(
        "slice", line, starts=(*(0 for _ in rest), min(start, n * m)), shape=(*stack, count),
        steps=(*(1 for _ in rest), m + 1),
    )  # fmt: skip


def trace(
    x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Array:
    """The sum of the diagonal."""
    refuse_out("trace", out)
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1, dtype=dtype)


def refuse_out(name: str, out: Any) -> None:
    """Results are new arrays.

    Raises:
        TraceError: ``out=`` was given.
    """
    if out is not None:
        raise TraceError(
            f"np.{name} with out= at {user_line()} would change an array in place",
            "use the result",
        )


def _of_matrices(function: Callable[..., Array]) -> Callable[..., Array]:
    """The linalg form, which takes the last two axes."""
    return lambda x, /, *, offset=0, **options: function(x, offset, -2, -1, **options)


_MEANINGS: dict[Any, Callable[..., Any]] = {
    np.dot: dot, np.inner: inner, np.vdot: vdot, np.outer: outer, np.tensordot: tensordot,
    np.kron: kron, np.cross: cross, np.diagonal: diagonal, np.trace: trace,
    np.linalg.matrix_transpose: lambda x: np.swapaxes(x, -1, -2),
    np.linalg.matmul: matmul,
    np.linalg.tensordot: lambda a, b, /, *, axes=2: tensordot(a, b, axes),
    np.linalg.vecdot: lambda a, b, /, *, axis=-1: vecdot(a, b, axis),
    np.linalg.outer: outer, np.linalg.multi_dot: multi_dot,
    np.linalg.cross: lambda a, b, /, *, axis=-1: cross(a, b, axis=axis),
    np.linalg.diagonal: _of_matrices(diagonal), np.linalg.trace: _of_matrices(trace),
}  # fmt: skip
for _function, _rule in _MEANINGS.items():
    register_function(_function, _rule)
for _name, _product in {
    "matmul": matmul, "vecdot": vecdot, "matvec": matvec, "vecmat": vecmat,
}.items():  # fmt: skip
    if hasattr(np, _name):  # NumPy before 2.2 has no matvec
        register_ufunc(getattr(np, _name), _product)
