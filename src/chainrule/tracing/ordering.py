"""Sorting, searching and the places of the largest and smallest elements, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import take_first, take_lines
from chainrule.tracing.joining import part
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described, expand_dims, ravel
from chainrule.tracing.tracer import Tracer, cast, register_named

Array = Any
_I64 = np.dtype(np.int64)
#: Up to so many elements a count of comparisons beats a search by halves.
_FEW = 64


def opposite(x: Array) -> Array:
    """x with its order turned round: -x, or the complement of whole numbers, which always fits."""
    match x.dtype.kind:
        case "f":
            return -x
        case "b":
            return np.logical_not(x)
        case _:
            return -1 - x


def _along(x: Array, axis: int | None) -> tuple[Array, int]:
    if axis is None:
        return ravel(x), 0
    return x, normalize_axis_index(axis, x.ndim)


def argsort(
    a: Array, axis: int | None = -1, kind: Any = None, order: Any = None, *,
    stable: bool | None = None, descending: bool = False,
) -> Array:  # fmt: skip
    """The places of the elements in ascending order, NaN last; equal ones keep their order."""
    x, axis = _along(as_array(a), axis)
    return bind("argsort", opposite(x) if descending else x, axis=axis)


def sort(
    a: Array, axis: int | None = -1, kind: Any = None, order: Any = None, *,
    stable: bool | None = None, descending: bool = False,
) -> Array:  # fmt: skip
    """The elements in ascending order, NaN last. The gradient goes to where each came from."""
    x, axis = _along(as_array(a), axis)
    if descending:
        return take_lines(x, argsort(x, axis, descending=True), axis)
    return bind("sort", x, axis=axis)


def partition(
    a: Array, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None
) -> Array:
    """All elements in order, so that the k-th smallest stands at k, too."""
    return sort(a, axis)


def top_k(x: Array, k: int, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along an axis and their places, the largest first.

    Of equal elements the first comes first. NaN counts as smallest. The gradient goes to the
    places of the elements.

    Raises:
        ShapeError: the axis has fewer than k elements.

    Example:
        >>> top_k(np.array([1.0, 5.0, 3.0]), 2)
        (array([5., 3.]), array([1, 2]))
    """
    x = as_array(x)
    axis = normalize_axis_index(axis, x.ndim)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"top_k at {user_line()}: {k} of an axis of size {x.shape[axis]}")
    places = part(argsort(x, axis, descending=True), axis, 0, k)
    return take_lines(x, places, axis), places


def argmax(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """The first place of the largest element, or of a NaN where there is one."""
    x = as_array(a)
    rank = x.ndim
    x, along = _along(x, axis)
    n = x.shape[along]
    if n == 0:
        raise ShapeError(f"argmax at {user_line()}: axis {along} of {described(x)} is empty")
    largest = np.max(x, axis=along, keepdims=True)
    hit = np.equal(x, largest)
    if x.dtype.kind == "f":
        hit = np.logical_or(hit, np.not_equal(x, x))
    numbers = np.arange(n).reshape([-1 if k == along else 1 for k in range(x.ndim)])
    place = np.min(np.where(hit, numbers, n), axis=along)
    if x.dtype.kind == "f":
        place = bind("argmax", place, np.reshape(largest, place.shape))
    if not keepdims:
        return place
    return expand_dims(place, tuple(range(rank)) if axis is None else along)


def argmin(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """The first place of the smallest element, or of a NaN where there is one."""
    return argmax(opposite(as_array(a)), axis, keepdims=keepdims)


def _nan_places(name: str) -> Any:
    def place(
        a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        x = as_array(a)
        if x.dtype.kind == "f":
            worst = -np.inf if name == "max" else np.inf
            x = np.where(np.isnan(x), x.dtype.type(worst), x)
        return (argmax if name == "max" else argmin)(x, axis, keepdims=keepdims)

    return place


# -- searching -------------------------------------------------------------------------------------


def searchsorted(a: Array, v: Array, side: str = "left", sorter: Any = None) -> Array:
    """Before which of the ascending elements of a each element of v belongs.

    ``side`` is where among equal elements: "left" of them all or "right".
    """
    a, v = as_array(a), as_array(v)
    if a.ndim != 1 or side not in ("left", "right"):
        raise ShapeError(
            f"searchsorted at {user_line()}: {described(a)} is no vector or {side!r} no side"
        )
    if sorter is not None:
        a = take_first(a, as_array(sorter))
    dtype = np.result_type(a.dtype, v.dtype)
    a, v = cast(a, dtype), cast(v, dtype)
    if len(a) <= _FEW:
        place = np.sum(_before(a, v[..., None], side), axis=-1)
    else:
        place = _halved(a, v, side)
    if dtype.kind != "f":
        return place
    return bind("searchsorted", place, v + a[:1] if isinstance(a, Tracer) and len(a) else v)


def _before(a: Array, v: Array, side: str) -> Array:
    """Whether a stands before v; a NaN is larger than all numbers."""
    before = np.less(a, v) if side == "left" else np.less_equal(a, v)
    if v.dtype.kind != "f":
        return before
    number, nan = np.equal(a, a), np.not_equal(v, v)
    return np.logical_or(before, np.logical_and(number, nan) if side == "left" else nan)


def _halved(a: Array, v: Array, side: str) -> Array:
    """The search by halves, in as many steps as any element of v can need."""
    n = len(a)
    found: Array = np.zeros(v.shape, np.int64)
    for bit in reversed(range(n.bit_length())):
        further = found + (1 << bit)
        inside = np.less_equal(further, n)
        last = take_first(a, np.minimum(further, n) - 1)
        found = np.where(np.logical_and(inside, _before(last, v, side)), further, found)
    return found


def digitize(x: Array, bins: Any, right: bool = False) -> Array:
    """The number of the bin between plain monotonic edges into which each element falls."""
    if isinstance(bins, Tracer):
        raise TraceError(
            f"np.digitize with traced bins at {user_line()}: do they rise or fall?",
            "np.searchsorted takes traced edges that rise",
        )
    edges = np.asarray(bins)
    side = "left" if right else "right"
    steps = edges[1:] - edges[:-1]
    if (steps >= 0).all():
        return searchsorted(edges, x, side)
    if not (steps <= 0).all():
        raise ShapeError(f"digitize at {user_line()}: the edges of bins must rise or fall")
    return len(edges) - searchsorted(edges[::-1], x, side)


def isin(
    element: Array, test_elements: Array, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Array:  # fmt: skip
    """Whether each element is one of the others."""
    x, others = as_array(element), ravel(as_array(test_elements))
    found = np.any(np.equal(x[..., None], others), axis=-1)
    return np.logical_not(found) if invert else found


register_named({
    "sort": sort, "argsort": argsort, "partition": partition, "argmax": argmax, "argmin": argmin,
    "nanargmax": _nan_places("max"), "nanargmin": _nan_places("min"),
    "argpartition": lambda a, kth, axis=-1, kind=None, order=None: argsort(a, axis),
    "searchsorted": searchsorted, "digitize": digitize, "isin": isin,
})  # fmt: skip
