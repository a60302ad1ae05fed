"""Sums, products, extremes, means and their kin on tracers, with NumPy's options."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.errors import ShapeError
from chainrule.ops import bind
from chainrule.tracing.gathering import base, in_graph, is_batch
from chainrule.tracing.lines import user_line
from chainrule.tracing.ordering import opposite
from chainrule.tracing.shaping import as_array, broadcast_to, count, described
from chainrule.tracing.tracer import cast, register_named, value_of
from chainrule.tracing.ufuncs import _floating

Array = Any
_I64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)
NONE: Any = np._NoValue


def axes_of(x: Array, axis: Any) -> tuple[int, ...]:
    """The axes that are reduced, all by default, in ascending order."""
    if axis is None:
        return tuple(range(x.ndim))
    if type(axis) is int and -x.ndim <= axis < x.ndim:
        return (axis % x.ndim,)
    return tuple(sorted(normalize_axis_tuple(axis, x.ndim)))


def _reduce(op: str, x: Array, axis: Any, keepdims: bool) -> Array:
    axes = axes_of(x, axis)
    if not axes:
        return x
    reduced = bind(op, x, axes=axes)
    if keepdims is not True:
        return reduced
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    return bind("reshape", reduced, shape=kept)


def _given(option: Any) -> bool:
    return option is not None and option is not NONE


def _masked(x: Array, where: Any, value: Any) -> Array:
    """x where it counts and ``value`` elsewhere."""
    return x if where is True or not _given(where) else np.where(where, x, cast(value, x.dtype))


def _counting(x: Array, dtype: Any) -> Array:
    """x in the dtype of its sums: whole numbers and booleans in int64, as NumPy does."""
    return cast(x, np.dtype(dtype) if _given(dtype) else x.dtype if x.dtype.kind == "f" else _I64)


def sum_(a: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
         initial: Any = None, where: Any = True) -> Array:  # fmt: skip
    """The sum; whole numbers and booleans are summed in int64, as NumPy does."""
    x = _masked(_counting(as_array(a), dtype), where, 0)
    total = _reduce("sum", x, axis, keepdims)
    return total + cast(initial, x.dtype) if _given(initial) else total


def prod(a: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
         initial: Any = None, where: Any = True) -> Array:  # fmt: skip
    """The product; of whole numbers and booleans in int64, as NumPy does."""
    x = _masked(_counting(as_array(a), dtype), where, 1)
    total = _reduce("prod", x, axis, keepdims)
    return total * cast(initial, x.dtype) if _given(initial) else total


def max_(a: Array, axis: Any = None, out: None = None, keepdims: bool = False,
         initial: Any = None, where: Any = True) -> Array:  # fmt: skip
    """The largest element. Several that are equal share the gradient."""
    return _extreme("max", as_array(a), axis, keepdims, initial, where)


def min_(a: Array, axis: Any = None, out: None = None, keepdims: bool = False,
         initial: Any = None, where: Any = True) -> Array:  # fmt: skip
    """The smallest element. Several that are equal share the gradient."""
    return _extreme("min", as_array(a), axis, keepdims, initial, where)


def _extreme(name: str, x: Array, axis: Any, keepdims: bool, initial: Any, where: Any) -> Array:
    axes = axes_of(x, axis)
    partly = where is not True and _given(where)
    if not _given(initial):
        if any(x.shape[k] == 0 for k in axes) or partly:
            why = "with where=" if partly else f"of {described(x)} along {axes}, of which none are"
            raise ShapeError(f"{name} {why} at {user_line()} has no first value", "give initial=")
        return _largest(x, axis, keepdims) if name == "max" else _smallest(x, axis, keepdims)
    meet = np.maximum if name == "max" else np.minimum
    start = as_array(initial) if np.ndim(initial) else initial
    x = _masked(x, where, initial)
    if any(x.shape[k] == 0 for k in axes):
        shape = np.sum(np.zeros(x.shape, bool), axes, keepdims=keepdims is True).shape
        return broadcast_to(cast(start, x.dtype), shape)
    found = _largest(x, axis, keepdims) if name == "max" else _smallest(x, axis, keepdims)
    return meet(found, cast(start, x.dtype))


def _largest(x: Array, axis: Any, keepdims: bool) -> Array:
    return _reduce("max", x, axis, keepdims)


def _smallest(x: Array, axis: Any, keepdims: bool) -> Array:
    """The largest of the opposites, turned back."""
    return opposite(_reduce("max", opposite(x), axis, keepdims))


def any_(a: Array, axis: Any = None, out: None = None, keepdims: bool = False, *,
         where: Any = True) -> Array:  # fmt: skip
    """Whether an element is not zero."""
    x = _masked(cast(as_array(a), _BOOL), where, False)
    if any(x.shape[k] == 0 for k in axes_of(x, axis)):
        return np.any(np.zeros(x.shape, bool), axis, keepdims=keepdims is True)
    return _largest(x, axis, keepdims)


def all_(a: Array, axis: Any = None, out: None = None, keepdims: bool = False, *,
         where: Any = True) -> Array:  # fmt: skip
    """Whether no element is zero."""
    x = _masked(cast(as_array(a), _BOOL), where, True)
    return np.logical_not(any_(np.logical_not(x), axis, keepdims=keepdims))


def count_nonzero(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    """How many elements are not zero."""
    return sum_(cast(as_array(a), _BOOL), axis, keepdims=keepdims)


def ptp(a: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    """The largest element minus the smallest."""
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


# -- means -----------------------------------------------------------------------------------------


def mean(a: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
         *, where: Any = True) -> Array:  # fmt: skip
    """The mean, of which the sum does not overflow; the number of elements may be the batch."""
    x = as_array(a)
    x = cast(x, np.dtype(dtype) if _given(dtype) else _floating(x))
    return _mean_power(_masked(x, where, 0), 1, axis, keepdims, _how_many(x, axis, keepdims, where))


def _how_many(x: Array, axis: Any, keepdims: bool, where: Any) -> Any:
    """The number of elements in each mean."""
    if where is True or not _given(where):
        return count([x.shape[k] for k in axes_of(x, axis)])
    counted = broadcast_to(cast(as_array(where), _BOOL), x.shape)
    return cast(np.sum(counted, axis=axis, keepdims=keepdims is True), x.dtype)


def _raised(x: Array, power: int) -> Array:
    return x * x if power == 2 else x


def _mean_power(x: Array, power: int, axis: Any, keepdims: bool, divisor: Any) -> Array:
    """Σ xᵖ / divisor.

    Where the sum would overflow, x is scaled by a power of two before, which rounds nothing. A
    graph, which cannot ask, always scales (but over any number of examples).
    """
    sizes = [x.shape[k] for k in axes_of(x, axis)]
    unknown = in_graph(x)
    if not unknown or count(sizes) < 2 or any(is_batch(n, x) for n in sizes):
        with np.errstate(over="ignore", invalid="ignore"):
            found = _reduce("sum", _raised(x, power), axis, keepdims) / divisor
        if unknown or count(sizes) < 2 or np.isfinite(base(found)).all():
            return found
    scale = 2.0 ** -math.ceil(math.log2(count(sizes)) / power)
    total = _reduce("sum", _raised(x * scale, power), axis, keepdims)
    return total / (divisor * scale**power)


def var(a: Array, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
        keepdims: bool = False, *, where: Any = True, mean: Any = NONE,
        correction: Any = NONE) -> Array:  # fmt: skip
    """The mean squared distance from the mean.

    The distances are corrected by their own mean, which is what rounding has left in it: without
    that the variance of [1e8, 1e8 + 8, 1e8 + 16] in float32 would be wrong in its first digit.

    Source:
        The corrected two-pass algorithm: Chan, Golub & LeVeque 1983, Algorithms for Computing the
        Sample Variance, 1.7.
    """
    x = as_array(a)
    x = cast(x, np.dtype(dtype) if _given(dtype) else _floating(x))
    ddof = correction if _given(correction) else ddof
    if _given(mean):
        distance = _masked(x - mean, where, 0)
    else:
        distance = _corrected(_centred(x, axis, where), axis, where)
    number = _how_many(x, axis, keepdims, where)
    divisor = np.maximum(number - ddof, 0) if not isinstance(number, int) else max(number - ddof, 0)
    return _mean_power(distance, 2, axis, keepdims, divisor if ddof else number)


def _centred(x: Array, axis: Any, where: Any) -> Array:
    return _masked(x - mean(x, axis, keepdims=True, where=where), where, 0)


def _corrected(x: Array, axis: Any, where: Any) -> Array:
    """Distances minus their mean, which would be 0 but for rounding: a constant."""
    value = value_of(x) if where is True else None
    if value is None:
        middle = bind("stop_gradient", mean(x, axis, keepdims=True, where=where))
    else:
        middle = np.mean(value, axis=axis, keepdims=True) if value.size else 0
        if not np.any(middle):
            return x
    return _masked(x - middle, where, 0)


def std(a: Array, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0,
        keepdims: bool = False, *, where: Any = True, mean: Any = NONE,
        correction: Any = NONE) -> Array:  # fmt: skip
    """The square root of the variance.

    Where all elements are equal its gradient is taken as 0, which prefers no direction.
    """
    spread = var(
        a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction
    )
    return root(spread)


def root(x: Array) -> Array:
    """The square root, with slope 0 at 0."""
    zero = np.equal(x, 0)
    return np.where(zero, x.dtype.type(0), np.sqrt(np.where(zero, x.dtype.type(1), x)))


# -- without NaN -----------------------------------------------------------------------------------


def _skipping(reduce: Callable[..., Array], value: float) -> Callable[..., Array]:
    def reduced(a: Array, *args: Any, **options: Any) -> Array:
        x = as_array(a)
        return reduce(np.where(np.isnan(x), cast(value, x.dtype), x), *args, **options)

    return reduced


def _counted(reduce: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(a: Array, *args: Any, where: Any = True, **options: Any) -> Array:
        x = as_array(a)
        number = np.logical_and(np.logical_not(np.isnan(x)), where)
        return reduce(np.where(number, x, x.dtype.type(0)), *args, where=number, **options)

    return reduced


def _nan_extreme(reduce: Callable[..., Array], value: float) -> Callable[..., Array]:
    def reduced(a: Array, axis: Any = None, out: None = None, keepdims: bool = False,
                initial: Any = None, where: Any = True) -> Array:  # fmt: skip
        x = as_array(a)
        if x.dtype.kind != "f":
            return reduce(x, axis, None, keepdims, initial, where)
        nan = np.isnan(x)
        found = reduce(np.where(nan, x.dtype.type(value), x), axis, None, keepdims, initial, where)
        if _given(initial):
            return found
        return np.where(all_(nan, axis, keepdims=keepdims), x.dtype.type(np.nan), found)

    return reduced


nanmax, nanmin = _nan_extreme(max_, -np.inf), _nan_extreme(min_, np.inf)

register_named({
    "sum": sum_, "prod": prod, "max": max_, "amax": max_, "min": min_, "amin": min_,
    "any": any_, "all": all_, "count_nonzero": count_nonzero, "ptp": ptp,
    "mean": mean, "var": var, "std": std,
    "nansum": _skipping(sum_, 0), "nanprod": _skipping(prod, 1),
    "nanmax": nanmax, "nanmin": nanmin, "nanmean": _counted(mean), "nanvar": _counted(var),
    "nanstd": _counted(std),
})  # fmt: skip
