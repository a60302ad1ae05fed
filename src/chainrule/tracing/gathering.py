"""Reading at places that are themselves data: one primitive ``take``, after axes are laid flat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.errors import DTypeError, ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.recording import GraphTracer
from chainrule.tracing.shaping import (
    as_array,
    broadcast_arrays,
    broadcast_to,
    described,
    expand_dims,
    ravel,
)
from chainrule.tracing.tracer import Tracer, cast, register_named
from chainrule.tracing.ufuncs import _dtype

Array = Any
_I64 = np.dtype(np.int64)
#: Up to so many columns a compiled sum over a comparison beats a read at a computed place.
_FEW = 32


def base(x: Any) -> Any:
    """What stands at the bottom of a tower of tracers: an array, or the stand-in of a graph."""
    while isinstance(x, Tracer) and hasattr(x, "value"):  # also what vmap repeats
        x = x.value
    return x


def is_batch(size: int, *arrays: Array) -> bool:
    """Whether a size stands for any number of examples, in the graph of one of these."""
    bases = [base(x) for x in arrays]
    return any(isinstance(x, GraphTracer) and x.recording.batch == size for x in bases)  # type: ignore[attr-defined]


def in_graph(*arrays: Array) -> bool:
    """Whether one of these stands for a value that is not known."""
    return any(isinstance(base(x), GraphTracer) for x in arrays)


def places_in(i: Any, n: int, mode: str = "raise") -> Array:
    """Indices into an axis of size n as places 0 ... n - 1; negative ones count from the end.

    Raises:
        DTypeError: they are no integers. ShapeError: a plain one lies outside.
    """
    i = as_array(i)
    if i.size == 0 and not isinstance(i, Tracer):
        i = i.astype(_I64)
    if i.dtype.kind not in "iu":
        raise DTypeError(
            f"an index of {i.dtype} at {user_line()}; expected integers",
            "convert with .astype(np.int64)",
        )
    i = i if i.dtype in (_I64, np.dtype(np.int32)) else cast(i, _I64)
    if mode == "wrap":
        return np.remainder(i, i.dtype.type(n))
    if mode == "clip":
        return np.clip(i, i.dtype.type(0), i.dtype.type(max(n - 1, 0)))
    return (
        np.where(np.less(i, 0), i + i.dtype.type(n), i) if isinstance(i, Tracer) else _plain(i, n)
    )


def _plain(i: np.ndarray, n: int) -> np.ndarray:
    outside = (i < -n) | (i >= n)
    if outside.any():
        worst = int(i[outside].flat[0])
        raise ShapeError(f"index {worst} at {user_line()} is outside an axis of size {n}")
    return np.where(i < 0, i + i.dtype.type(n), i) if (i < 0).any() else i


def flat_places(places: Sequence[Array], sizes: Sequence[int]) -> Array:
    """One place in the axes laid flat, for a place in each of them.

    Where a traced one lies outside of its axis the place is -1, which is an error when it runs.
    """
    if len(places) == 1:
        return places[0]
    places = [cast(i, _I64) for i in places]
    total, step = None, 1
    for i, n in zip(reversed(places), reversed(sizes), strict=True):
        term = i if step == 1 else i * step
        total = term if total is None else total + term
        step *= n
    for i, n in zip(places, sizes, strict=True):
        total = _or_none(total, i, n)
    return total


def _or_none(place: Array, i: Array, n: int) -> Array:
    """The place, or -1 where a traced index is none of an axis of size n."""
    if not isinstance(i, Tracer):
        return place
    outside = np.logical_or(np.less(i, 0), np.greater_equal(i, n))
    return np.where(outside, np.int64(-1), place)


def take_first(x: Array, i: Array) -> Array:
    """``x[i]`` for places 0 ... n - 1 on the first axis."""
    if not (isinstance(x, Tracer) or isinstance(i, Tracer)):
        return x[i]
    return bind("take", x, i)


def gather(x: Array, i: Array) -> Array:
    """For each row of places the elements of the same row.

    Shapes:
        x: (l..., n, r...), i: (l..., k) of places 0 ... n - 1 -> (l..., k, r...).
    """
    lead, n = i.ndim - 1, x.shape[i.ndim - 1]
    if not lead:
        return take_first(x, i)
    if i.shape[-1] == 1 and n <= _FEW and x.dtype.kind == "f" and in_graph(x, i):
        return _compared(x, i)
    return bind("take", x, i, batch=lead)


def _compared(x: Array, i: Array) -> Array:
    """One element a row as a sum over a comparison, which costs a compiled nest no memory.

    A place that is none gives NaN.
    """
    axis, n = i.ndim - 1, x.shape[i.ndim - 1]
    hit = expand_dims(np.equal(i, np.arange(n, dtype=i.dtype)), tuple(range(i.ndim, x.ndim)))
    found = np.sum(np.where(hit, x, x.dtype.type(0)), axis=axis, keepdims=True)
    return found + _not_a_place(i, n, x.dtype, found.ndim)


def _not_a_place(i: Array, n: int, dtype: np.dtype, rank: int) -> Array:
    """NaN where an index lies outside, else 0."""
    outside = np.logical_or(np.less(i, 0), np.greater_equal(i, n))
    return expand_dims(
        np.where(outside, dtype.type(np.nan), dtype.type(0)), tuple(range(i.ndim, rank))
    )


def take(
    a: Array, indices: Array, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Array:
    """The elements at these places of an axis, of the flat array by default."""
    x = as_array(a)
    x, axis = (ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))
    i = places_in(indices, x.shape[axis], mode)
    taken = take_first(np.moveaxis(x, axis, 0), i)
    return np.moveaxis(taken, tuple(range(i.ndim)), tuple(range(axis, axis + i.ndim)))


def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """For each line along an axis the elements at that line's places."""
    x, i = as_array(arr), as_array(indices)
    x, axis = (ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))
    if i.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis at {user_line()}: places {described(i)} for {described(x)}",
            "indices must have as many axes as the array",
        )
    return take_lines(x, places_in(i, x.shape[axis]), axis)


