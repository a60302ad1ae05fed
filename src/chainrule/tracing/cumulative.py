"""Running sums, products and extremes; differences, and lines between points; on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import take_first, take_lines
from chainrule.tracing.joining import concatenate, part
from chainrule.tracing.lines import user_line
from chainrule.tracing.ordering import opposite, searchsorted
from chainrule.tracing.shaping import as_array, described, expand_dims, ravel
from chainrule.tracing.tracer import cast, register_named
from chainrule.tracing.ufuncs import _floating

Array = Any
_I64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)


def _line(a: Array, axis: int | None) -> tuple[Array, int]:
    x = as_array(a)
    return (ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))


def _counting(x: Array, dtype: Any) -> Array:
    """x in the dtype of its sums: whole numbers and booleans in int64, as NumPy does."""
    return cast(x, np.dtype(dtype) if dtype else x.dtype if x.dtype.kind == "f" else _I64)


def _repeated(value: float, x: Array) -> Array:
    return np.broadcast_to(np.asarray(value, x.dtype), x.shape)


def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """The sum of all elements up to each one, of the flat array by default."""
    x, axis = _line(a, axis)
    x = _counting(x, dtype)
    return bind("recurrence", _repeated(1, x), x, axis=axis, reverse=False)


def cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """The product of all elements up to each one, of the flat array by default."""
    x, axis = _line(a, axis)
    x = _counting(x, dtype)
    if not x.size:
        return x
    nothing = -0.0 if x.dtype.kind == "f" else 0  # which leaves a product as it is, -0.0 too
    numbers = np.arange(x.shape[axis]).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    first = np.where(np.broadcast_to(numbers == 0, x.shape), x, x.dtype.type(nothing))
    return bind("recurrence", x, first, axis=axis, reverse=False)


def _with_initial(running: Callable[..., Array], initial: int) -> Callable[..., Array]:
    def cumulative(x: Array, /, *, axis: int | None = None, dtype: Any = None, out: None = None,
                   include_initial: bool = False) -> Array:  # fmt: skip
        if axis is None and x.ndim != 1:
            raise ShapeError(f"cumulative sum at {user_line()}: {described(x)} needs an axis")
        axis = normalize_axis_index(axis or 0, x.ndim)
        y = running(x, axis, dtype)
        if not include_initial:
            return y
        beside = (*y.shape[:axis], 1, *y.shape[axis + 1 :])
        return concatenate([np.full(beside, initial, y.dtype), y], axis)

    return cumulative


def cummax(x: Array, axis: int = 0) -> Array:
    """The largest element so far; its gradient goes to where that stands."""
    x, axis = _line(x, axis)
    return take_lines(x, bind("argcummax", x, axis=axis), axis)


def cummin(x: Array, axis: int = 0) -> Array:
    """The smallest element so far; its gradient goes to where that stands."""
    x, axis = _line(x, axis)
    return take_lines(x, bind("argcummax", opposite(x), axis=axis), axis)


def cumlogsumexp(x: Array, axis: int = -1) -> Array:
    """log of the sum of eˣ up to each element, of which nothing overflows.

    Example:
        >>> cumlogsumexp(np.array([1000.0, 1000.0])) - 1000.0
        array([0.        , 0.69314718])
    """
    x, axis = _line(x, axis)
    return bind("cumlogsumexp", cast(x, _floating(x)), axis=axis, reverse=False)


def _nan_as(value: int, running: Callable[..., Array]) -> Callable[..., Array]:
    def skipping(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        x = as_array(a)
        return running(np.where(np.isnan(x), x.dtype.type(value), x), axis, dtype)

    return skipping


# -- differences -----------------------------------------------------------------------------------


def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Each element minus the one before, n times."""
    x, axis = _line(a, axis)
    ends = [_end(x, end, axis) for end in (prepend, append)]
    parts = [p for p in (ends[0], x, ends[1]) if p is not None]
    x = concatenate(parts, axis) if len(parts) > 1 else x
    for _ in range(n):
        size = max(x.shape[axis] - 1, 0)
        later, before = part(x, axis, 1, size), part(x, axis, 0, size)
        x = np.not_equal(later, before) if x.dtype == _BOOL else later - before
    return x


