"""Norms and distances on tracers and arrays: no square overflows, and at 0 the gradient is 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import Recorded, bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import cast, register_function

Array = Any
Axes = tuple[int, ...]


def floating(x: Any) -> Array:
    """x as an array of floating-point numbers: whole numbers become float64."""
    x = as_array(x)
    return x if x.dtype.kind == "f" else cast(x, np.dtype(np.float64))


def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """``np.linalg.norm``: of vectors along one axis, of matrices in two, of all elements."""
    x = floating(x)
    if axis is None and (
        ord is None or (ord in ("fro", "f") and x.ndim == 2) or (ord == 2 and x.ndim == 1)
    ):
        return _euclidean(x, tuple(range(x.ndim)), keepdims)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if len(axes) == 1:
        return _vector(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix(x, "fro" if ord is None else ord, axes, keepdims)
    raise ShapeError(
        f"np.linalg.norm at {user_line()}: {described(x)} with axis={axis}, ord={ord!r}",
        "a vector has one axis, a matrix two; np.linalg.vector_norm takes any number of them",
    )


def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """The norm of all elements along some axes taken as one vector."""
    x = floating(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return _vector(x, ord, axes, keepdims)


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norm of the matrices in the last two axes."""
    x = floating(x)
    return _matrix(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


def _vector(x: Array, order: Any, axes: Axes, keepdims: bool) -> Array:
    if order == 2:
        return _euclidean(x, axes, keepdims)
    if order == math.inf:
        return np.max(np.absolute(x), axis=axes, keepdims=keepdims)
    if order == -math.inf:
        return np.min(np.absolute(x), axis=axes, keepdims=keepdims)
    if order == 0:
        return np.sum(np.not_equal(x, 0).astype(x.dtype), axis=axes, keepdims=keepdims)
    if order == 1:
        return np.sum(np.absolute(x), axis=axes, keepdims=keepdims)
    if not isinstance(order, int | float | np.number):
        raise TraceError(f"norm at {user_line()}: ord={order!r} of vectors; expected a number")
    return _power_mean(x, float(order), axes, keepdims)


def _scale(size: Array) -> Array:
    """A number to divide by: the size, and 1 where it is 0 or not finite."""
    size = bind("stop_gradient", size) if isinstance(size, Recorded) else size
    fits = np.logical_and(np.greater(size, 0), np.less(size, np.inf))
    return np.where(fits, size, size.dtype.type(1))


def _euclidean(x: Array, axes: Axes, keepdims: bool) -> Array:
    """√ Σ x², scaled by the largest |x|; the norm does not depend on the scale, nor its slope."""
    if 0 in x.shape or not axes:
        return np.sum(np.absolute(x), axis=axes, keepdims=keepdims) if axes else np.absolute(x)
    scale = _scale(np.max(np.absolute(x), axis=axes, keepdims=True))
    scaled = x / scale
    length = _root(np.sum(scaled * scaled, axis=axes, keepdims=True), 0.5) * scale
    return length if keepdims else np.squeeze(length, axes)


def _power_mean(x: Array, order: float, axes: Axes, keepdims: bool) -> Array:
    """(Σ |x|ᵖ)^(1/p), scaled by the term that counts most."""
    size = np.absolute(x)
    extreme = np.max if order > 0 else np.min
    scale = _scale(extreme(size, axis=axes, keepdims=True))
    terms = _root(size / scale, order)
    length = _root(np.sum(terms, axis=axes, keepdims=True), 1.0 / order) * scale
    return length if keepdims else np.squeeze(length, axes)


def _root(x: Array, exponent: float) -> Array:
    """x ** exponent for x >= 0, at 0 with its value and the slope 0."""
    zero = np.equal(x, 0)
    safe = np.where(zero, x.dtype.type(1), x)
    power = np.sqrt(safe) if exponent == 0.5 else safe**exponent
    return np.where(zero, x.dtype.type(0 if exponent > 0 else math.inf), power)


def _matrix(x: Array, order: Any, axes: Axes, keepdims: bool) -> Array:
    if order in ("fro", "f"):
        return _euclidean(x, axes, keepdims)
    moved = np.moveaxis(x, axes, (-2, -1))
    match order:
        case "nuc":
            value = np.sum(np.linalg.svdvals(moved), axis=-1)
        case 2 | -2:
            value = (np.max if order > 0 else np.min)(np.linalg.svdvals(moved), axis=-1)
        case _ if order in (1, -1, math.inf, -math.inf):
            sums = np.sum(np.absolute(moved), axis=-2 if abs(order) == 1 else -1)
            value = (np.max if order > 0 else np.min)(sums, axis=-1)
        case _:
            raise TraceError(
                f"norm at {user_line()}: ord={order!r} of matrices; expected 'fro', 'nuc', 2, -2, "
                "1, -1, inf or -inf"
            )
    return np.expand_dims(value, axes) if keepdims else value


def cdist(x: Array, y: Array, p: float = 2) -> Array:
    """The distance of each row of x from each row of y, in the p-norm.

    By differences, so that nothing cancels where points are close; the gradient at distance 0 is 0.

    Shapes:
        x: (..., n, d), y: (..., m, d) -> (..., n, m).

    Raises:
        ShapeError: the points have not the same number of coordinates.

    Example:
        >>> cdist(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0]]))
        array([[0.],
               [5.]])
    """
    x, y = floating(x), floating(y)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            f"cdist at {user_line()}: {described(x)} and {described(y)}; expected (..., n, d) and "
            "(..., m, d)"
        )
    between = np.expand_dims(x, -2) - np.expand_dims(y, -3)
    return _vector(between, p, (between.ndim - 1,), keepdims=False)


register_function(np.linalg.norm, norm)
register_function(np.linalg.vector_norm, vector_norm)
register_function(np.linalg.matrix_norm, matrix_norm)