def take_lines(x: Array, i: Array, axis: int) -> Array:
    """The same, for places 0 ... n - 1."""
    x, i = np.moveaxis(x, axis, -1), np.moveaxis(i, axis, -1)
    lead = _spread(x.shape[:-1], i.shape[:-1])
    x, i = broadcast_to(x, (*lead, x.shape[-1])), broadcast_to(i, (*lead, i.shape[-1]))
    return np.moveaxis(gather(x, i), -1, axis)


def _spread(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ShapeError(
            f"take_along_axis at {user_line()}: {a} and {b} do not broadcast beside the axis"
        ) from None


def choose(a: Array, choices: Any, out: None = None, mode: str = "raise") -> Array:
    """From the k-th of the choices where a is k."""
    if isinstance(choices, Tracer | np.ndarray):
        choices = [choices[k] for k in range(len(choices))]
    number = places_in_list(a, len(choices), mode)
    arrays = [cast(as_array(x), _dtype(tuple(choices))) for x in choices]
    i, *options = broadcast_arrays(number, *arrays)
    chosen = options[-1]
    for k in reversed(range(len(options) - 1)):
        chosen = np.where(np.equal(i, k), options[k], chosen)
    return chosen


def places_in_list(a: Array, n: int, mode: str) -> Array:
    """Numbers of choices, of which a plain negative one is an error as it is NumPy's."""
    i = as_array(a)
    if mode == "raise" and not isinstance(i, Tracer) and ((i < 0) | (i >= n)).any():
        raise ShapeError(f"choose at {user_line()}: a number is not one of {n} choices")
    return places_in(i, n, mode)


def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Any = 0) -> Array:
    """From the first choice whose condition holds."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(
            f"select at {user_line()}: {len(condlist)} conditions for {len(choicelist)} choices"
        )
    if any(as_array(c).dtype != np.bool_ for c in condlist):
        raise DTypeError(f"select at {user_line()}: expected conditions of booleans")
    choices = [as_array(x) for x in choicelist]
    dtype = np.result_type(*(x.dtype for x in choices), *_typed(default))
    chosen = cast(as_array(default), dtype)
    for condition, x in zip(reversed(condlist), reversed(choices), strict=True):
        chosen = np.where(condition, cast(x, dtype), chosen)
    return broadcast_arrays(chosen, *condlist, *choices)[0]


def _typed(x: Any) -> list[Any]:
    return [x] if type(x) in (bool, int, float) else [as_array(x).dtype]


def compress(condition: Any, a: Array, axis: int | None = None, out: None = None) -> Array:
    """The elements of an axis at which a plain condition holds."""
    if isinstance(condition, Tracer):
        raise TraceError(
            f"np.compress by a traced condition at {user_line()} has a size that depends on values",
            "np.where(condition, x, 0) keeps the shape",
        )
    return take(a, np.flatnonzero(condition), axis)


register_named({
    "take": take, "take_along_axis": take_along_axis, "choose": choose, "select": select,
    "compress": compress,
})  # fmt: skip