def _end(x: Array, end: Any, axis: int) -> Array | None:
    if end is None or end is np._NoValue:
        return None
    end = as_array(end)
    return end if end.ndim else np.broadcast_to(end, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    """The differences of the flat array, between values of one's own."""
    x = diff(ravel(as_array(ary)))
    ends = [
        None if end is None else cast(ravel(as_array(end)), x.dtype) for end in (to_begin, to_end)
    ]
    return concatenate([p for p in (ends[0], x, ends[1]) if p is not None])


def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """The integral by the trapezoidal rule, along one axis."""
    y, axis = _line(y, axis)
    n = y.shape[axis]
    if x is None:
        steps = dx
    else:
        x = as_array(x)
        steps = diff(x, axis=-1 if x.ndim == 1 else axis)
        if x.ndim == 1:
            steps = expand_dims(steps, tuple(range(1, y.ndim - axis)))
    pairs = part(y, axis, 1, max(n - 1, 0)) + part(y, axis, 0, max(n - 1, 0))
    return np.sum(steps * pairs / 2.0, axis=axis)


def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The slope by central differences inside and one-sided ones at the edges, along each axis."""
    f = as_array(f)
    axes = tuple(range(f.ndim)) if axis is None else tuple(np.atleast_1d(axis).tolist())
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if edge_order != 1 or len(steps) != len(axes) or any(np.ndim(h) for h in steps):
        raise TraceError(
            f"np.gradient at {user_line()}: one step for each axis and edge_order=1 can be traced"
        )
    slopes = [
        _slope(f, h, normalize_axis_index(k, f.ndim)) for h, k in zip(steps, axes, strict=True)
    ]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Array, h: Any, axis: int) -> Array:
    n = f.shape[axis]
    if n < 2:
        raise ShapeError(f"gradient at {user_line()}: axis {axis} of {described(f)} is too small")
    inside = (part(f, axis, 2, n - 2) - part(f, axis, 0, n - 2)) / (2.0 * h)
    first = (part(f, axis, 1, 1) - part(f, axis, 0, 1)) / h
    last = (part(f, axis, n - 1, 1) - part(f, axis, n - 2, 1)) / h
    return concatenate([first, inside, last], axis)


# -- between points --------------------------------------------------------------------------------


def interp(x: Array, xp: Array, fp: Array, left: Any = None, right: Any = None,
           period: Any = None) -> Array:  # fmt: skip
    """The straight lines through the points (xp, fp), xp ascending; outside, the last values."""
    x, xp, fp = (as_array(a) for a in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not len(xp):
        raise ShapeError(
            f"interp at {user_line()}: points {described(xp)}, values {described(fp)}; expected "
            "two vectors of one size"
        )
    if period is not None:
        raise TraceError(f"np.interp(period=) at {user_line()} cannot be traced", "np.remainder x")
    x, xp, fp = (cast(a, _floating(x, xp, fp)) for a in (x, xp, fp))
    n = len(xp)
    value = _on_lines(x, xp, fp) if n > 1 else np.broadcast_to(fp[0], x.shape)
    value = np.where(np.less(x, xp[0]), fp[0] if left is None else left, value)
    value = np.where(np.greater(x, xp[n - 1]), fp[n - 1] if right is None else right, value)
    return np.where(np.equal(x, x), value, x)


def _on_lines(x: Array, xp: Array, fp: Array) -> Array:
    k = np.clip(searchsorted(xp, x, "right") - 1, 0, len(xp) - 2)
    x0, x1, f0, f1 = (take_first(a, k + j) for a in (xp, fp) for j in (0, 1))
    wide = np.greater(x1, x0)
    width = np.where(wide, x1 - x0, x.dtype.type(1))
    outside = np.logical_or(np.less(x, xp[0]), np.greater_equal(x, xp[-1]))
    near = np.where(outside, x0, x)  # no infinite distance enters the line's gradient
    line = f0 + (near - x0) * ((f1 - f0) / width)
    return np.where(np.equal(x, xp[-1]), fp[-1], line)


register_named({
    "cumsum": cumsum, "cumprod": cumprod,
    "cumulative_sum": _with_initial(cumsum, 0), "cumulative_prod": _with_initial(cumprod, 1),
    "nancumsum": _nan_as(0, cumsum), "nancumprod": _nan_as(1, cumprod),
    "diff": diff, "ediff1d": ediff1d, "trapezoid": trapezoid, "gradient": gradient,
    "interp": interp,
})  # fmt: skip
